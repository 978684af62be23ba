"""Virtual patients: what is true of each, and the noise of every measurement, from its own seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from foci import RepairModel, eberlein_2015
from foci.repair.prior import background_at
from hemadose.errors import HemadoseError
from hemadose.trials.patients.cohort_model import Cohort
from hemadose.trials.patients.covariates import COVARIATE_ASSUMPTION, N_COORDINATES, covariates_at
from hemadose.trials.patients.truth import TruthSettings
from kinetics.curves import FloatArray
from kinetics.models import Curves
from radiobio import CountParameters, lea_catcheside_g, lineage_prior
from radiobio.counts.covariates import COVARIATE_EFFECTS

MAX_CYCLES = 10
"""Most cycles that a patient's randomness is drawn for."""
LINEAGES = ("platelets", "haemoglobin", "neutrophils", "leukocytes", "lymphocytes")
MEASURED_REGIONS = ("blood", "whole_body", "kidneys", "liver", "marrow", "tumour")
MAX_TIMES = 8
"""Most samples of a region, or of foci, in one cycle."""
NOISE_DAYS = 512
"""Days after which the scatter of the counts repeats."""

_N_COUNT = 5  # coordinates of a lineage: the four of its prior and the marrow reserve
_KILL = 3  # position of the kill among them


@dataclass(frozen=True, eq=False)
class Noise:
    """Standard normals and uniforms behind the measurements of each patient.

    Attributes
    ----------
    activity : ndarray, shape (n, MAX_CYCLES, n_regions, MAX_TIMES)
        Standard normals, by `MEASURED_REGIONS`.
    foci : ndarray, shape (n, MAX_CYCLES, MAX_TIMES)
        Uniforms.
    counts : ndarray, shape (n, NOISE_DAYS, n_lineages)
        Standard normals, by `LINEAGES`: those of a day are the same in every arm.
    """

    activity: FloatArray
    foci: FloatArray
    counts: FloatArray


@dataclass(frozen=True, eq=False)
class VirtualPatients:
    """The truth about n patients, and the noise of what will be measured in them.

    A patient is bitwise the same in whatever company it is drawn.

    Attributes
    ----------
    cohort : Cohort
        Population they are from.
    truth : TruthSettings
        How they differ from it.
    index : ndarray of int, shape (n,)
        Their numbers in the trial.
    covariates : mapping of str to ndarray (n,)
        Known before treatment.
    log_parameter : ndarray, shape (n, n_cycles, p)
        Log parameters of each cycle, without the cohort's common change with the cycle.
    per_gbq : mapping of str to SumOfExponentials, leading shape (n, n_cycles)
        Activities and dose rates per GBq given, as `Cohort.curves`.
    kidney_protraction : ndarray, shape (n, n_cycles)
        Lea-Catcheside factor G of the kidneys' dose.
    count_parameters : mapping of str to CountParameters (n,)
        By lineage.
    count_cv : mapping of str to float
        Scatter of a count around the truth, by lineage.
    background_per_cell : ndarray, shape (n,)
        Spontaneous foci.
    foci_laboratory_factor : float
        True slope of the laboratory's calibration over the one it uses.
    drops_out : ndarray of bool, shape (n, n_cycles)
        Whether the patient leaves before the cycle; never before the first.
    noise : Noise
        Behind the measurements.
    assumptions : tuple of str
        What is assumed, in words.
    """

    cohort: Cohort
    truth: TruthSettings
    index: npt.NDArray[np.int64]
    covariates: Mapping[str, FloatArray]
    log_parameter: FloatArray
    per_gbq: Curves
    kidney_protraction: FloatArray
    count_parameters: Mapping[str, CountParameters]
    count_cv: Mapping[str, float]
    background_per_cell: FloatArray
    foci_laboratory_factor: float
    drops_out: npt.NDArray[np.bool_]
    noise: Noise
    assumptions: tuple[str, ...]

    @property
    def n(self) -> int:
        """Number of patients."""
        return len(self.index)

    @property
    def n_cycles(self) -> int:
        """Most cycles that a patient can be given."""
        return int(self.log_parameter.shape[1])


