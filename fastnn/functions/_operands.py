"""What a binary operation does with its operands before it reaches an op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from .._engine import Op
from .._memory import converted
from ..backends import Array
from ..dtypes import NUMBER, NumpyDType
from ..ops._arrays import quiet
from ..ops.convert import CAST
from ..tensor import Tensor, apply, wrap

__all__ = [
    "UNSUPPORTED",
    "as_tensor",
    "binary",
    "cast",
    "common",
    "convert",
    "default_float",
    "is_number",
    "number",
    "pair",
    "promoted",
    "require_tensor",
    "scalar_name",
    "unwrap",
]

#: What an operator returns for an operand it does not know, so that Python tries the other.
UNSUPPORTED: Tensor = NotImplemented

_NUMBERS = (bool, int, float, np.number, np.bool_)


def is_number(value: object) -> bool:
    """Whether ``value`` is a Python or NumPy scalar."""
    return isinstance(value, _NUMBERS)


def number(value: Any, dtype: NumpyDType) -> Array:
    """``value`` as a 0-dimensional array.

    Too large a float becomes an infinity, an integer is reduced modulo the type's range.
    """
    if dtype.kind != "f":
        return np.array(value).astype(dtype)
    try:
        return np.array(value, dtype)
    except RuntimeWarning:  # warnings may be errors
        with quiet():
            return np.array(value, dtype)


#: PyTorch's names of the element types in its messages.
_SCALAR_NAMES = {
    "float32": "Float",
    "float64": "Double",
    "bool": "Bool",
    "uint8": "Byte",
    "int8": "Char",
    "int16": "Short",
    "int32": "Int",
    "int64": "Long",
}


def scalar_name(dtype: NumpyDType) -> str:
    """Return PyTorch's name of an element type in messages, such as ``Float``."""
    return _SCALAR_NAMES[dtype.name]


def default_float() -> NumpyDType:
    """NumPy's dtype for the default floating type."""
    return dtypes.to_numpy(dtypes.get_default_dtype())


def cast(t: Tensor, dtype: NumpyDType) -> Tensor:
    """``t`` as ``dtype``, recorded if both are floating; ``t`` itself if it is that already."""
    if t._data.dtype == dtype:
        return t
    if dtype.kind == "f" and t._data.dtype.kind == "f":
        return apply(CAST, (t,), dtype)
    return wrap(convert(t._data, dtype))


def convert(array: Array, dtype: NumpyDType) -> Array:
    """``array.astype(dtype)`` as PyTorch has it: silently, whatever the values."""
    with quiet():
        return converted(array, dtype)


def require_tensor(value: object, name: str, argument: str = "input", position: int = 1) -> Tensor:
    """Return ``value`` if it is a Tensor.

    Raises
    ------
    TypeError
        With PyTorch's text otherwise.
    """
    if isinstance(value, Tensor):
        return value
    raise TypeError(
        f"{name}(): argument '{argument}' (position {position}) must be Tensor, "
        f"not {type(value).__name__}"
    )


def as_tensor(value: Any) -> Tensor | None:
    """``value`` as an operand beside a tensor: itself, or an array wrapped; else None."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray):
        dtypes.from_numpy_dtype(value.dtype)
        return wrap(value)
    return None


def common(a: Tensor, b: Any) -> NumpyDType:
    """The element type of arithmetic on a tensor and a tensor or a number."""
    return promoted(a._data.dtype, a._data.ndim, b)


def promoted(dtype: NumpyDType, ndim: int, other: Any) -> NumpyDType:
    """:func:`common` for a tensor with ``ndim`` dimensions and elements of ``dtype``."""
    if isinstance(other, Tensor):
        return dtypes.promote_numpy(dtype, ndim, other._data.dtype, other._data.ndim)
    kind = dtypes.from_python_type(type(other))
    return dtypes.to_numpy(dtypes.promote(dtypes.from_numpy_dtype(dtype), ndim, kind, NUMBER))


def pair(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both, in their common type."""
    if a._data.dtype == b._data.dtype:
        return a, b
    dtype = common(a, b)
    return cast(a, dtype), cast(b, dtype)


def unwrap(value: Any) -> Any:
    """The array of a tensor; anything else as it is."""
    return value._data if isinstance(value, Tensor) else value


def binary(
    a: Any,
    b: Any,
    op: Op,
    number_op: Op | None,
    on_integers: Callable[[Array, Array], Array] | None,
) -> Tensor:
    """Compute ``op`` on a tensor and a tensor, an array or a number, after promotion.

    Parameters
    ----------
    op : Op
        For two floating tensors.
    number_op : Op, optional
        For a floating tensor and a number as an array; without it the number is wrapped.
    on_integers : callable, optional
        For arrays of one integer type or bool; without it integers become floats.

    Returns
    -------
    Tensor
        :data:`UNSUPPORTED` if ``b`` is no operand.
    """
    if is_number(b):
        dtype = common(a, b)
        if dtype.kind != "f":
            if on_integers is not None:
                return wrap(np.asarray(on_integers(convert(a._data, dtype), number(b, dtype))))
            dtype = default_float()
        a = cast(a, dtype)
        if number_op is None:
            return apply(op, (a, wrap(number(b, dtype))))
        return apply(number_op, (a,), number(b, dtype))
    b = as_tensor(b)
    if b is None:
        return UNSUPPORTED
    dtype = common(a, b)
    if dtype.kind != "f":
        if on_integers is not None:
            result = on_integers(convert(a._data, dtype), convert(b._data, dtype))
            return wrap(np.asarray(result))
        dtype = default_float()
    return apply(op, (cast(a, dtype), cast(b, dtype)))
