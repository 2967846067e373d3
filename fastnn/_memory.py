"""Arrays in the memory that tensors have: like results, large ones start on a line.

NumPy's own large blocks start 16 bytes past one, so that every vector that a kernel loads from
them touches two lines: products take 8 % longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .backends import Array, empty_array

__all__ = ["concatenated", "converted", "copied", "empty_array", "filled", "stacked"]


def filled(shape: tuple[int, ...], dtype: np.dtype[Any], value: Any) -> Array:
    """``numpy.full``."""
    array = empty_array(shape, dtype)
    array.fill(value)
    return array


def copied(array: Array) -> Array:
    """``array.copy()``: dense, rows first."""
    copy = empty_array(array.shape, array.dtype)
    np.copyto(copy, array)
    return copy


def converted(array: Array, dtype: np.dtype[Any]) -> Array:
    """``array.astype(dtype)``: a copy whatever the type, with the array's order of memory."""
    if not array.flags.c_contiguous:
        return array.astype(dtype)
    copy = empty_array(array.shape, dtype)
    np.copyto(copy, array, casting="unsafe")
    return copy


def concatenated(arrays: Sequence[Array], axis: int) -> Array:
    """``numpy.concatenate`` of arrays of one type; ``axis`` counts from 0."""
    shape = list(arrays[0].shape)
    shape[axis] = sum([array.shape[axis] for array in arrays])
    out = empty_array(tuple(shape), arrays[0].dtype)
    return np.concatenate(arrays, axis, out=out)


def stacked(arrays: Sequence[Array], axis: int) -> Array:
    """``numpy.stack`` of arrays of one type; ``axis`` counts from 0."""
    shape = list(arrays[0].shape)
    shape.insert(axis, len(arrays))
    out = empty_array(tuple(shape), arrays[0].dtype)
    before: tuple[Any, ...] = (slice(None),) * axis
    for i, array in enumerate(arrays):
        out[(*before, i)] = array
    return out
