"""From expected photoelectrons to the grey values of a file."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foci.images.simulate_conditions import Conditions

_NORMAL_FROM = 30.0  # expected photoelectrons from which a Poisson number is drawn as a normal one
_BITS_OF_A_BYTE = 8


def photograph(
    electrons: npt.NDArray[np.floating], conditions: Conditions, rng: np.random.Generator
) -> npt.NDArray[np.integer]:
    """Grey values of expected photoelectrons (channel, plane, y, x) under uneven light.

    Uneven light, background, shot noise, read noise, offset, rounding, and the cut at full scale.
    """
    microscope = conditions.microscope
    middle = rng.uniform(-0.4, 0.4, 2)
    y, x = (np.linspace(-1, 1, n) - m for n, m in zip(electrons.shape[2:], middle, strict=True))
    fall = (y[:, None] ** 2 + x**2) / ((1 + np.abs(middle)) ** 2).sum()
    light = (1 - microscope.illumination_fall * fall).astype(np.float32)
    expected = (electrons + np.float32(conditions.staining.background_electrons)) * light
    variance: npt.NDArray[np.floating] | float = microscope.read_noise_electrons**2
    if expected.min() >= _NORMAL_FROM:
        variance = expected + np.float32(variance)
    else:
        expected = rng.poisson(expected).astype(np.float32)
    noise = rng.standard_normal(expected.shape, dtype=np.float32)
    noise *= np.sqrt(variance)
    expected += noise
    full = microscope.full_scale
    electrons_at_full = np.array(microscope.full_scale_electrons, np.float32)[:, None, None, None]
    expected *= np.float32(full * (1 - microscope.offset_share)) / electrons_at_full
    expected += np.float32(full * microscope.offset_share)
    grey = np.clip(np.rint(expected, out=expected), 0, full, out=expected)
    return np.asarray(grey, np.uint8 if microscope.bits == _BITS_OF_A_BYTE else np.uint16)
