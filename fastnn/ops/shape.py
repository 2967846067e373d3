"""Rules that rearrange elements without computing with them.

Where NumPy gives a view, so do they: those ops are marked ``view``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._engine import Op
from .._memory import concatenated, stacked
from ..backends import Array, Settings
from ._arrays import unbroadcast

__all__ = [
    "CAT",
    "EXPAND",
    "FLIP",
    "PERMUTE",
    "REPEAT",
    "RESHAPED_COPY",
    "ROLL",
    "SPLIT",
    "SPLIT_SIZES",
    "SQUEEZE",
    "SQUEEZE_DIM",
    "SQUEEZE_DIMS",
    "STACK",
    "TRANSPOSE",
    "TRIL",
    "TRIU",
    "UNBIND",
    "UNSQUEEZE",
    "VIEW",
    "T",
]

Shape = tuple[int, ...]
Needs = tuple[bool, ...]
Grads = tuple[Array | None, ...]


# -- other shape, same elements --------------------------------------------------------------


def _reshape(settings: Settings, x: Array, shape: Shape) -> tuple[Array, Shape]:
    return x.reshape(shape), x.shape


def _reshape_backward(settings: Settings, shape: Shape, grad: Array, needs: Needs) -> Grads:
    return (grad.reshape(shape),)


def _reshaping(node_name: str) -> Op:
    name = node_name.partition("Backward")[0]
    return Op(
        name,
        _reshape,
        _reshape_backward,
        fresh=False,
        frees=False,
        view=True,
        node_name=node_name,
        reshapes=True,
    )


VIEW = _reshaping("ViewBackward0")
UNSQUEEZE = _reshaping("UnsqueezeBackward0")
SQUEEZE = _reshaping("SqueezeBackward0")
SQUEEZE_DIM = _reshaping("SqueezeBackward1")
SQUEEZE_DIMS = _reshaping("SqueezeBackward2")
#: A reshape that has to copy.
RESHAPED_COPY = Op("UnsafeView", _reshape, _reshape_backward, fresh=False, frees=False)


def _expand(settings: Settings, x: Array, shape: Shape) -> tuple[Array, Shape]:
    # as_strided, for broadcast_to makes the view read-only
    lead = len(shape) - x.ndim
    strides = [0] * lead + [
        0 if old == 1 and new != 1 else stride
        for old, new, stride in zip(x.shape, shape[lead:], x.strides, strict=True)
    ]
    return np.lib.stride_tricks.as_strided(x, shape, strides), x.shape


def _expand_backward(settings: Settings, shape: Shape, grad: Array, needs: Needs) -> Grads:
    return (unbroadcast(settings, grad, shape),)


EXPAND = Op("Expand", _expand, _expand_backward, fresh=False, frees=False, view=True)


# -- other order of axes ---------------------------------------------------------------------


def _permute(settings: Settings, x: Array, order: Shape) -> tuple[Array, Shape]:
    return x.transpose(order), order


def _permute_backward(settings: Settings, order: Shape, grad: Array, needs: Needs) -> Grads:
    inverse = sorted(range(len(order)), key=order.__getitem__)
    return (grad.transpose(inverse),)


def _permuting(name: str) -> Op:
    return Op(name, _permute, _permute_backward, fresh=False, frees=False, view=True)


PERMUTE = _permuting("Permute")
TRANSPOSE = _permuting("Transpose")
T = _permuting("T")


def _rearranging(name: str, forward: Callable[..., Array], back: Callable[..., Array]) -> Op:
    """Make an op whose backward is a rearrangement with the same arguments."""

    def run(settings: Settings, x: Array, *params: Any) -> tuple[Array, tuple[Any, ...]]:
        return forward(x, *params), params

    def reverse(settings: Settings, params: tuple[Any, ...], grad: Array, needs: Needs) -> Grads:
        return (back(grad, *params),)

    return Op(name, run, reverse, frees=False)


def _flip(x: Array, axes: Shape) -> Array:
    return np.array(np.flip(x, axes))


FLIP = _rearranging("Flip", _flip, _flip)
ROLL = _rearranging(
    "Roll",
    lambda x, shifts, axes: np.roll(x, shifts, axes),
    lambda g, shifts, axes: np.roll(
        g, -shifts if isinstance(shifts, int) else tuple([-s for s in shifts]), axes
    ),
)
TRIL = _rearranging("Tril", np.tril, np.tril)
TRIU = _rearranging("Triu", np.triu, np.triu)


def _repeat(settings: Settings, x: Array, times: Shape) -> tuple[Array, tuple[Shape, Shape]]:
    return np.tile(x, times), (x.shape, times)


def _repeat_backward(
    settings: Settings, saved: tuple[Shape, Shape], grad: Array, needs: Needs
) -> Grads:
    shape, times = saved
    shape_ahead = (1,) * (len(times) - len(shape)) + shape
    split = [size for pair in zip(times, shape_ahead, strict=True) for size in pair]
    axes = tuple(range(0, 2 * len(times), 2))
    return (settings.backend.sum(grad.reshape(split), axes).reshape(shape),)


REPEAT = Op("Repeat", _repeat, _repeat_backward, fresh=False, frees=False)


# -- several arrays --------------------------------------------------------------------------


def _cat(settings: Settings, *arrays_and_axis: Any) -> tuple[Array, tuple[int, list[int]]]:
    *arrays, axis = arrays_and_axis
    return concatenated(arrays, axis), (axis, [array.shape[axis] for array in arrays])


def _cat_backward(
    settings: Settings, saved: tuple[int, list[int]], grad: Array, needs: Needs
) -> Grads:
    axis, sizes = saved
    return tuple(_parts(grad, sizes, axis))


def _parts(array: Array, sizes: list[int] | Shape, axis: int) -> list[Array]:
    before: tuple[slice, ...] = (slice(None),) * axis
    start, found = 0, []
    for size in sizes:
        found.append(array[(*before, slice(start, start + size))])
        start += size
    return found


def _stack(settings: Settings, *arrays_and_axis: Any) -> tuple[Array, int]:
    *arrays, axis = arrays_and_axis
    return stacked(arrays, axis), axis


def _unstack(array: Array, axis: int) -> tuple[Array, ...]:
    moved = np.moveaxis(array, axis, 0)
    # the ellipsis keeps what is left of a vector an array
    return tuple([moved[i, ...] for i in range(moved.shape[0])])


def _stack_backward(settings: Settings, axis: int, grad: Array, needs: Needs) -> Grads:
    return _unstack(grad, axis)


CAT = Op("Cat", _cat, _cat_backward, fresh=False, frees=False)
STACK = Op("Stack", _stack, _stack_backward, fresh=False, frees=False)


def _filled(
    grads: tuple[Array | None, ...], shapes: list[Shape], dtype: np.dtype[Any]
) -> list[Array]:
    """The gradients of several outputs, zeros where none arrived."""
    return [
        np.zeros(shape, dtype) if grad is None else grad
        for grad, shape in zip(grads, shapes, strict=True)
    ]


def _split(
    settings: Settings, x: Array, sizes: Shape, axis: int
) -> tuple[tuple[Array, ...], tuple[list[Shape], int, np.dtype[Any]]]:
    parts = tuple(_parts(x, sizes, axis))
    return parts, ([part.shape for part in parts], axis, x.dtype)


def _split_backward(
    settings: Settings,
    saved: tuple[list[Shape], int, np.dtype[Any]],
    grads: tuple[Array | None, ...],
    needs: Needs,
) -> Grads:
    shapes, axis, dtype = saved
    return (concatenated(_filled(grads, shapes, dtype), axis),)


def _unbind(
    settings: Settings, x: Array, axis: int
) -> tuple[tuple[Array, ...], tuple[list[Shape], int, np.dtype[Any]]]:
    parts = _unstack(x, axis)
    return parts, ([part.shape for part in parts], axis, x.dtype)


def _unbind_backward(
    settings: Settings,
    saved: tuple[list[Shape], int, np.dtype[Any]],
    grads: tuple[Array | None, ...],
    needs: Needs,
) -> Grads:
    shapes, axis, dtype = saved
    return (stacked(_filled(grads, shapes, dtype), axis),)


SPLIT = Op("Split", _split, _split_backward, frees=False, view=True)
SPLIT_SIZES = Op("SplitWithSizes", _split, _split_backward, frees=False, view=True)
UNBIND = Op("Unbind", _unbind, _unbind_backward, frees=False, view=True)
