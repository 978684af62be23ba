"""Whole-body activity from counts, and the blood dose where no blood was drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dosimetry._sources import scaled_by
from dosimetry.anatomy import Anatomy
from dosimetry.blood import CONVENTIONAL_BLOOD_DENSITY_G_PER_ML, blood_dose
from dosimetry.chains import RadiationSource
from dosimetry.errors import DosimetryError
from dosimetry.measured_points import MeasuredPoints
from dosimetry.results import AbsorbedDose
from kinetics import SumOfExponentials

FloatArray = npt.NDArray[np.float64]

HAENSCHEID_BLOOD_SHARE = 0.14
"""Share of the whole-body residence time that is in the blood, 131I (Haenscheid 2009)."""

_MOST_RETAINED = 1.2  # of the administered activity, before a counting error is certain


def whole_body_points(
    time_h: npt.ArrayLike,
    anterior_counts: npt.ArrayLike,
    posterior_counts: npt.ArrayLike | None = None,
    *,
    activity_mbq: float,
    decay_per_h: float,
    background_counts: tuple[float, float] = (0.0, 0.0),
    decay_corrected: bool = False,
    administered_cv: float = 0.0,
) -> MeasuredPoints:
    r"""Whole-body activity from a probe or planar images, normalised to the first measurement.

    Parameters
    ----------
    time_h : array_like, shape (n_times,)
        Time of each measurement after the administration (h). The first one is made before any
        voiding, so that it stands for all the activity administered.
    anterior_counts, posterior_counts : array_like, shape (n_times,)
        Counts, all taken over the same time; without the posterior view the anterior one is
        used alone.
    activity_mbq : float
        Administered activity (MBq).
    decay_per_h : float
        Physical decay constant (1/h).
    background_counts : tuple of two float
        Background of the anterior and posterior view, over the same time.
    decay_corrected : bool
        Whether the counts were corrected to the time of administration: then the decay is put
        back. If not, it is in the counts already.
    administered_cv : float
        Relative standard deviation of the administered activity.

    Returns
    -------
    MeasuredPoints
        Activity in the body (MBq) at each time, not decay-corrected; counting noise of each
        later point, and the noise of the first as the common error (with `administered_cv`).

    Notes
    -----
    :math:`G = \sqrt{(A - b_A)(P - b_P)}` and
    :math:`A(t) = A_0 e^{-\lambda t_1} G(t)/G(t_1)`; the noise is that of Poisson counts.

    References
    ----------
    Siegel JA et al. MIRD Pamphlet No. 16. J Nucl Med 1999;40:37S-61S.

    Raises
    ------
    DosimetryError
        If counts do not exceed the background, times do not rise, or more activity is found
        than was administered.

    Examples
    --------
    >>> points = whole_body_points(
    ...     [0.5, 24.0], [10_000, 2_500], [8_000, 2_000], activity_mbq=1000.0, decay_per_h=0.0036
    ... )
    >>> points.value.round(1).tolist()
    [998.2, 249.6]
    """
    time = _times(time_h)
    if not (0 < activity_mbq < np.inf and 0 < decay_per_h < np.inf):
        raise DosimetryError(
            f"activity_mbq and decay_per_h must be positive, got {activity_mbq!r} and "
            f"{decay_per_h!r}"
        )
    if not 0 <= administered_cv < np.inf:
        raise DosimetryError(f"administered_cv must be zero or more, got {administered_cv!r}")
    views = [anterior_counts] if posterior_counts is None else [anterior_counts, posterior_counts]
    net, relative2 = _net_counts(views, background_counts, time)
    mean = np.prod(net, axis=0) ** (1 / len(views))
    cv = np.sqrt(relative2.sum(0)) / len(views)
    factor = np.exp(-decay_per_h * (time - time[0])) if decay_corrected else np.ones_like(time)
    start = activity_mbq * np.exp(-decay_per_h * time[0])
    value = start * factor * mean / mean[0]
    over = value / (activity_mbq * np.exp(-decay_per_h * time))
    if (over > _MOST_RETAINED).any():
        raise DosimetryError(
            f"{over.max():.2f} times the administered activity at {time[over.argmax()]:g} h: "
            "the first measurement must be made before voiding, at equal counting times, and "
            "decay_corrected must tell what the counts are"
        )
    noise = cv * value
    noise[0] = 0.0
    return MeasuredPoints(
        time_h=time,
        value=value,
        noise_sd=noise,
        common_cv=float(np.hypot(cv[0], administered_cv)),
        assumptions=(
            "ASSUMED: the first whole-body measurement, before voiding, is all the activity "
            "administered",
            "ASSUMED: "
            + ("geometric mean of two views" if len(views) == 2 else "one view")
            + " shows the activity wherever it lies",
        ),
    )


def whole_body_from_retention(
    retained_fraction: npt.ArrayLike, time_h: float, *, activity_mbq: float, decay_per_h: float
) -> SumOfExponentials:
    r"""Mono-exponential whole-body activity from one measured retention.

    Parameters
    ----------
    retained_fraction : array_like, shape (...)
        Activity in the body at `time_h` over the administered activity, NOT decay-corrected;
        draws are welcome.
    time_h : float
        Time of the measurement (h).
    activity_mbq : float
        Administered activity (MBq).
    decay_per_h : float
        Physical decay constant (1/h): the retention cannot exceed the decay.

    Notes
    -----
    :math:`\tau_{WB} = -t/\ln R(t)`.

    References
    ----------
    Haenscheid H et al. Blood dosimetry from a single measurement of the whole body radioiodine
    retention in patients with differentiated thyroid carcinoma. Endocr Relat Cancer
    2009;16:1283-1289.

    Raises
    ------
    DosimetryError
        If the retention is not positive or slower than the physical decay.

    Examples
    --------
    >>> curve = whole_body_from_retention(0.1, 48.0, activity_mbq=1000.0, decay_per_h=0.0036)
    >>> round(float(curve.integral()) / 1000, 2)  # residence time (h)
    20.85
    """
    fraction = np.asarray(retained_fraction, dtype=np.float64)
    if not (time_h > 0 and 0 < activity_mbq < np.inf and 0 < decay_per_h < np.inf):
        raise DosimetryError(
            f"time, activity and decay must be positive, got {time_h!r} h, {activity_mbq!r} MBq "
            f"and {decay_per_h!r} /h"
        )
    most = np.exp(-decay_per_h * time_h)
    if not ((fraction > 0) & (fraction <= most)).all():
        raise DosimetryError(
            f"the retained fraction at {time_h:g} h must lie in 0 to {most:.3g} (physical decay "
            f"inside), got {retained_fraction!r}; per cent and decay-corrected values are wrong"
        )
    rate = -np.log(fraction) / time_h
    return SumOfExponentials(np.full((*fraction.shape, 1), activity_mbq), rate[..., None])


def blood_dose_from_whole_body(
    whole_body_mbq: SumOfExponentials,
    source: RadiationSource,
    *,
    anatomy: Anatomy,
    blood_share: npt.ArrayLike = HAENSCHEID_BLOOD_SHARE,
    formula: str = "nadler",
    blood_density_g_per_ml: float = CONVENTIONAL_BLOOD_DENSITY_G_PER_ML,
    s_value_factor: npt.ArrayLike = 1.0,
) -> AbsorbedDose:
    r"""Absorbed dose to the blood from the whole-body activity alone, without blood samples.

    Parameters
    ----------
    whole_body_mbq : SumOfExponentials
        Activity in the whole body (MBq), physical decay inside the rates.
    source : str, Nuclide or DecayChain
        What decays.
    anatomy : Anatomy
        The patient.
    blood_share : array_like, broadcast against the draws
        Share of the whole-body residence time that is in the blood: 0.14 for 131I in
        differentiated thyroid cancer, ASSUMED for anything else. Draws are welcome.
    formula : str
        Of the blood volume, see `Anatomy.blood_volume_ml`.
    blood_density_g_per_ml, s_value_factor
        As in `blood_dose`.

    Returns
    -------
    AbsorbedDose
        Region ``"blood"``, method ``"whole_body"``: not to be pooled with doses from samples.

    Notes
    -----
    :math:`D/A_0 = \tau_{WB}(0.14\,a/V_B + c\,w^{-2/3})`, with a and c of
    `blood_dose_coefficients` and the blood volume. Against doses from samples the mean absolute
    deviation was 14 % (29 assessments).

    References
    ----------
    As in `whole_body_from_retention`.

    Raises
    ------
    DosimetryError
        If the share is not between 0 and 1, or as in `blood_dose`.

    Examples
    --------
    >>> from dosimetry import reference_anatomy
    >>> body = whole_body_from_retention(0.1, 48.0, activity_mbq=1000.0, decay_per_h=0.0036)
    >>> dose = blood_dose_from_whole_body(body, "I-131", anatomy=reference_anatomy("male"))
    >>> round(float(dose.dose_gy), 3)
    0.088
    """
    share = np.asarray(blood_share, dtype=np.float64)
    if not ((share > 0) & (share < 1)).all():
        raise DosimetryError(f"blood_share must lie between 0 and 1, got {blood_share!r}")
    dose = blood_dose(
        scaled_by(whole_body_mbq, share / anatomy.blood_volume_ml(formula=formula), "blood_share"),
        source,
        anatomy=anatomy,
        whole_body_mbq=whole_body_mbq,
        blood_density_g_per_ml=blood_density_g_per_ml,
        s_value_factor=s_value_factor,
    )
    note = (
        f"ASSUMED: {share.mean():.0%} of the whole-body residence time is in the blood "
        "(Haenscheid 2009, 131I in thyroid cancer); no blood was sampled"
    )
    volume_note = anatomy.blood_volume_note(formula=formula)
    return replace(dose, method="whole_body", assumptions=(note, volume_note, *dose.assumptions))


def _times(time_h: npt.ArrayLike) -> FloatArray:
    time = np.atleast_1d(np.asarray(time_h, dtype=np.float64))
    if time.ndim != 1 or not time.size or not np.isfinite(time).all():
        raise DosimetryError(f"times must be a list of finite numbers, got {time_h!r}")
    if time[0] < 0 or (np.diff(time) <= 0).any():
        raise DosimetryError(f"times must rise from 0 h or later, got {time.tolist()}")
    return time


def _net_counts(
    views: list[npt.ArrayLike], background: tuple[float, float], time: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Counts above background and their squared relative error, shape (views, times)."""
    if any(np.shape(view) not in ((), time.shape) for view in views):
        raise DosimetryError(
            f"one count per time is needed, got {[np.shape(v) for v in views]} for {time.shape}"
        )
    gross = np.array([np.broadcast_to(np.asarray(v, np.float64), time.shape) for v in views])
    below = np.array(background[: len(views)], dtype=np.float64)[:, None]
    if not (np.isfinite(gross).all() and (below >= 0).all() and (gross > below).all()):
        raise DosimetryError(
            f"counts must exceed their background {background}, got at least {gross.min():g}"
        )
    net = gross - below
    return net, (gross + below) / net**2
