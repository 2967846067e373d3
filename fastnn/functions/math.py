"""Elementwise mathematics, choices between values, and the activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._engine import Op
from .._shapes import wrap_dim
from ..backends import Array
from ..dtypes import dtype as DType
from ..dtypes import to_numpy
from ..ops import activation as activation_ops
from ..ops import math as ops
from ..tensor import Tensor, apply, wrap
from ._operands import (
    cast,
    common,
    default_float,
    is_number,
    number,
    pair,
    promoted,
    require_tensor,
    scalar_name,
)

__all__ = [
    "abs",
    "absolute",
    "ceil",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "cos",
    "exp",
    "expm1",
    "floor",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_softmax",
    "maximum",
    "minimum",
    "reciprocal",
    "relu",
    "round",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "softmax",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "trunc",
    "where",
]


def _floating(input: Tensor, name: str) -> Tensor:
    """``input``, integers and bools as the default floating type."""
    if require_tensor(input, name)._data.dtype.kind == "f":
        return input
    return cast(input, default_float())


def _function(op: Op, name: str, what: str) -> Callable[[Tensor], Tensor]:
    """Make the function of one elementwise op; integers become floats first."""

    def function(input: Tensor) -> Tensor:
        return apply(op, (_floating(input, name),))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{what}, element by element; integers become floats first."
    return function


exp = _function(ops.EXP, "exp", "``e ** input``")
expm1 = _function(ops.EXPM1, "expm1", "``e ** input - 1``, exact near 0")
log = _function(ops.LOG, "log", "Natural logarithm")
log1p = _function(ops.LOG1P, "log1p", "``log(1 + input)``, exact near 0")
log2 = _function(ops.LOG2, "log2", "Logarithm to base 2")
log10 = _function(ops.LOG10, "log10", "Logarithm to base 10")
sqrt = _function(ops.SQRT, "sqrt", "Square root")
rsqrt = _function(ops.RSQRT, "rsqrt", "``1 / sqrt(input)``")
reciprocal = _function(ops.RECIPROCAL, "reciprocal", "``1 / input``")
sin = _function(ops.SIN, "sin", "Sine")
cos = _function(ops.COS, "cos", "Cosine")
tan = _function(ops.TAN, "tan", "Tangent")
sigmoid = _function(activation_ops.SIGMOID, "sigmoid", "``1 / (1 + exp(-input))``")
tanh = _function(activation_ops.TANH, "tanh", "Hyperbolic tangent")


def _kept(
    op: Op, name: str, what: str, on_integers: Callable[[Array], Array]
) -> Callable[[Tensor], Tensor]:
    """Make the function of an op that leaves integers integers."""

    def function(input: Tensor) -> Tensor:
        if require_tensor(input, name)._data.dtype.kind == "f":
            return apply(op, (input,))
        if input._data.dtype.kind == "b" and name != "sign":
            kernel = "abs_cpu" if name == "abs" else f"{name}_vml_cpu"
            raise NotImplementedError(f"\"{kernel}\" not implemented for 'Bool'")
        return wrap(np.asarray(on_integers(input._data)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{what}, element by element."
    return function


def _sign_of(array: Array) -> Array:
    return array.copy() if array.dtype.kind == "b" else np.sign(array)


abs = _kept(ops.ABS, "abs", "``|input|``", np.abs)
absolute = abs
sign = _kept(ops.SIGN, "sign", "-1, 0 or 1", _sign_of)
floor = _kept(ops.FLOOR, "floor", "Largest integer not above", np.copy)
ceil = _kept(ops.CEIL, "ceil", "Smallest integer not below", np.copy)
trunc = _kept(ops.TRUNC, "trunc", "Integer part", np.copy)
_round = _kept(ops.ROUND, "round", "Nearest integer, halves to even", np.copy)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Nearest number with ``decimals`` digits after the point, halves to even."""
    if decimals == 0:
        return _round(input)
    scale = 10.0**decimals
    return _round(input * scale) / scale


def relu(input: Tensor) -> Tensor:
    """``max(input, 0)``, element by element; NaN stays NaN."""
    return apply(activation_ops.RELU, (require_tensor(input, "relu"),))


def square(input: Tensor) -> Tensor:
    """``input ** 2``, element by element."""
    return require_tensor(input, "square") ** 2


