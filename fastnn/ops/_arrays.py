"""What the rules of several operations do with arrays."""

from __future__ import annotations

import numpy as np

from ..backends import Array, Settings

__all__ = ["negative", "quiet", "unbroadcast"]


def unbroadcast(settings: Settings, grad: Array, shape: tuple[int, ...]) -> Array:
    """Sum ``grad`` down to ``shape``, from which broadcasting had made ``grad.shape``."""
    if grad.shape == shape:
        return grad
    extra = grad.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        extra + i for i, size in enumerate(shape) if size == 1 and grad.shape[extra + i] != 1
    )
    return settings.backend.sum(grad, axes).reshape(shape)


def negative(x: Array) -> Array:
    """``-x``, an array also without dimensions, where NumPy's operators make scalars."""
    return np.asarray(-x)


def quiet() -> np.errstate:
    """Keep NumPy from warning inside a ``with`` block: infinities and NaN are results here."""
    return np.errstate(all="ignore")
