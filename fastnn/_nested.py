"""From nested sequences of numbers to arrays, with PyTorch's types and errors.

NumPy would guess differently: Python floats become the default type here, ragged and
foreign input is refused, and numbers that the wanted type cannot hold are errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import dtypes
from .dtypes import dtype
from .functions._operands import convert
from .tensor import Tensor

Array = NDArray[Any]

# Leaves of these classes need no second look.
_PLAIN = {bool, int, float}


def array_of(data: object, type_: dtype | None) -> Array:
    """Return a new array of ``data``: numbers in nested sequences, arrays, one-element tensors.

    Parameters
    ----------
    data : object
        The numbers.
    type_ : dtype, optional
        The elements' type; None infers it: bool, int64, the default floating type, the own
        type of arrays and NumPy's scalars, and for a mixture what they promote to.

    Raises
    ------
    ValueError
        If the sequences are ragged, or an integer needs more than 64 bits.
    TypeError
        If they hold strings, or mix numbers and sequences.
    RuntimeError
        If an element is no number, or does not fit the type.
    """
    wanted = None if type_ is None else dtypes.to_numpy(type_)
    if isinstance(data, np.ndarray):
        dtypes.from_numpy_dtype(data.dtype)
        return convert(data, wanted or data.dtype)
    if isinstance(data, str | bytes):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    shape, leaves = _flatten(data)
    if isinstance(leaves, np.ndarray):
        dtypes.from_numpy_dtype(leaves.dtype)
        return convert(leaves, wanted or leaves.dtype).reshape(shape)
    inferred = _infer(leaves)
    if not set(map(type, leaves)) <= _PLAIN:
        leaves = [leaf._data.item() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
    return _pack(leaves, inferred, type_ or inferred).reshape(shape)


# -- shape -----------------------------------------------------------------------------------


def _is_sequence(value: object) -> bool:
    if isinstance(value, list | tuple):
        return True
    if isinstance(value, Tensor):
        return value._data.ndim > 0
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _flatten(data: object) -> tuple[tuple[int, ...], list[Any] | Array]:
    """Return the shape, and the leaves as a list (or as one array, if arrays were stacked)."""
    shape: list[int] = []
    level: list[Any] = [data]
    while level and _is_sequence(level[0]):
        first = level[0]
        if isinstance(first, Tensor):
            raise ValueError(
                "only one element tensors can be converted to Python scalars: "
                f"got one of shape {list(first._data.shape)}; use stack() to join tensors"
            )
        _check_lengths(level, len(first), len(shape))
        if type(first) is np.ndarray and _are_alike(level):
            stacked = np.array(level)
            return (*shape, *first.shape), stacked.reshape(-1)
        shape.append(len(first))
        level = list(chain.from_iterable(level))
    if 0 in shape:
        return tuple(shape), np.empty(0, dtypes.as_numpy_dtype(None))
    for leaf in level if not set(map(type, level)) <= _PLAIN else ():
        if _is_sequence(leaf):
            raise TypeError(
                f"expected a number at dim {len(shape)}, as before it, got {type(leaf).__name__}: "
                f"'{type(leaf).__name__}' object cannot be interpreted as a number"
            )
    return tuple(shape), level


def _check_lengths(level: list[Any], length: int, dim: int) -> None:
    for each in level:
        if not _is_sequence(each):
            raise TypeError(f"not a sequence: {each!r}, beside sequences at dim {dim}")
        if len(each) != length:
            raise ValueError(f"expected sequence of length {length} at dim {dim} (got {len(each)})")


def _are_alike(level: list[Any]) -> bool:
    first = level[0]
    return all(
        type(each) is np.ndarray and each.shape == first.shape and each.dtype == first.dtype
        for each in level
    )


# -- type and values -------------------------------------------------------------------------


def _infer(leaves: list[Any]) -> dtype:
    kinds = [_kind(kind, leaves) for kind in set(map(type, leaves))]
    return reduce(dtypes.promote_types, chain.from_iterable(kinds))


def _kind(kind: type, leaves: list[Any]) -> set[dtype]:
    """Return the element types that leaves of the class ``kind`` ask for."""
    if issubclass(kind, Tensor):
        return {dtypes.from_numpy_dtype(leaf._data.dtype) for leaf in leaves if type(leaf) is kind}
    if issubclass(kind, np.ndarray):
        return {dtypes.from_numpy_dtype(leaf.dtype) for leaf in leaves if type(leaf) is kind}
    if issubclass(kind, np.generic):
        return {dtypes.from_numpy_dtype(np.dtype(kind))}
    if issubclass(kind, str | bytes):
        if type(leaves[0]) is kind:
            raise ValueError(f"too many dimensions '{kind.__name__}'")
        raise TypeError(f"new(): invalid data type '{kind.__name__}'")
    try:
        return {dtypes.from_python_type(kind)}
    except TypeError:
        raise RuntimeError(f"Could not infer dtype of {kind.__name__}") from None


def _pack(leaves: list[Any], inferred: dtype, wanted: dtype) -> Array:
    """Put numbers into an array of ``wanted``, by way of the widest type of their category."""
    if inferred.is_floating_point or (wanted.is_floating_point and inferred is not dtypes.bool):
        wide = np.array(leaves, np.float64)
    elif inferred is dtypes.bool:
        wide = np.array(leaves, np.bool_)
    else:
        try:
            wide = np.array(leaves, np.int64)
        except OverflowError:
            largest = max(leaves, key=abs)
            raise ValueError(f"Overflow when unpacking long long: {largest}") from None
    check_fits(wide, wanted)
    return convert(wide, dtypes.to_numpy(wanted))


def check_fits(wide: Array, wanted: dtype) -> None:
    """Raise RuntimeError if a number is outside an integer type, as PyTorch's conversion.

    Negative integers (not floats) wrap around in uint8, down to -255.
    """
    if wanted.is_floating_point or wanted is dtypes.bool or wide.dtype == np.bool_:
        return
    limits = np.iinfo(dtypes.to_numpy(wanted))
    low = -limits.max if wanted is dtypes.uint8 and wide.dtype.kind == "i" else limits.min
    # The largest int64 is no float64; the next one up is 2**63, too large already.
    if wanted is dtypes.int64 and wide.dtype.kind == "f":
        fits = (wide >= low) & (wide < 2.0**63)
    else:
        fits = (wide >= low) & (wide <= limits.max)
    if not fits.all():
        raise RuntimeError(
            f"value cannot be converted to type {wanted.name} without overflow: {wide[~fits][0]}"
        )
