"""Physical dosimetry as prior, foci as likelihood: one posterior of dose, induction and repair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from foci.checks import check_share
from foci.counting.counts import FociSample
from foci.errors import FociError
from foci.patient_dose.estimate import predict_foci
from foci.patient_dose.sample_model import Curves
from foci.patient_dose.update import FociUpdate, update_draws
from foci.patient_dose.worth import Worth, sample_worth, worth_frame
from foci.repair.prior import Dispersion, RepairModel
from foci.sample_dose.intervals import central_interval
from kinetics.curves import FloatArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class JointEstimate:
    """Posterior of the blood dose, induction and repair given dosimetry and foci.

    Attributes
    ----------
    dose_gy : dict of int to ndarray, shape (n,)
        Draws of the blood dose of each cycle.
    physical_dose_gy : dict of int to ndarray, shape (n_dose,)
        The same from physical dosimetry alone.
    update : FociUpdate
        Induction, repair and backgrounds that go with the draws, conflict and diagnostics.
    worth : tuple of Worth
        What the samples were worth; empty without a sample after an administration.
    samples : dict of int to tuple of FociSample
        The samples.
    expected_per_cell : dict of int to ndarray, shape (n, n_samples)
        Foci per cell that the draws predict for the samples after the administration, by time.
    level : float
        Probability of the intervals.
    """

    dose_gy: dict[int, FloatArray]
    physical_dose_gy: dict[int, FloatArray]
    update: FociUpdate
    worth: tuple[Worth, ...]
    samples: dict[int, tuple[FociSample, ...]]
    expected_per_cell: dict[int, FloatArray]
    level: float

    @property
    def status(self) -> str:
        """``"ok"``, or what is wrong, in words."""
        return self.update.status

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What was assumed."""
        return self.update.assumptions

    def interval_gy(self, cycle: int) -> tuple[float, float]:
        """Central interval of the dose of a cycle (Gy)."""
        return central_interval(
            self.dose_gy[cycle], self.level, n_effective=self.update.distinct_doses
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per quantity: median, standard deviation and interval."""
        import pandas as pd

        return pd.DataFrame(self._rows())

    def samples_frame(self) -> pd.DataFrame:
        """One row per sample after an administration: counted, expected and its p value."""
        import pandas as pd

        rows = []
        for cycle, expected in self.expected_per_cell.items():
            after = sorted(
                (s for s in self.samples[cycle] if not s.is_baseline), key=lambda s: s.time_h
            )
            p_values = self.update.sample_p_values[cycle]
            for i, sample in enumerate(after):
                rows.append(
                    {
                        "cycle": cycle,
                        "time_h": sample.time_h,
                        "cells": sample.cells,
                        "foci": sample.foci,
                        "per_cell": sample.per_cell,
                        "expected_per_cell": float(np.median(expected[:, i])),
                        "p_value": float(p_values[i]),
                    }
                )
        return pd.DataFrame(rows)

    def worth_frame(self) -> pd.DataFrame:
        """One row per sample: how much it narrowed the dose."""
        return worth_frame(self.worth)

    def to_dict(self) -> dict[str, Any]:
        """Summaries, conflict, worth and status, without the draws."""
        return {
            "quantities": list(self._rows()),
            "prior_predictive_p": self.update.prior_predictive_p,
            "sample_p_values": {c: p.tolist() for c, p in self.update.sample_p_values.items()},
            "worth": [row.__dict__ for row in self.worth],
            "status": self.status,
            "assumptions": self.assumptions,
        }

    def _rows(self) -> Iterator[dict[str, Any]]:
        """Summary of each quantity."""
        repair = self.update.repair
        quantities = {
            **{f"blood dose of cycle {c}": (d, "Gy") for c, d in self.dose_gy.items()},
            "induction": (repair.induction_per_gy, "per cell and Gy"),
            **{
                f"repair rate {i + 1}": (rate, "1/h")
                for i, rate in enumerate(repair.repair_rate_per_h.T)
            },
            **{
                f"background of cycle {c}": (b, "per cell")
                for c, b in self.update.background_per_cell.items()
            },
        }
        for name, (draws, unit) in quantities.items():
            n = self.update.distinct_doses if unit == "Gy" else None
            low, high = central_interval(draws, self.level, n_effective=n)
            yield {
                "quantity": name,
                "unit": unit,
                "median": float(np.median(draws)),
                "sd": float(draws.std()),
                "low": low,
                "high": high,
                "level": self.level,
            }


def joint_estimate(
    dose_rate: Curves,
    samples_by_cycle: Mapping[int, Sequence[FociSample]],
    prior: RepairModel,
    *,
    rng: np.random.Generator,
    dispersion: float | Mapping[int, Dispersion] = 1.0,
    n_draws: int | None = None,
    level: float = 0.95,
    with_worth: bool = True,
) -> JointEstimate:
    """Blood dose, induction and repair from physical dosimetry and foci together.

    Parameters
    ----------
    dose_rate, samples_by_cycle, prior, rng, dispersion, n_draws
        As in `update_draws`, which this calls.
    level : float
        Probability of the intervals.
    with_worth : bool
        Whether to find out what each sample was worth (`sample_worth`), which takes longer than
        the estimate.

    Raises
    ------
    FociError
        As `update_draws`; and if a dose rate has no finite integral.

    Examples
    --------
    >>> import numpy as np
    >>> from foci import RepairModel, eberlein_2015
    >>> from kinetics import SumOfExponentials
    >>> rng = np.random.default_rng(1)
    >>> rate = {1: SumOfExponentials(0.05 * rng.lognormal(0, 0.4, (500, 1)), [[0.5]])}
    >>> samples = {1: [FociSample(1, -1.0, 200, 40), FociSample(1, 2.0, 200, 290)]}
    >>> joint = joint_estimate(rate, samples, RepairModel(eberlein_2015()), rng=rng)
    >>> low, high = joint.interval_gy(1)
    >>> bool(low < np.median(joint.dose_gy[1]) < high), joint.worth[0].variance_reduction > 0
    (True, True)
    """
    check_share(level, "level")
    physical = {cycle: np.asarray(curve.integral()) for cycle, curve in dose_rate.items()}
    if not all(np.isfinite(dose).all() for dose in physical.values()):
        raise FociError("every dose rate needs a finite integral")
    update = update_draws(
        dose_rate, samples_by_cycle, prior, rng=rng, dispersion=dispersion, n_draws=n_draws
    )
    samples = {cycle: tuple(given) for cycle, given in sorted(samples_by_cycle.items())}
    expected = {
        cycle: predict_foci(
            dose_rate[cycle][update.indices],
            sorted(s.time_h for s in given if not s.is_baseline),
            replace(update.repair, background_per_cell=update.background_per_cell[cycle]),
        )
        for cycle, given in samples.items()
        if not all(s.is_baseline for s in given)
    }
    worth: tuple[Worth, ...] = ()
    if with_worth and expected:
        worth = sample_worth(
            update, dose_rate, samples_by_cycle, prior, rng=rng, dispersion=dispersion
        )
    return JointEstimate(
        dose_gy={cycle: dose[update.indices] for cycle, dose in physical.items()},
        physical_dose_gy=physical,
        update=update,
        worth=worth,
        samples=samples,
        expected_per_cell=expected,
        level=level,
    )