def draw_patients(
    cohort: Cohort,
    index: npt.ArrayLike,
    *,
    seed: int,
    truth: TruthSettings | None = None,
    lineages: Sequence[str] = LINEAGES[:3],
    max_cycles: int = 6,
) -> VirtualPatients:
    """Draw the patients of these numbers.

    Parameters
    ----------
    cohort : Cohort
        Population.
    index : array_like of int, shape (n,)
        Numbers of the patients in the trial, zero or positive.
    seed : int
        Of the trial. Patient i is drawn from ``numpy.random.default_rng([seed, i])``, so that it
        is the same in every chunk, arm and back-end.
    truth : TruthSettings, optional
        How the truth differs from the published and assumed models.
    lineages : sequence of str
        Blood cells that are followed.
    max_cycles : int
        Most cycles that a policy may give, up to `MAX_CYCLES`.

    Returns
    -------
    VirtualPatients

    Raises
    ------
    HemadoseError
        If a lineage, parameter or number is not legal.

    Notes
    -----
    Within a trial all curves are proportional to the activity (ASSUMED: with the saturable
    salivary glands of both PSMA models, doses per GBq change by less than 0.2 % between 3.7 and
    20 GBq).

    Examples
    --------
    >>> from hemadose.trials.patients.cohorts import cohort
    >>> patients = draw_patients(cohort("DOTATATE"), [0, 1], seed=7)
    >>> patients.per_gbq["kidney_dose"].shape
    (2, 6)
    """
    truth = truth or TruthSettings()
    numbers = np.atleast_1d(np.asarray(index))
    _check(cohort, truth, numbers, lineages, max_cycles)
    parts = _draws(numbers, seed, len(cohort.parameters))
    covariates = covariates_at(cohort.name, parts["covariates"], settings=truth.covariates)
    log_parameter = _log_parameter(cohort, covariates, parts, truth, max_cycles)
    planned = cohort.curves(
        log_parameter, activity_gbq=cohort.planned_gbq, cycle=np.arange(1, max_cycles + 1)
    )
    per_gbq = {region: curve.scaled(1 / cohort.planned_gbq) for region, curve in planned.items()}
    counts = {}
    notes = [*cohort.assumptions, COVARIATE_ASSUMPTION, *truth.assumptions]
    cv = {}
    for lineage in lineages:
        counts[lineage], prior_notes, residual_cv = _count_parameters(
            lineage, cohort, covariates, parts, truth
        )
        cv[lineage] = residual_cv * truth.count_residual_factor
        notes += prior_notes
    uniform = parts["uniform"]
    drops_out = uniform[:, 1 : 1 + max_cycles] < truth.dropout_per_cycle
    drops_out[:, 0] = False
    return VirtualPatients(
        cohort=cohort,
        truth=truth,
        index=numbers.astype(np.int64),
        covariates=covariates,
        log_parameter=log_parameter,
        per_gbq=per_gbq,
        kidney_protraction=lea_catcheside_g(
            per_gbq["kidney_dose"], np.log(2) / truth.kidney_repair_half_life_h
        ),
        count_parameters=counts,
        count_cv=cv,
        background_per_cell=background_at(parts["background"][:, 0], ()),
        foci_laboratory_factor=_laboratory_factor(truth, seed),
        drops_out=drops_out,
        noise=_noise(parts),
        assumptions=tuple(dict.fromkeys(notes)),
    )


def _check(
    cohort: Cohort,
    truth: TruthSettings,
    index: npt.NDArray[np.int64],
    lineages: Sequence[str],
    max_cycles: int,
) -> None:
    if index.ndim != 1 or not np.issubdtype(index.dtype, np.integer) or (index < 0).any():
        raise HemadoseError("index must be whole numbers from zero, one a patient")
    if not 1 <= max_cycles <= MAX_CYCLES:
        raise HemadoseError(f"max_cycles must be from 1 to {MAX_CYCLES}, got {max_cycles}")
    for name, known in [
        *((lineage, LINEAGES) for lineage in lineages),
        *((parameter, cohort.parameters) for parameter in truth.log_shift),
    ]:
        if name not in known:
            raise HemadoseError(f"{name!r} is not known; known: {', '.join(known)}")


