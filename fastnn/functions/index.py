"""Indexing, and picking elements by number or mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from .._engine import Op
from .._shapes import broadcast
from ..backends import Array
from ..ops import index as ops
from ..tensor import Tensor, apply, wrap
from ._dims import one_axis
from ._operands import cast, convert, number, require_tensor, scalar_name

__all__ = [
    "argwhere",
    "gather",
    "getitem",
    "index_select",
    "masked_fill",
    "masked_select",
    "narrow",
    "nonzero",
    "parse_index",
    "select",
    "take",
]

_INTS = (int, np.integer)
_KINDS = (
    "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
    "indices"
)


def parse_index(index: Any) -> tuple[tuple[Any, ...], bool]:
    """Turn an index into a tuple for NumPy, and say whether it yields a view.

    Raises
    ------
    IndexError
        For something that is no index.
    ValueError
        For a slice that does not go forward.
    """
    parts = index if isinstance(index, tuple) else (index,)
    found: list[Any] = []
    basic = True
    for part in parts:
        if part is None or part is Ellipsis:
            found.append(part)
        elif isinstance(part, slice):
            if part.step is not None and part.step <= 0:
                raise ValueError(f"step must be greater than zero, got {part.step}")
            found.append(part)
        elif isinstance(part, _INTS) and not isinstance(part, bool):
            found.append(int(part))
        else:
            array = _index_array(part)
            if array.ndim == 0 and array.dtype.kind in "iu" and not isinstance(part, np.ndarray):
                found.append(int(array))
            else:
                basic = False
                found.append(array)
    # without this NumPy returns a scalar, not a view, where nothing is left
    if basic and Ellipsis not in found:
        found.append(Ellipsis)
    return tuple(found), basic


def picks_first(parts: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Take the integers out of a parsed index that has arrays too: (theirs, what is left).

    To NumPy an integer beside an array is an array as well, and its place decides where the
    arrays' dimensions come; to PyTorch it is a pick of its own, before them.  Both are empty
    if there is nothing to take out.
    """
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if not arrays or int not in map(type, parts):
        return (), ()
    picks: list[Any] = []
    for part in parts:
        if isinstance(part, np.ndarray):
            picks += [slice(None)] * (part.ndim if part.dtype == np.bool_ else 1)
        elif part is not None:
            picks.append(slice(None) if isinstance(part, slice) else part)
    return tuple(picks), tuple([part for part in parts if type(part) is not int])


def _index_array(part: Any) -> Array:
    if isinstance(part, Tensor):
        part = part._data
    elif isinstance(part, (list, range)):
        part = _listed(part)
    elif isinstance(part, bool):
        part = np.array(part)
    if isinstance(part, (str, float)) or not isinstance(part, np.ndarray):
        raise IndexError(f"{_KINDS} (got {type(part).__name__})")
    if part.dtype.kind not in "iub":
        raise IndexError(
            "tensors used as indices must be long, int, byte or bool tensors, "
            f"but one is {part.dtype.name}"
        )
    return part


def _listed(part: Sequence[Any]) -> Array:
    array = np.array([each._data if isinstance(each, Tensor) else each for each in part])
    return array if array.size else array.astype(np.int64)


def reraise(error: IndexError, data: Array, index: tuple[Any, ...]) -> NoReturn:
    """Raise NumPy's complaint about ``index`` in PyTorch's words."""
    text = str(error)
    used = len([part for part in index if part is not None and part is not Ellipsis])
    if text.startswith("too many indices"):
        if data.ndim == 0:
            text = (
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or "
                "`tensor.item<T>()` in C++ to convert a 0-dim tensor to a number"
            )
        else:
            text = f"too many indices for tensor of dimension {data.ndim}: {used} were given"
    elif text.startswith("boolean index did not match"):
        mask = next(p for p in index if isinstance(p, np.ndarray) and p.dtype == np.bool_)
        text = (
            f"The shape of the mask {list(mask.shape)} at index 0 does not match the shape of the "
            f"indexed tensor {list(data.shape)} at index 0"
        )
    raise IndexError(text.replace("for axis", "for dimension")) from None


def _basic_op(index: tuple[Any, ...]) -> Op:
    """Name the last of the steps that PyTorch takes an index in."""
    for part in reversed(index):
        if part is None:
            return ops.UNSQUEEZED
        if isinstance(part, slice):
            return ops.SLICE
        if part is not Ellipsis:
            return ops.SELECT
    return ops.ALIAS


