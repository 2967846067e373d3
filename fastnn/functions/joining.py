"""Putting tensors together along a dimension, and taking them apart."""

from __future__ import annotations

from collections.abc import Sequence

from ..dtypes import promote_numpy
from ..ops import shape as ops
from ..tensor import Tensor, apply, apply_all
from ._dims import one_axis
from ._operands import cast, require_tensor

__all__ = ["cat", "chunk", "concat", "concatenate", "split", "stack", "unbind"]


def _together(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """All of ``tensors`` in their common type."""
    dtypes = set()
    for i, each in enumerate(tensors):
        if not isinstance(each, Tensor):
            raise TypeError(
                f"expected Tensor as element {i} in argument 0, but got {type(each).__name__}"
            )
        dtypes.add(each._data.dtype)
    if len(dtypes) == 1:
        return tuple(tensors)
    dtype = tensors[0]._data.dtype
    for other in dtypes:
        dtype = promote_numpy(dtype, 1, other, 1)
    return tuple([cast(each, dtype) for each in tensors])


def cat(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """Join tensors along an existing dimension.

    Raises
    ------
    RuntimeError
        If there are none, or other sizes differ.
    """
    dim = dim if axis is None else axis
    if len(tensors) == 0:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    # PyTorch still lets an empty vector stand beside anything
    every = _together(tensors)
    parts = [each for each in every if each._data.shape != (0,)] or every
    first = parts[0]._data.shape
    where = one_axis(dim, len(first))
    if not first:
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    for i, each in enumerate(parts):
        shape = each._data.shape
        if len(shape) != len(first):
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)}"
            )
        if shape == first:
            continue
        for j, (expected, size) in enumerate(zip(first, shape, strict=True)):
            if size != expected and j != where:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {where}. Expected size "
                    f"{expected} but got size {size} for tensor number {i} in the list."
                )
    return apply(ops.CAT, tuple(parts), where)


concat = concatenate = cat


def stack(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """Join tensors of one shape along a new dimension.

    Raises
    ------
    RuntimeError
        If there are none, or the shapes differ.
    """
    dim = dim if axis is None else axis
    if len(tensors) == 0:
        raise RuntimeError("stack expects a non-empty TensorList")
    parts = _together(tensors)
    first = parts[0]._data.shape
    for i, each in enumerate(parts):
        if each._data.shape != first:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 "
                f"and {list(each._data.shape)} at entry {i}"
            )
    return apply(ops.STACK, parts, one_axis(dim, len(first) + 1))


def split(
    tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Cut along ``dim``, as views: into parts of one size (the last may be smaller), or of sizes.

    Raises
    ------
    RuntimeError
        If the sizes do not add up.
    """
    shape = require_tensor(tensor, "split")._data.shape
    if not shape:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    axis = one_axis(dim, len(shape))
    length = shape[axis]
    if isinstance(split_size_or_sections, int):
        sizes = _equal_parts(length, split_size_or_sections)
        return apply_all(ops.SPLIT, (tensor,), sizes, axis)
    sizes = tuple(split_size_or_sections)
    if sum(sizes) != length or min(sizes, default=0) < 0:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {length} (input tensor's "
            f"size at dimension {axis}), but got split_sizes={list(sizes)}"
        )
    return apply_all(ops.SPLIT_SIZES, (tensor,), sizes, axis)


def _equal_parts(length: int, size: int) -> tuple[int, ...]:
    if size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
    if size == 0:
        if length:
            raise RuntimeError(
                "split_size can only be 0 if dimension size is 0, "
                f"but got dimension size of {length}"
            )
        return (0,)
    full, rest = divmod(length, size)
    return ((size,) * full + ((rest,) if rest else ())) or (0,)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut into at most ``chunks`` parts of one size along ``dim``, as views.

    Raises
    ------
    RuntimeError
        If ``chunks`` is not positive.
    """
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    shape = require_tensor(input, "chunk")._data.shape
    if not shape:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    axis = one_axis(dim, len(shape))
    if shape[axis] == 0:
        return apply_all(ops.SPLIT, (input,), (0,) * chunks, axis)
    return split(input, -(-shape[axis] // chunks), axis)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut into slices along ``dim``, which disappears; as views.

    Raises
    ------
    IndexError
        If there is no such dimension.
    """
    data = require_tensor(input, "unbind")._data
    if data.ndim == 0:
        raise RuntimeError("Dimension specified as 0 but tensor has no dimensions")
    return apply_all(ops.UNBIND, (input,), one_axis(dim, data.ndim))
