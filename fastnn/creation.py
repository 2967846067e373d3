"""New tensors: from data, filled with one value, with series, or with random numbers.

Factories share these arguments: ``dtype`` (None: the default floating type, unless said
otherwise), ``device`` (only the CPU exists; RuntimeError for another) and
``requires_grad`` (RuntimeError unless the type is floating).  Sizes are ints or one tuple;
negative ones and those that overflow raise RuntimeError, others than ints TypeError.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from . import _dlpack, dtypes
from ._factory import Array, Device, Number, Sizes, finish, like_array, options_of, sizes_of
from ._memory import empty_array, filled
from ._nested import array_of, check_fits
from .creation_random import (
    bernoulli,
    get_rng_state,
    multinomial,
    normal,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    set_rng_state,
)
from .creation_series import arange, eye, linspace, logspace
from .dtypes import check_device, dtype
from .functions._operands import cast, convert
from .tensor import Tensor, wrap

__all__ = [
    "arange",
    "as_tensor",
    "bernoulli",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "get_rng_state",
    "linspace",
    "logspace",
    "multinomial",
    "normal",
    "ones",
    "ones_like",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "set_rng_state",
    "tensor",
    "zeros",
    "zeros_like",
]

# -- from data -------------------------------------------------------------------------------


def tensor(
    data: Any, *, dtype: dtype | None = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor with a copy of ``data``.

    Parameters
    ----------
    data : number, nested sequence, ndarray or Tensor
        Python floats become the default floating type, ints int64, bools bool; arrays and
        NumPy's scalars keep their type.
    dtype, device, requires_grad
        As described in :mod:`fastnn.creation`.

    Raises
    ------
    ValueError
        For ragged sequences, or integers beyond 64 bits.
    TypeError
        For strings, and arrays of objects or other types that no tensor holds.
    RuntimeError
        For elements that are no numbers, or do not fit ``dtype``.
    """
    check_device(device)
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use "
            "sourceTensor.detach().clone() or sourceTensor.detach().clone().requires_grad_(True), "
            "rather than fastnn.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        data = data._data
    array = array_of(data, dtype)
    options_of(dtypes.from_numpy_dtype(array.dtype), device, requires_grad)
    return finish(array, requires_grad)


def as_tensor(data: Any, dtype: dtype | None = None, device: Device = None) -> Tensor:
    """Make a tensor of ``data`` that shares its memory where that is possible.

    Tensors of the right type are returned as they are, arrays are wrapped; everything else
    is copied as by :func:`tensor`, with its errors.
    """
    check_device(device)
    if isinstance(data, Tensor):
        return data if dtype is None else cast(data, dtypes.to_numpy(dtype))
    if isinstance(data, np.ndarray):
        kind = dtypes.from_numpy_dtype(data.dtype)
        if dtype is None or dtype is kind:
            return _share(data)
        return wrap(convert(data, dtypes.to_numpy(dtype)))
    return wrap(array_of(data, dtype))


def from_numpy(ndarray: Any) -> Tensor:
    """Make a tensor on the memory of an array: a change of one is a change of the other.

    A read-only array is shared too, with a UserWarning; in-place operations on the tensor
    then fail, as they do on the array.

    Raises
    ------
    TypeError
        If it is no ndarray, or of a type that no tensor holds.
    ValueError
        If its byte order is foreign.
    """
    if not isinstance(ndarray, np.ndarray):
        kind = type(ndarray)
        module = "" if kind.__module__ == "builtins" else kind.__module__ + "."
        raise TypeError(f"expected np.ndarray (got {module}{kind.__qualname__})")
    dtypes.from_numpy_dtype(ndarray.dtype)
    return _share(ndarray)


def _share(array: Array) -> Tensor:
    if not array.flags.writeable:
        warnings.warn(
            "The given NumPy array is not writable: the tensor shares its memory, and in-place "
            "operations on it will fail. Copy the array to avoid this warning.",
            UserWarning,
            stacklevel=3,
        )
    return wrap(array)


