"""DICOM objects built by hand: small, valid, and easy to spoil in a test."""

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
    "NM": "1.2.840.10008.5.1.4.1.1.20",
    "SEG": "1.2.840.10008.5.1.4.1.1.66.4",
    "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
}
FRAME = "1.2.826.0.1.3680043.8.499.99.42"
HALF_LIFE_H = 159.5


def base(modality, series="1.2.826.0.1.3680043.8.498.7"):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = CLASSES[modality]
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.Modality = modality
    ds.PatientName, ds.PatientID = "Doe^Jane", "QX-4711"
    ds.StudyInstanceUID = "1.2.752.24.5.987654321"
    ds.SeriesInstanceUID, ds.FrameOfReferenceUID = series, FRAME
    return ds


def put_pixels(ds, stored, bits=16):
    """Stored values of shape (rows, columns) or (frames, rows, columns)."""
    stored = np.asarray(stored)
    if stored.ndim == 3:
        ds.NumberOfFrames = len(stored)
    ds.Rows, ds.Columns = stored.shape[-2:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit = bits - 1
    ds.PixelRepresentation = int(stored.dtype.kind == "i")
    kind = {1: None, 8: "u1", 16: "<i2" if stored.dtype.kind == "i" else "<u2"}[bits]
    if bits == 1:
        raw = np.packbits(stored.ravel().astype(np.uint8), bitorder="little").tobytes()
    else:
        raw = stored.astype(kind).tobytes()
    ds.PixelData = raw + b"\0" * (len(raw) % 2)
    return ds


def save(ds, path):
    ds.save_as(path, enforce_file_format=True)
    return path


def slices(volume, *, modality="CT", first=(-10.0, -20.0, 30.0), spacing=(3.0, 2.0), step=4.0,
           orientation=(1, 0, 0, 0, 1, 0), series="1.2.826.0.1.3680043.8.498.7"):  # fmt: skip
    """One dataset a slice of a volume (planes, rows, columns); spacing of rows, then columns."""
    normal = np.cross(orientation[:3], orientation[3:])
    made = []
    for k, plane in enumerate(volume):
        ds = put_pixels(base(modality, series), plane)
        ds.ImagePositionPatient = [float(v) for v in np.array(first) + k * step * normal]
        ds.ImageOrientationPatient = [float(v) for v in orientation]
        ds.PixelSpacing = list(spacing)
        ds.InstanceNumber = k + 1
        made.append(ds)
    return made


def pet(volume, correction="START", start="20260102", **options):
    made = slices(volume, modality="PT", **options)
    for ds in made:
        ds.Units, ds.DecayCorrection = "BQML", correction
        ds.CorrectedImage = ["DECY", "ATTN", "SCAT"]
        ds.RescaleSlope, ds.RescaleIntercept = 1000.0, 0.0
        ds.AcquisitionDate, ds.AcquisitionTime = start, "120000"
        ds.ActualFrameDuration = "1200000"
        drug = Dataset()
        drug.RadiopharmaceuticalStartDateTime = "20260101120000"
        drug.RadionuclideHalfLife = HALF_LIFE_H * 3600
        ds.RadiopharmaceuticalInformationSequence = [drug]
    return made


def spect(volume, step=-4.0, first=(-10.0, -20.0, 30.0)):
    ds = put_pixels(base("NM"), volume)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    ds.PixelSpacing = [4.0, 4.0]
    ds.SpacingBetweenSlices = step
    ds.NumberOfEnergyWindows = ds.NumberOfDetectors = 1
    detector = Dataset()
    detector.ImagePositionPatient = list(first)
    detector.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    ds.DetectorInformationSequence = [detector]
    ds.AcquisitionDate, ds.AcquisitionTime = "20260102", "120000"
    return ds


def write_series(datasets, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for k, ds in enumerate(datasets):
        save(ds, folder / f"{(7 * k) % 23:03d}_{k}.dcm")  # names not in the order of planes
    return folder


def seg(frames, *, kind="BINARY", labels=("kidneys", "liver"), spacing=(4.0, 4.0), maximum=255):
    """Frames: (segment number, patient position, mask of rows and columns)."""
    stored = np.stack([np.asarray(mask) for _, _, mask in frames])
    ds = put_pixels(base("SEG"), stored.astype(np.uint8), bits=1 if kind == "BINARY" else 8)
    ds.SegmentationType = kind
    if kind == "FRACTIONAL":
        ds.SegmentationFractionalType, ds.MaximumFractionalValue = "OCCUPANCY", maximum
    ds.SegmentSequence = []
    for number, label in enumerate(labels, start=1):
        item = Dataset()
        item.SegmentNumber, item.SegmentLabel = number, label
        ds.SegmentSequence.append(item)
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    measures.PixelSpacing, measures.SliceThickness = list(spacing), 4.0
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.PerFrameFunctionalGroupsSequence = []
    for number, position, _ in frames:
        group, place, segment = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [float(v) for v in position]
        segment.ReferencedSegmentNumber = number
        group.PlanePositionSequence = [place]
        group.SegmentIdentificationSequence = [segment]
        ds.PerFrameFunctionalGroupsSequence.append(group)
    return ds


def rtstruct(regions, geometric_type="CLOSED_PLANAR"):
    """Regions: name -> list of contours, each (n, 3) in DICOM's patient coordinates."""
    ds = base("RTSTRUCT")
    ds.StructureSetROISequence, ds.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(regions.items(), start=1):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, name
        roi.ReferencedFrameOfReferenceUID = FRAME
        ds.StructureSetROISequence.append(roi)
        drawn.ReferencedROINumber, drawn.ContourSequence = number, []
        for points in contours:
            item = Dataset()
            item.ContourGeometricType = geometric_type
            item.NumberOfContourPoints = len(points)
            item.ContourData = [f"{v:.6g}" for v in np.asarray(points).ravel()]
            drawn.ContourSequence.append(item)
        ds.ROIContourSequence.append(drawn)
    return ds


def read(path):
    return pydicom.dcmread(path)
