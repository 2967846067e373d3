"""Other shapes and orders of the same elements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .._engine import Op
from .._shapes import expand_shape, numel, view_shape, wrap_dim, wrap_dims
from ..backends import Array
from ..ops import shape as ops
from ..tensor import Tensor, apply, apply_made
from ._dims import integer, one_axis, sizes_of
from ._operands import require_tensor

__all__ = [
    "broadcast_to",
    "expand",
    "expand_as",
    "flatten",
    "flip",
    "matrix_transpose",
    "movedim",
    "permute",
    "ravel",
    "repeat",
    "reshape",
    "reshape_as",
    "roll",
    "squeeze",
    "swapaxes",
    "t",
    "tile",
    "transpose",
    "transposed",
    "tril",
    "triu",
    "unflatten",
    "unsqueeze",
    "view",
    "view_as",
]


# -- shape -----------------------------------------------------------------------------------


def _is_view(data: Array, reshaped: Array) -> bool:
    """Whether ``data`` was reshaped without a copy."""
    return data.flags.c_contiguous or np.may_share_memory(reshaped, data)


def reshape(input: Tensor, *sizes: Any, shape: Sequence[int] | None = None) -> Tensor:
    """Same elements, in order, in another shape: a view if possible, else a copy.

    Parameters
    ----------
    *sizes : int, or one sequence of ints
        One of them may be -1, for what is left.
    shape : sequence of int, optional
        The sizes by name.

    Raises
    ------
    RuntimeError
        If the number of elements does not fit.
    """
    data = require_tensor(input, "reshape")._data
    return _reshaped(input, view_shape(sizes_of(sizes if shape is None else (shape,)), data.size))


def _reshaped(input: Tensor, new: tuple[int, ...]) -> Tensor:
    """Give ``input`` in a shape that fits it."""
    data = input._data
    out = data.reshape(new)
    return apply_made(
        ops.VIEW if _is_view(data, out) else ops.RESHAPED_COPY, input, out, data.shape
    )


def view(input: Tensor, *shape: Any) -> Tensor:
    """Same memory in another shape.

    Parameters
    ----------
    *shape : int, or one sequence of ints
        One of them may be -1, for what is left.

    Raises
    ------
    RuntimeError
        If the number of elements does not fit, or the strides do not allow a view.
    """
    data = input._data
    out = data.reshape(view_shape(sizes_of(shape), data.size))
    if not _is_view(data, out):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one "
            "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    return apply_made(ops.VIEW, input, out, data.shape)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """:func:`reshape` to the shape of ``other``."""
    return reshape(input, other._data.shape)


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """``input.view`` of the shape of ``other``."""
    return view(input, other._data.shape)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Make one dimension of those from ``start_dim`` to ``end_dim``.

    Raises
    ------
    RuntimeError
        If ``start_dim`` comes after ``end_dim``.
    IndexError
        If there is no such dimension.
    TypeError
        If one is not an integer.
    """
    shape = require_tensor(input, "flatten")._data.shape
    new = _flat(shape, integer(start_dim), integer(end_dim))
    return input if new == shape else _reshaped(input, new)


@lru_cache(512)
def _flat(shape: tuple[int, ...], start_dim: int, end_dim: int) -> tuple[int, ...]:
    """Give the shape with those dimensions made one."""
    start, end = wrap_dim(start_dim, len(shape)), wrap_dim(end_dim, len(shape))
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])


def ravel(input: Tensor) -> Tensor:
    """:func:`flatten` of all dimensions."""
    return reshape(input, -1) if input._data.size else flatten(input)


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Make several dimensions, of ``sizes``, of one.

    Raises
    ------
    RuntimeError
        If their product is another size.
    IndexError
        If there is no such dimension.
    """
    shape = require_tensor(input, "unflatten")._data.shape
    axis = one_axis(dim, len(shape))
    try:
        parts = view_shape(sizes, shape[axis])
    except RuntimeError as error:
        if "is invalid for input" not in str(error):
            raise
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim "
            f"{axis} ({shape[axis]}) in the input tensor"
        ) from None
    return reshape(input, (*shape[:axis], *parts, *shape[axis + 1 :]))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Insert a dimension of size 1 at ``dim``.

    Raises
    ------
    IndexError
        If ``dim`` is outside [-ndim - 1, ndim].
    """
    shape = require_tensor(input, "unsqueeze")._data.shape
    axis = one_axis(dim, len(shape) + 1)
    return _inserted(input, (slice(None),) * axis + (None,), ops.UNSQUEEZE)


def _inserted(input: Tensor, index: tuple[Any, ...], op: Op) -> Tensor:
    return apply(op, (input,), input._data[index].shape)


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Drop the dimensions of size 1: all, or those among ``dim``.

    Raises
    ------
    IndexError
        If there is no such dimension.
    """
    shape = require_tensor(input, "squeeze")._data.shape
    if dim is None:
        return apply(ops.SQUEEZE, (input,), tuple([size for size in shape if size != 1]))
    one = isinstance(dim, int)
    axes = wrap_dims((dim,) if isinstance(dim, int) else tuple(dim), len(shape))
    kept = tuple([size for i, size in enumerate(shape) if size != 1 or i not in axes])
    return apply(ops.SQUEEZE_DIM if one else ops.SQUEEZE_DIMS, (input,), kept)


def expand(input: Tensor, *sizes: Any) -> Tensor:
    """Broadcast to ``sizes`` without copying; -1 keeps a size.

    Raises
    ------
    RuntimeError
        If a size other than 1 should change.
    """
    data = require_tensor(input, "expand")._data
    return apply(ops.EXPAND, (input,), expand_shape(data.shape, sizes_of(sizes)))


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """:func:`expand` to the shape of ``other``."""
    return expand(input, other._data.shape)


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """:func:`expand` under NumPy's name."""
    return expand(input, size)