def softmax(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """``exp(input) / sum(exp(input))`` along ``dim``.

    Parameters
    ----------
    dtype : dtype, optional
        What to convert ``input`` to first.

    Raises
    ------
    IndexError
        If there is no dimension ``dim``.
    NotImplementedError
        For integers.
    """
    return _along(activation_ops.SOFTMAX, "softmax", input, dim, dtype)


def log_softmax(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """Logarithm of :func:`softmax`, computed without its rounding; same arguments."""
    return _along(activation_ops.LOG_SOFTMAX, "log_softmax", input, dim, dtype)


def _along(op: Op, name: str, input: Tensor, dim: int, dtype: DType | None) -> Tensor:
    if dtype is not None:
        input = cast(input, to_numpy(dtype))
    data = require_tensor(input, name)._data
    if data.dtype.kind != "f":
        raise NotImplementedError(
            f"\"{name}_lastdim_kernel_impl\" not implemented for '{scalar_name(data.dtype)}'"
        )
    return apply(op, (input,), wrap_dim(dim, data.ndim))


# -- choices ---------------------------------------------------------------------------------


def maximum(input: Tensor, other: Tensor) -> Tensor:
    """Larger of two values, element by element; NaN if either is.

    Raises
    ------
    TypeError
        If an argument is not a tensor.
    """
    a, b = pair(require_tensor(input, "maximum"), require_tensor(other, "maximum", "other", 2))
    if a._data.dtype.kind == "f":
        return apply(ops.MAXIMUM, (a, b))
    return wrap(np.asarray(np.maximum(a._data, b._data)))


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """Smaller of two values, element by element; NaN if either is; errors as :func:`maximum`."""
    a, b = pair(require_tensor(input, "minimum"), require_tensor(other, "minimum", "other", 2))
    if a._data.dtype.kind == "f":
        return apply(ops.MINIMUM, (a, b))
    return wrap(np.asarray(np.minimum(a._data, b._data)))


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Bring ``input`` into [min, max], element by element; max wins if they cross.

    Parameters
    ----------
    min, max : number or Tensor, optional
        At least one; tensors broadcast.

    Raises
    ------
    RuntimeError
        If both are left out.
    """
    require_tensor(input, "clamp")
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    dtype = input._data.dtype
    for bound in (min, max):
        # a number leaves a floating type as it is
        if bound is not None and not (dtype.kind == "f" and type(bound) in (float, int)):
            dtype = promoted(dtype, input._data.ndim, bound)
    low, high = _bound(min, dtype), _bound(max, dtype)
    if dtype.kind == "f":
        tensors = isinstance(min, Tensor) or isinstance(max, Tensor)
        return apply(ops.CLAMP if tensors else ops.CLAMP_NUMBER, (cast(input, dtype), low, high))
    out = input._data.astype(dtype, copy=False)
    if low is not None:
        out = np.maximum(out, low._data)
    if high is not None:
        out = np.minimum(out, high._data)
    return wrap(np.asarray(out))


clip = clamp


def _bound(value: Any, dtype: np.dtype[Any]) -> Tensor | None:
    if value is None:
        return None
    if isinstance(value, Tensor):
        return cast(value, dtype)
    if not is_number(value):
        raise TypeError(f"clamp(): bounds must be numbers or tensors, not {type(value).__name__}")
    return wrap(number(value, dtype))


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """:func:`clamp` from below."""
    return clamp(input, min)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """:func:`clamp` from above."""
    return clamp(input, None, max)


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """``input`` where ``condition`` holds, ``other`` elsewhere; all three broadcast.

    With ``condition`` alone: a tuple of index tensors of its true elements.

    Raises
    ------
    RuntimeError
        If ``condition`` does not hold bools.
    """
    require_tensor(condition, "where", "condition")
    mask = condition._data
    if input is None and other is None:
        return tuple([wrap(index) for index in np.nonzero(np.atleast_1d(mask))])
    if mask.dtype != np.bool_:
        raise RuntimeError(
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{scalar_name(mask.dtype)}"
        )
    a, b = _choices(input, other)
    if a._data.dtype.kind == "f":
        if a.requires_grad or b.requires_grad:  # the backward needs the mask as it is now
            mask = mask.copy()
        return apply(ops.WHERE, (a, b), mask)
    return wrap(np.where(mask, a._data, b._data))


def where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """``self`` where ``condition`` holds, ``other`` elsewhere; see :func:`where`."""
    result: Tensor = where(condition, self, other)
    return result


def _choices(input: Any, other: Any) -> tuple[Tensor, Tensor]:
    """Bring the values of :func:`where` to their common type."""
    if isinstance(input, Tensor):
        if isinstance(other, Tensor):
            return pair(input, other)
        dtype = common(input, other)
        return cast(input, dtype), wrap(number(other, dtype))
    if isinstance(other, Tensor):
        dtype = common(other, input)
        return wrap(number(input, dtype)), cast(other, dtype)
    both = common(wrap(_literal(input)), other)
    return wrap(number(input, both)), wrap(number(other, both))


def _literal(value: Any) -> Array:
    if isinstance(value, float):
        return np.array(value, default_float())
    return np.array(value)