def getitem(self: Tensor, index: Any) -> Tensor:
    """``self[index]``: a view for ints, slices, None and Ellipsis; else a copy.

    Raises
    ------
    IndexError
        If the index is out of range, or is none.
    ValueError
        For a slice that does not go forward.
    """
    where, basic = parse_index(index)
    picks, rest = picks_first(where)
    if picks:
        return getitem(getitem(self, picks), rest)
    try:
        if basic:
            return apply(_basic_op(where), (self,), where)
        if self.requires_grad:  # the backward needs the index as it is now
            where = tuple([p.copy() if isinstance(p, np.ndarray) else p for p in where])
        return apply(ops.INDEX, (self,), where)
    except IndexError as error:
        reraise(error, self._data, where)


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """Slice number ``index`` along ``dim``, as a view; errors as indexing."""
    axis = one_axis(dim, require_tensor(input, "select")._data.ndim)
    return getitem(input, (slice(None),) * axis + (index,))


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """``length`` slices from ``start`` along ``dim``, as a view.

    Raises
    ------
    RuntimeError
        If they are not all there.
    """
    data = require_tensor(input, "narrow")._data
    axis = one_axis(dim, data.ndim)
    size = data.shape[axis]
    if length < 0:
        raise RuntimeError(f"narrow(): length must be non-negative, got {length}.")
    first = start + size if start < 0 else start
    if first < 0 or first + length > size:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return getitem(input, (slice(None),) * axis + (slice(first, first + length),))


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Slices along ``dim`` in the order that the vector ``index`` names them.

    Raises
    ------
    IndexError
        If a number is out of range, or ``index`` is no vector.
    RuntimeError
        If it does not hold integers.
    """
    data = require_tensor(input, "index_select")._data
    numbers = require_tensor(index, "index_select", "index", 3)._data
    axis = one_axis(dim, data.ndim)
    if numbers.dtype.kind != "i" or numbers.itemsize < 4:
        raise RuntimeError(
            "index_select(): Expected dtype int32 or int64 for index, "
            f"got {scalar_name(numbers.dtype)}"
        )
    if numbers.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    size = data.shape[axis] if data.ndim else 1
    if numbers.size and (numbers.min() < 0 or numbers.max() >= size):
        raise IndexError(
            f"index out of range in self: {numbers.min()}..{numbers.max()} in a dimension of "
            f"size {size}"
        )
    where = (slice(None),) * axis + (numbers.reshape(-1).copy(),) if data.ndim else ()
    return apply(ops.INDEX_SELECT, (input,), where)


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """``out[i, j] = input[index[i, j], j]`` for ``dim`` 0, and so on.

    Raises
    ------
    RuntimeError
        If a number is out of range, or the shapes do not fit.
    """
    data = require_tensor(input, "gather")._data
    numbers = require_tensor(index, "gather", "index", 3)._data
    axis = one_axis(dim, data.ndim)
    if numbers.dtype.kind != "i" or numbers.itemsize < 4:
        raise RuntimeError(
            f"gather(): Expected dtype int32/int64 for index, got {scalar_name(numbers.dtype)}"
        )
    if max(numbers.ndim, 1) != max(data.ndim, 1):
        raise RuntimeError(
            "Index tensor must have the same number of dimensions as input tensor, "
            f"got {numbers.ndim} and {data.ndim}"
        )
    for i, (a, b) in enumerate(zip(numbers.shape, data.shape, strict=False)):
        if a > b and i != axis:
            raise RuntimeError(
                f"Size does not match at dimension {i} expected index {list(numbers.shape)} to be "
                f"no larger than self {list(data.shape)} apart from dimension {axis}"
            )
    size = data.shape[axis] if data.ndim else 1
    # seen as unsigned, what is below 0 is far above
    if numbers.size and numbers.view(f"u{numbers.itemsize}").max() >= size:
        outside = (numbers < 0) | (numbers >= size)
        raise RuntimeError(
            f"index {numbers[outside].flat[0]} is out of bounds for dimension {axis} "
            f"with size {size}"
        )
    return apply(ops.GATHER, (input,), axis, numbers.copy())


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """``input`` with ``value`` where ``mask`` holds; they broadcast.

    Raises
    ------
    RuntimeError
        If ``mask`` does not hold bools, or ``value`` is a tensor with dimensions.
    """
    data = require_tensor(input, "masked_fill")._data
    where = require_tensor(mask, "masked_fill", "mask", 2)._data
    if where.dtype != np.bool_:
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {where.dtype.name}"
        )
    if isinstance(value, Tensor):
        if value._data.ndim:
            raise RuntimeError(
                "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value._data.ndim} dimension(s)."
            )
        op, value = ops.MASKED_FILL_TENSOR, cast(value, data.dtype)
    else:
        op, value = ops.MASKED_FILL, wrap(number(value, data.dtype))
    broadcast(where.shape, data.shape)
    if data.dtype.kind == "f":
        return apply(op, (input, value), where.copy())
    return wrap(np.where(where, value._data, data))


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """Vector of the elements of ``input`` where ``mask`` holds; they broadcast."""
    data = require_tensor(input, "masked_select")._data
    where = require_tensor(mask, "masked_select", "mask", 2)._data
    if where.dtype != np.bool_:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    both = broadcast(where.shape, data.shape)
    return getitem(input.expand(both), wrap(np.broadcast_to(where, both)))


def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements of the flattened ``input`` at ``index``, in its shape."""
    return getitem(require_tensor(input, "take").reshape(-1), index)


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Indices of the elements that are not zero: (count, ndim), or a tuple of vectors."""
    data = require_tensor(input, "nonzero")._data
    if as_tuple:
        return tuple([wrap(each) for each in np.nonzero(np.atleast_1d(data))])
    return wrap(np.argwhere(data))


def argwhere(input: Tensor) -> Tensor:
    """:func:`nonzero` under NumPy's name."""
    return wrap(np.argwhere(require_tensor(input, "argwhere")._data))


def value_for(value: Any, dtype: np.dtype[Any]) -> Tensor:
    """``value`` as a tensor of ``dtype``, to be written by index."""
    if isinstance(value, Tensor):
        return cast(value, dtype)
    if isinstance(value, np.ndarray):
        return wrap(convert(value, dtype))
    return wrap(number(value, dtype))