# -- order -----------------------------------------------------------------------------------


def permute(input: Tensor, *order: Any, dims: Sequence[int] | None = None) -> Tensor:
    """Order the dimensions as ``order`` says, or ``dims`` by name, as a view.

    Raises
    ------
    RuntimeError
        If it does not name every dimension once.
    """
    ndim = require_tensor(input, "permute")._data.ndim
    order = sizes_of(order if dims is None else (dims,))
    if len(order) != ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            "length of the desired ordering of dimensions i.e. "
            f"input.dim() = {ndim} is not equal to len(dims) = {len(order)}"
        )
    axes = tuple([one_axis(dim, ndim) for dim in order])
    if len(set(axes)) != ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return apply(ops.PERMUTE, (input,), axes)


def _swapped(input: Tensor, dim0: int, dim1: int, op: Op) -> Tensor:
    ndim = input._data.ndim
    a, b = one_axis(dim0, ndim), one_axis(dim1, ndim)
    order = list(range(ndim))
    if ndim:
        order[a], order[b] = order[b], order[a]
    return apply(op, (input,), tuple(order))


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two dimensions, as a view.

    Raises
    ------
    IndexError
        If there is no such dimension.
    """
    return _swapped(require_tensor(input, "transpose"), dim0, dim1, ops.TRANSPOSE)


swapaxes = transpose


def t(input: Tensor) -> Tensor:
    """Transpose of a matrix, as a view; a vector or a scalar stays as it is.

    Raises
    ------
    RuntimeError
        For more than two dimensions.
    """
    ndim = require_tensor(input, "t")._data.ndim
    if ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {ndim}D")
    return apply(ops.T, (input,), tuple(range(ndim))[::-1])


def transposed(input: Tensor) -> Tensor:
    """All dimensions in reverse order, as a view: the property ``T``."""
    return apply(ops.PERMUTE, (input,), tuple(range(input._data.ndim))[::-1])


def matrix_transpose(input: Tensor) -> Tensor:
    """Last two dimensions swapped, as a view: the property ``mT``.

    Raises
    ------
    RuntimeError
        For fewer than two dimensions.
    """
    ndim = input._data.ndim
    if ndim < 2:
        raise RuntimeError(
            f"tensor.mT is only supported on matrices or batches of matrices. Got {ndim}-D tensor."
        )
    return _swapped(input, -2, -1, ops.TRANSPOSE)


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Move dimensions to other places, the rest keeping their order.

    Raises
    ------
    RuntimeError
        If the numbers of places differ or one is named twice.
    """
    ndim = require_tensor(input, "movedim")._data.ndim
    old = [one_axis(d, ndim) for d in ([source] if isinstance(source, int) else source)]
    new = [
        one_axis(d, ndim) for d in ([destination] if isinstance(destination, int) else destination)
    ]
    if len(old) != len(new) or len(set(old)) != len(old) or len(set(new)) != len(new):
        raise RuntimeError(
            "movedim: Invalid source or destination dims: source should have as many different "
            f"dims as destination ({source} and {destination})"
        )
    order = [i for i in range(ndim) if i not in old]
    for place, axis in sorted(zip(new, old, strict=True)):
        order.insert(place, axis)
    return permute(input, order)


def flip(input: Tensor, *dims: Any) -> Tensor:
    """Reverse the order along ``dims`` (a copy).

    Raises
    ------
    IndexError
        If there is no such dimension.
    """
    ndim = require_tensor(input, "flip")._data.ndim
    return apply(ops.FLIP, (input,), wrap_dims(sizes_of(dims), ndim))


def roll(
    input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None
) -> Tensor:
    """Shift elements along ``dims``; those pushed out enter at the other end."""
    require_tensor(input, "roll")
    one = isinstance(shifts, int)
    return apply(
        ops.ROLL,
        (input,),
        shifts if one else tuple(shifts),  # type: ignore[arg-type]
        dims if dims is None or isinstance(dims, int) else tuple(dims),
    )


def repeat(input: Tensor, *sizes: Any) -> Tensor:
    """Lay copies of ``input`` side by side: ``sizes[i]`` of them along dimension i.

    Raises
    ------
    RuntimeError
        If there are fewer sizes than dimensions, or they are negative or overflow.
    """
    times = sizes_of(sizes)
    data = require_tensor(input, "repeat")._data
    if len(times) < data.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions "
            "of tensor"
        )
    aligned = (1,) * (len(times) - data.ndim) + data.shape
    numel([n * size for n, size in zip(times, aligned, strict=True)], data.itemsize)
    return apply(ops.REPEAT, (input,), times)


def tile(input: Tensor, *dims: Any) -> Tensor:
    """:func:`repeat`, with missing leading sizes taken as 1."""
    times = sizes_of(dims)
    return repeat(input, (1,) * (input._data.ndim - len(times)) + times)


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Lower triangle of matrices, zeros above it."""
    return _triangle(input, diagonal, ops.TRIL, "tril")


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Upper triangle of matrices, zeros below it."""
    return _triangle(input, diagonal, ops.TRIU, "triu")


def _triangle(input: Tensor, diagonal: int, op: Op, name: str) -> Tensor:
    if require_tensor(input, name)._data.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
    return apply(op, (input,), diagonal)
