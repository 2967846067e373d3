"""Reading and writing parts of an array by index.

``index`` is a tuple that NumPy understands: ints, slices, None, Ellipsis, and for the ops
not marked ``view`` also integer and bool arrays.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .._engine import Op
from ..backends import Array, Settings
from ._arrays import unbroadcast

__all__ = [
    "ALIAS",
    "GATHER",
    "INDEX",
    "INDEX_PUT",
    "INDEX_SELECT",
    "MASKED_FILL",
    "MASKED_FILL_TENSOR",
    "SELECT",
    "SLICE",
    "UNSQUEEZED",
]

Shape = tuple[int, ...]
Needs = tuple[bool, ...]
Grads = tuple[Array | None, ...]
Index = tuple[Any, ...]
Place = tuple[Index, Shape]


# -- reading ---------------------------------------------------------------------------------


def _basic(settings: Settings, x: Array, index: Index) -> tuple[Array, Place]:
    return x[index], (index, x.shape)


def _basic_backward(settings: Settings, saved: Place, grad: Array, needs: Needs) -> Grads:
    index, shape = saved
    whole = np.zeros(shape, grad.dtype)
    whole[index] = grad
    return (whole,)


def _reading(name: str) -> Op:
    return Op(name, _basic, _basic_backward, frees=False, view=True)


#: Basic indices, by the step that PyTorch does last.
SELECT, SLICE, UNSQUEEZED, ALIAS = map(_reading, ("Select", "Slice", "Unsqueeze", "Alias"))


def add_at(whole: Array, index: Index, values: Array) -> None:
    """``whole[index] += values``, adding up where an element is named several times."""
    arrays = [part for part in index if isinstance(part, np.ndarray)]
    if all(part.dtype == np.bool_ for part in arrays):
        whole[index] += values  # a mask names nothing twice
    else:
        np.add.at(whole, index, values)


def _index(settings: Settings, x: Array, index: Index) -> tuple[Array, Place]:
    return np.asarray(x[index]), (index, x.shape)


def _index_backward(settings: Settings, saved: Place, grad: Array, needs: Needs) -> Grads:
    index, shape = saved
    whole = np.zeros(shape, grad.dtype)
    add_at(whole, index, grad)
    return (whole,)


INDEX = Op("Index", _index, _index_backward)
INDEX_SELECT = Op("IndexSelect", _index, _index_backward)


def _gather(
    settings: Settings, x: Array, axis: int, index: Array
) -> tuple[Array, tuple[Index, Shape]]:
    if x.ndim == 0:
        return np.broadcast_to(x, index.shape).copy(), ((), ())
    grid = _open_grid(index.shape)
    where = (*grid[:axis], index, *grid[axis + 1 :])
    return np.asarray(x[where]), (where, x.shape)


@lru_cache(64)
def _open_grid(shape: Shape) -> Index:
    """Each axis's positions as an array that broadcasts along the others; never written to."""
    return np.ogrid[tuple([slice(size) for size in shape])]


def _gather_backward(settings: Settings, saved: Place, grad: Array, needs: Needs) -> Grads:
    index, shape = saved
    if not shape:
        return (settings.backend.sum(grad, tuple(range(grad.ndim))),)
    whole = np.zeros(shape, grad.dtype)
    np.add.at(whole, index, grad)
    return (whole,)


GATHER = Op("Gather", _gather, _gather_backward)


# -- writing ---------------------------------------------------------------------------------


def _index_put(
    settings: Settings, x: Array, values: Array, index: Index
) -> tuple[Array, tuple[Index, Shape]]:
    out = x.copy()
    out[index] = values
    return out, (index, values.shape)


def _index_put_backward(
    settings: Settings, saved: tuple[Index, Shape], grad: Array, needs: Needs
) -> Grads:
    index, shape = saved
    grad_x = grad_values = None
    if needs[0]:
        grad_x = grad.copy()
        grad_x[index] = 0
    if needs[1]:
        grad_values = unbroadcast(settings, np.asarray(grad[index]), _fitted(shape, grad, index))
        grad_values = grad_values.reshape(shape)
    return grad_x, grad_values


def _fitted(shape: Shape, grad: Array, index: Index) -> Shape:
    """``shape`` without the leading ones that an assignment may have in excess."""
    excess = len(shape) - np.asarray(grad[index]).ndim
    return shape[excess:] if excess > 0 else shape


#: (x, values; index) -> x with ``x[index] = values``
INDEX_PUT = Op("IndexPut", _index_put, _index_put_backward, fresh=False)
COPY_PUT = Op("CopySlices", _index_put, _index_put_backward, fresh=False, node_name="CopySlices")


def _masked_fill(
    settings: Settings, x: Array, value: Array, mask: Array
) -> tuple[Array, tuple[Array, Shape]]:
    return np.where(mask, value, x), (mask, x.shape)


def _masked_fill_backward(
    settings: Settings, saved: tuple[Array, Shape], grad: Array, needs: Needs
) -> Grads:
    mask, shape = saved
    zero = grad.dtype.type(0)
    picked = np.where(mask, grad, zero) if needs[1] else grad
    return (
        unbroadcast(settings, np.where(mask, zero, grad), shape) if needs[0] else None,
        settings.backend.sum(picked, tuple(range(picked.ndim))) if needs[1] else None,
    )


#: (x, 0-dimensional value; mask)
MASKED_FILL = Op("MaskedFill", _masked_fill, _masked_fill_backward)
MASKED_FILL_TENSOR = Op(
    "MaskedFill", _masked_fill, _masked_fill_backward, node_name="MaskedFillBackward1"
)