def _draws(index: npt.NDArray[np.int64], seed: int, n_parameters: int) -> dict[str, FloatArray]:
    """Standard normals and uniforms of each patient, in an order that never changes."""
    sizes = {
        "covariates": (N_COORDINATES,),
        "background": (1,),
        "sensitivity": (1,),
        "counts": (len(LINEAGES), _N_COUNT),
        "patient": (n_parameters,),
        "cycle": (MAX_CYCLES, n_parameters),
        "activity": (MAX_CYCLES, len(MEASURED_REGIONS), MAX_TIMES),
        "scatter": (NOISE_DAYS, len(LINEAGES)),
    }
    lengths = [int(np.prod(shape)) for shape in sizes.values()]
    normal = np.empty((len(index), sum(lengths)))
    uniform = np.empty((len(index), 1 + MAX_CYCLES + MAX_CYCLES * MAX_TIMES))
    for row, number in enumerate(index.tolist()):
        rng = np.random.default_rng([seed, number])
        rng.standard_normal(out=normal[row])
        rng.random(out=uniform[row])
    ends = np.cumsum(lengths)
    parts = {
        name: normal[:, end - length : end].reshape(len(index), *shape)
        for (name, shape), length, end in zip(sizes.items(), lengths, ends, strict=True)
    }
    return parts | {"uniform": uniform}


def _log_parameter(
    cohort: Cohort,
    covariates: Mapping[str, FloatArray],
    parts: Mapping[str, FloatArray],
    truth: TruthSettings,
    max_cycles: int,
) -> FloatArray:
    """Median, covariates, misspecification, patient and cycle effects, shape (n, n_cycles, p)."""
    median = cohort.log_median.copy()
    for name, shift in truth.log_shift.items():
        median[cohort.index(name)] += shift
    median[cohort.index("marrow_dose_factor")] += np.log(truth.s_value_factor)
    median[cohort.index("kidney_dose_factor")] += np.log(truth.kidney_factor)
    patient = median + cohort.offsets(covariates) + cohort.log_sd_patient * parts["patient"]
    return np.asarray(patient[:, None] + cohort.log_sd_cycle * parts["cycle"][:, :max_cycles])


def _count_parameters(
    lineage: str,
    cohort: Cohort,
    covariates: Mapping[str, FloatArray],
    parts: Mapping[str, FloatArray],
    truth: TruthSettings,
) -> tuple[CountParameters, tuple[str, ...], float]:
    """True parameters of one lineage, what its prior assumes, and the scatter of its counts."""
    known = {name: covariates[name] for name in COVARIATE_EFFECTS if name in covariates}
    prior = lineage_prior(
        lineage,
        cohort.dose_method,
        covariates=known if truth.covariate_effects else None,
        reserve_loss=truth.reserve_loss,
    )
    z = parts["counts"][:, LINEAGES.index(lineage)].copy()
    shared = np.sqrt(truth.kill_correlation) * parts["sensitivity"][:, 0]
    z[:, _KILL] = shared + np.sqrt(1 - truth.kill_correlation) * z[:, _KILL]
    own = prior.parameters(z[:, :4], z[:, 4])
    outlier = parts["uniform"][:, 0] < truth.outlier_share
    usual = cohort.kill_factor * truth.kill_factor
    factor = np.where(outlier, usual * truth.outlier_factor, usual)
    return (
        replace(own, kill_per_gy=own.kill_per_gy * factor),
        prior.assumptions,
        prior.residual_cv,
    )


def _laboratory_factor(truth: TruthSettings, seed: int) -> float:
    if truth.foci_laboratory_factor is not None:
        return truth.foci_laboratory_factor
    line = RepairModel(eberlein_2015()).calibration
    spread = np.sqrt(np.log1p((line.slope_sd / line.slope_per_gy) ** 2))
    return float(np.exp(spread * np.random.default_rng(seed).standard_normal()))


def _noise(parts: Mapping[str, FloatArray]) -> Noise:
    uniform = parts["uniform"][:, 1 + MAX_CYCLES :]
    return Noise(
        activity=parts["activity"],
        foci=uniform.reshape(len(uniform), MAX_CYCLES, MAX_TIMES),
        counts=parts["scatter"],
    )
