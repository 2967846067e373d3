"""The multiplication by dropout's mask."""

from __future__ import annotations

from .._engine import Op
from ..backends import Array, Settings

__all__ = ["DROPOUT"]


def _dropout(settings: Settings, x: Array, mask: Array) -> tuple[Array, Array]:
    return settings.backend.mul(x, mask), mask


def _dropout_backward(
    settings: Settings, mask: Array, grad: Array, needs: tuple[bool, ...]
) -> tuple[Array]:
    return (settings.backend.mul(grad, mask),)


#: x, mask -> x * mask, where the mask is 0 or 1 / (1 - p), drawn by the caller
DROPOUT = Op("Mul", _dropout, _dropout_backward)