def from_dlpack(ext_tensor: Any) -> Tensor:
    """Make a tensor on the memory of an array of another library, by the DLPack protocol.

    In-place operations fail if the other library says the memory is read-only (or cannot
    say, with NumPy 2.0).

    Raises
    ------
    TypeError
        If the object does not speak DLPack, or no tensor holds its type.
    BufferError
        If the other side refuses (as for a tensor that requires grad), or its memory is
        not the CPU's.
    """
    return wrap(_dlpack.from_exporter(ext_tensor))


# -- one value -------------------------------------------------------------------------------


def empty(
    *sizes: Any,
    size: Sizes | None = None,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of the given sizes without setting its elements."""
    numpy_dtype = options_of(dtype, device, requires_grad)
    shape = sizes_of("empty", sizes, size, numpy_dtype)
    return finish(empty_array(shape, numpy_dtype), requires_grad)


def zeros(
    *sizes: Any,
    size: Sizes | None = None,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of zeros."""
    numpy_dtype = options_of(dtype, device, requires_grad)
    shape = sizes_of("zeros", sizes, size, numpy_dtype)
    return finish(filled(shape, numpy_dtype, 0), requires_grad)


def ones(
    *sizes: Any,
    size: Sizes | None = None,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of ones."""
    numpy_dtype = options_of(dtype, device, requires_grad)
    shape = sizes_of("ones", sizes, size, numpy_dtype)
    return finish(filled(shape, numpy_dtype, 1), requires_grad)


def full(
    size: Sizes,
    fill_value: Number | Tensor,
    *,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor with all elements ``fill_value``; its type, unless given, is the value's.

    Raises
    ------
    RuntimeError
        If the value does not fit the type.
    """
    if not isinstance(size, list | tuple):
        raise TypeError(
            f"full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}"
        )
    value, kind = _scalar("full", fill_value)
    numpy_dtype = options_of(dtype, device, requires_grad, kind)
    shape = sizes_of("full", (), size, numpy_dtype)
    return finish(filled(shape, numpy_dtype, _fitting(value, numpy_dtype)), requires_grad)


def _scalar(function: str, value: object) -> tuple[Array, dtype]:
    """Return a number as an array without dimensions, and its type in a tensor."""
    if isinstance(value, Tensor):
        if value._data.ndim:
            raise RuntimeError(
                f"{function}: fill_value must be a number or a tensor without dimensions, "
                f"got one of shape {list(value._data.shape)}"
            )
        return value._data, dtypes.from_numpy_dtype(value._data.dtype)
    try:
        kind = dtypes.from_python_type(type(value))
    except TypeError:
        raise TypeError(
            f"{function}(): argument 'fill_value' (position 2) must be Number, "
            f"not {type(value).__name__}"
        ) from None
    # A float keeps its precision until it is known what it will become.
    return array_of(value, dtypes.float64 if kind.is_floating_point else kind), kind


def _fitting(value: Array, numpy_dtype: np.dtype[Any]) -> Array:
    check_fits(value, dtypes.from_numpy_dtype(numpy_dtype))
    result = convert(value, numpy_dtype)
    if numpy_dtype.kind == "f" and np.isinf(result) and not np.isinf(value):
        raise RuntimeError(
            f"value cannot be converted to type {numpy_dtype} without overflow: {value}"
        )
    return result


def empty_like(
    input: Tensor,
    *,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of ``input``'s shape and type without setting its elements."""
    return finish(like_array("empty_like", input, dtype, device, requires_grad), requires_grad)


def zeros_like(
    input: Tensor,
    *,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of zeros of ``input``'s shape and type."""
    array = like_array("zeros_like", input, dtype, device, requires_grad)
    array.fill(0)
    return finish(array, requires_grad)


def ones_like(
    input: Tensor,
    *,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of ones of ``input``'s shape and type."""
    array = like_array("ones_like", input, dtype, device, requires_grad)
    array.fill(1)
    return finish(array, requires_grad)


def full_like(
    input: Tensor,
    fill_value: Number | Tensor,
    *,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of ``input``'s shape and type with all elements ``fill_value``."""
    array = like_array("full_like", input, dtype, device, requires_grad)
    value, _ = _scalar("full_like", fill_value)
    array[...] = _fitting(value, array.dtype)
    return finish(array, requires_grad)
