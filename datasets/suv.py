"""Standardised uptake values of PET by body weight, from a DICOM header: SUVbw as QIBA states it."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom import Dataset

SCAN = ("SeriesDate", "SeriesTime")
ELEMENTS = (
    *("Units", "DecayCorrection", "CorrectedImage", "PatientWeight", "RadiopharmaceuticalInformationSequence"),
    *(*SCAN, "AcquisitionDate", "AcquisitionTime"),
)
INJECTED = ("RadionuclideTotalDose", "RadionuclideHalfLife")
STARTED = ("RadiopharmaceuticalStartDateTime", "RadiopharmaceuticalStartTime")


def factor(ds: "Dataset") -> float:
    """Give what a value in Bq/ml is multiplied with to be an uptake, in g/ml.

    The body weight over the injected activity, decayed to the time that the image is corrected to: with DecayCorrection
    START the beginning of the series, with ADMIN the injection,

        factor = 1000 PatientWeight / (RadionuclideTotalDose 2^(-(series - injection) / RadionuclideHalfLife)).

    An injection that has no date was on the day of the series, or on the day before where its time is later.

    Raises
    ------
    ValueError
        If the header lacks an element, the values are no Bq/ml or not corrected for decay and attenuation, or the
        series' time is later than the acquisition's: such a series was made afterwards, and does not say when the scan
        began.

    References
    ----------
    QIBA, Standardized Uptake Value computation, body weight (SUVbw), vendor-neutral; DICOM PS3.3 C.8.9.1.

    Examples
    --------
    >>> from pydicom import Dataset
    >>> ds, injected = Dataset(), Dataset()
    >>> ds.Units, ds.DecayCorrection, ds.PatientWeight = "BQML", "START", 70
    >>> ds.SeriesDate, ds.SeriesTime = "20200101", "110000"
    >>> injected.RadionuclideTotalDose, injected.RadionuclideHalfLife = 280e6, 3600
    >>> injected.RadiopharmaceuticalStartTime = "100000"  # one half-life before
    >>> ds.RadiopharmaceuticalInformationSequence = [injected]
    >>> factor(ds) == 70000 / 140e6
    True
    """
    injected: Any = next(iter(ds.get("RadiopharmaceuticalInformationSequence") or []), {})
    needed = {"Units": ds, "DecayCorrection": ds, "PatientWeight": ds, **dict.fromkeys(INJECTED, injected)}
    start = str(ds.get("DecayCorrection") or "").upper() == "START"
    needed |= dict.fromkeys(SCAN, ds) if start else {}
    missing = [keyword for keyword, held in needed.items() if held.get(keyword) in {None, ""}]
    if start and not any(injected.get(keyword) for keyword in STARTED):
        missing.append(STARTED[1])
    if missing:
        raise ValueError(f"its header lacks {', '.join(missing)}, without which there is no SUV; {_CURE}")
    if (unit := str(ds.Units).upper()) != "BQML":
        raise ValueError(f"its values are in {unit}, and SUV is computed of BQML; {_CURE}")
    corrected = ds.get("CorrectedImage")
    for correction, what in (("DECY", "decay"), ("ATTN", "attenuation")):
        if corrected and correction not in corrected:
            raise ValueError(f"its values are not corrected for {what}, so that they are no SUV; {_CURE}")
    if not start and str(ds.DecayCorrection).upper() != "ADMIN":
        raise ValueError(f"its decay correction is {ds.DecayCorrection}; SUV needs START or ADMIN; {_CURE}")
    weight, dose, half_life = float(ds.PatientWeight), *(float(injected[keyword].value) for keyword in INJECTED)
    if not min(weight, dose, half_life) > 0:
        raise ValueError(f"a weight of {weight:g} kg, a dose of {dose:g} Bq, a half-life of {half_life:g} s; {_CURE}")
    elapsed = _elapsed(ds, injected).total_seconds() if start else 0.0
    return 1000 * weight / (dose * 2 ** (-elapsed / half_life))


_CURE = "say which values are to be seen: --window MODALITY=CENTER,WIDTH"


def _elapsed(ds: "Dataset", injected: Any) -> timedelta:
    """Give the time from the injection to the beginning of the scan."""
    scan = _moment(ds.SeriesDate, ds.SeriesTime)
    if ds.get("AcquisitionTime") and scan > _moment(ds.get("AcquisitionDate") or ds.SeriesDate, ds.AcquisitionTime):
        raise ValueError(f"its series is later than its acquisition and does not say when the scan began; {_CURE}")
    if stated := injected.get(STARTED[0]):
        text = str(stated)
        start = _moment(text[:8], text[8:].partition("+")[0].partition("-")[0])
    else:
        start = _moment(ds.SeriesDate, injected.get(STARTED[1]))
        start -= timedelta(days=start > scan)
    if start > scan:
        raise ValueError(f"its injection is later than its series; {_CURE}")
    return scan - start


def _moment(date: Any, time: Any) -> datetime:
    """Read YYYYMMDD and HHMMSS.FFFFFF, of which the end may be left out."""
    whole, _, fraction = str(time).partition(".")
    return datetime.strptime(f"{date}{whole:0<6}{fraction:0<6.6}", "%Y%m%d%H%M%S%f")  # noqa: DTZ007  of one scanner
