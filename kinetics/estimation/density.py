"""The log density that a sampler calls, many thousand times."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core.types.function_type import CompileResultWAP
from numba.types import WrapperAddressProtocol

from kinetics.curves import FloatArray
from kinetics.estimation._bayes_kernels import log_posterior
from kinetics.estimation._bayes_layout import Whitening
from kinetics.estimation.log_posterior import Target
from kinetics.structures._predict_signature import PREDICT

_HALVINGS = 30


class _Address(WrapperAddressProtocol):  # type: ignore[misc]
    """A compiled structure with its address at hand, which numba else looks up in every call."""

    def __init__(self, predict: Any) -> None:
        self.compiled = CompileResultWAP(predict.get_compile_result(PREDICT))
        self.address = int(self.compiled.__wrapper_address__())

    def __wrapper_address__(self) -> int:
        return self.address

    def signature(self) -> Any:
        """Signature of the structure."""
        return PREDICT


class Density:
    """Log density of whitened variables with its gradient, as a plain function of an array."""

    def __init__(self, target: Target, whitening: Whitening) -> None:
        self.kernel, self.size = log_posterior, target.size
        predict = _Address(target.problem.predict)
        self.fixed = (predict, target.problem.design, target.layout, whitening)

    def __call__(self, v: FloatArray) -> tuple[float, FloatArray]:
        """Value and gradient (d,) at v (d,)."""
        gradient = np.empty(self.size)
        return self.kernel(*self.fixed, v, gradient), gradient

    def start(self, seed: int) -> FloatArray:
        """A draw of the Gaussian, nearer to its centre where the density is not finite."""
        v = np.random.default_rng(seed).standard_normal(self.size)
        for _ in range(_HALVINGS):
            if np.isfinite(self(v)[0]):
                break
            v *= 0.5
        return np.asarray(v)
