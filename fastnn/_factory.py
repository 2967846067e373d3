"""What every factory of tensors does with its sizes and options.

Factories share these arguments: ``dtype`` (None: the default floating type, unless said
otherwise), ``device`` (only the CPU exists; RuntimeError for another) and
``requires_grad`` (RuntimeError unless the type is floating).  Sizes are ints or one tuple;
negative ones and those that overflow raise RuntimeError, others than ints TypeError.
"""

from __future__ import annotations

import operator
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from . import _shapes, dtypes
from ._memory import empty_array
from .dtypes import check_device, device, dtype
from .tensor import Tensor, wrap

Array = NDArray[Any]
Sizes = SupportsIndex | tuple[SupportsIndex, ...] | list[SupportsIndex]
Device = str | device | None
Number = bool | int | float


def sizes_of(
    function: str, sizes: tuple[Any, ...], size: Sizes | None, numpy_dtype: np.dtype[Any]
) -> tuple[int, ...]:
    """Return the shape that ``function`` was called with: (2, 3), ((2, 3),) or size=(2, 3)."""
    if size is None:
        if not sizes:
            raise TypeError(f'{function}() missing 1 required positional arguments: "size"')
    elif sizes:
        raise TypeError(f"{function}() got sizes twice: {sizes} and size={size}")
    else:
        sizes = (size,)
    if len(sizes) == 1 and isinstance(sizes[0], list | tuple):
        sizes = tuple(sizes[0])
    shape = tuple([_size(function, position, each) for position, each in enumerate(sizes, 1)])
    _shapes.numel(shape, numpy_dtype.itemsize)
    return shape


def _size(function: str, position: int, size: Any) -> int:
    try:
        if not isinstance(size, bool):
            return operator.index(size)
    except TypeError:
        pass
    raise TypeError(
        f"{function}(): argument 'size' (position {position}) must be tuple of ints, "
        f"not {type(size).__name__}"
    )


def plain(value: object) -> int | float:
    """Return a number, or a one-element tensor's, as a Python int or float."""
    if isinstance(value, Tensor):
        value = value._data
    if isinstance(value, np.generic | np.ndarray):
        value = value.item()
    if not isinstance(value, int | float):
        raise TypeError(f"expected a number, got {type(value).__name__}: {value!r}")
    return value


def options_of(
    type_: dtype | None, where: Device, requires_grad: bool, default: dtype | None = None
) -> np.dtype[Any]:
    """Check a factory's options and return NumPy's dtype for the elements."""
    check_device(where)
    chosen = type_ or default or dtypes.get_default_dtype()
    numpy_dtype = dtypes.to_numpy(chosen)
    if requires_grad and not chosen.is_floating_point:
        raise RuntimeError(
            "Only Tensors of floating point and complex dtype can require gradients, "
            f"not of {chosen!r}"
        )
    return numpy_dtype


def finish(array: Array, requires_grad: bool) -> Tensor:
    """Wrap a factory's array."""
    made = wrap(array)
    return made.requires_grad_() if requires_grad else made


def like_array(
    function: str, input: Tensor, type_: dtype | None, where: Device, requires_grad: bool
) -> Array:
    """Return an unset array with ``input``'s shape, order of memory and, by default, type."""
    if not isinstance(input, Tensor):
        raise TypeError(
            f"{function}(): argument 'input' (position 1) must be Tensor, "
            f"not {type(input).__name__}"
        )
    numpy_dtype = options_of(
        type_, where, requires_grad, dtypes.from_numpy_dtype(input._data.dtype)
    )
    data = input._data
    if data.flags.c_contiguous:
        return empty_array(data.shape, numpy_dtype)
    return np.empty_like(data, numpy_dtype)
