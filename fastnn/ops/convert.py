"""Changes of element type and copies."""

from __future__ import annotations

import numpy as np

from .._engine import Op
from .._memory import converted, copied
from ..backends import Array, Settings
from ._arrays import quiet, unbroadcast

__all__ = ["CAST", "CLONE", "COPY"]


def _cast(settings: Settings, x: Array, dtype: np.dtype[np.generic]) -> tuple[Array, object]:
    with quiet():
        return converted(x, dtype), x.dtype


def _cast_backward(
    settings: Settings, saved: np.dtype[np.generic], grad: Array, needs: tuple[bool, ...]
) -> tuple[Array]:
    with quiet():
        return (converted(grad, saved),)


def _clone(settings: Settings, x: Array) -> tuple[Array, None]:
    return copied(x), None


def _clone_backward(
    settings: Settings, saved: None, grad: Array, needs: tuple[bool, ...]
) -> tuple[Array]:
    return (grad,)


CAST = Op("ToCopy", _cast, _cast_backward, frees=False)
CLONE = Op("Clone", _clone, _clone_backward, fresh=False, frees=False)


def _copy(settings: Settings, x: Array, source: Array) -> tuple[Array, tuple[int, ...]]:
    return np.broadcast_to(source, x.shape).copy(), source.shape


def _copy_backward(
    settings: Settings, shape: tuple[int, ...], grad: Array, needs: tuple[bool, ...]
) -> tuple[Array | None, ...]:
    return (
        np.zeros_like(grad) if needs[0] else None,
        unbroadcast(settings, grad, shape) if needs[1] else None,
    )


#: (x, source) -> x overwritten by the broadcast source
COPY = Op("Copy", _copy, _copy_backward, fresh=False, frees=False, node_name="CopyBackwards")
