"""Rules for memory that several tensors share: what a view takes from its base's gradient."""

from __future__ import annotations

import numpy as np
from numpy.lib.array_utils import byte_bounds

from .._engine import Op
from ..backends import Array, Settings

__all__ = ["AS_STRIDED", "COPY_SLICES", "Geometry"]


class Geometry:
    """Where a view lies in the memory of its base, without keeping either."""

    __slots__ = ("base", "dtype", "size", "view")

    def __init__(self, base: Array, view: Array) -> None:
        low, high = byte_bounds(base)
        self.size = high - low
        self.dtype = base.dtype
        self.base = (base.shape, _start(base) - low, base.strides)
        self.view = (view.shape, _start(view) - low, view.strides)

    def twin(self) -> tuple[Array, Array]:
        """Return zeros laid out as the base is, and the view's part of them."""
        memory = np.zeros(self.size, np.uint8)
        return self._at(memory, self.base), self._at(memory, self.view)

    def _at(self, memory: Array, place: tuple[tuple[int, ...], int, tuple[int, ...]]) -> Array:
        shape, offset, strides = place
        return np.ndarray(shape, self.dtype, memory.data, offset, strides)


def _start(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def overlaps(array: Array) -> bool:
    """Whether broadcasting made elements of ``array`` share memory."""
    return array.size > 0 and any(
        stride == 0 and size > 1 for size, stride in zip(array.shape, array.strides, strict=True)
    )


def _as_strided_forward(settings: Settings, base: Array, where: Geometry) -> tuple[Array, Geometry]:
    twin, part = where.twin()
    twin[...] = base
    return part, where


def _as_strided_backward(
    settings: Settings, where: Geometry, grad: Array, needs: tuple[bool, ...]
) -> tuple[Array | None, ...]:
    whole, part = where.twin()
    if overlaps(part):
        axes = tuple(i for i, stride in enumerate(part.strides) if stride == 0)
        grad = grad.sum(axes, keepdims=True)
        part = part[tuple(slice(1) if i in axes else slice(None) for i in range(part.ndim))]
    part[...] = grad
    return (whole,)


#: A view whose base was changed in place since, in terms of the base.
AS_STRIDED = Op("AsStrided", _as_strided_forward, _as_strided_backward, frees=False, fresh=False)


def _copy_slices_forward(
    settings: Settings, base: Array, part: Array, where: Geometry
) -> tuple[Array, Geometry]:
    whole, place = where.twin()
    whole[...] = base
    place[...] = part
    return whole, where


def _copy_slices_backward(
    settings: Settings, where: Geometry, grad: Array, needs: tuple[bool, ...]
) -> tuple[Array | None, ...]:
    whole, part = where.twin()
    whole[...] = grad
    grad_part = part.copy() if needs[1] else None
    part[...] = 0
    return whole if needs[0] else None, grad_part


#: The base of a view after the view was changed in place: (old base, new view) -> new base.
COPY_SLICES = Op(
    "CopySlices",
    _copy_slices_forward,
    _copy_slices_backward,
    frees=False,
    fresh=False,
    node_name="CopySlices",
)
