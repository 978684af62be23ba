"""Blood dose of a patient under treatment: foci alone, or together with the measured activity."""

from foci.patient_dose.agreement import DoseAgreement, agreement
from foci.patient_dose.estimate import FociDoseEstimate, blood_dose_from_foci, predict_foci
from foci.patient_dose.joint import JointEstimate, joint_estimate
from foci.patient_dose.planned_worth import PlannedSample, planned_worth
from foci.patient_dose.update import FociUpdate, update_draws
from foci.patient_dose.worth import Worth, sample_worth, worth_frame

__all__ = [
    "DoseAgreement",
    "FociDoseEstimate",
    "FociUpdate",
    "JointEstimate",
    "PlannedSample",
    "Worth",
    "agreement",
    "blood_dose_from_foci",
    "joint_estimate",
    "planned_worth",
    "predict_foci",
    "sample_worth",
    "update_draws",
    "worth_frame",
]
