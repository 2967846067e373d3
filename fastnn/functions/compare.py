"""Comparison, logic and bits: results of bool or integers, never part of the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._shapes import broadcast
from ..backends import Array
from ..tensor import Tensor, wrap
from ._operands import (
    UNSUPPORTED,
    as_tensor,
    common,
    convert,
    is_number,
    number,
    require_tensor,
    scalar_name,
)

__all__ = [
    "allclose",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "eq",
    "equal",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "ne",
    "not_equal",
]


def _operands(self: Tensor, other: Any) -> tuple[Array, Array] | None:
    """Both operands in their common type; None if ``other`` is no operand."""
    a = self._data
    if is_number(other):
        dtype = common(self, other)
        return convert(a, dtype), number(other, dtype)
    t = as_tensor(other)
    if t is None:
        return None
    b = t._data
    if a.shape != b.shape:
        broadcast(a.shape, b.shape)
    if a.dtype == b.dtype:
        return a, b
    dtype = common(self, t)
    return convert(a, dtype), convert(b, dtype)


def _comparison(ufunc: np.ufunc, symbol: str) -> Callable[[Tensor, Any], Tensor]:
    def operator(self: Tensor, other: Any) -> Tensor:
        found = _operands(self, other)
        if found is None:
            return UNSUPPORTED
        return wrap(np.asarray(ufunc(*found)))

    operator.__name__ = operator.__qualname__ = f"{ufunc.__name__}_operator"
    operator.__doc__ = f"``self {symbol} other``."
    return operator


eq_operator = _comparison(np.equal, "==")
ne_operator = _comparison(np.not_equal, "!=")
lt_operator = _comparison(np.less, "<")
le_operator = _comparison(np.less_equal, "<=")
gt_operator = _comparison(np.greater, ">")
ge_operator = _comparison(np.greater_equal, ">=")


def _named(
    operator: Callable[[Tensor, Any], Tensor], name: str, what: str
) -> Callable[[Tensor, Any], Tensor]:
    def function(input: Tensor, other: Any) -> Tensor:
        result = operator(require_tensor(input, name), other)
        if result is UNSUPPORTED:
            raise TypeError(
                f"{name}(): argument 'other' (position 2) must be Tensor or Number, "
                f"not {type(other).__name__}"
            )
        return result

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"``{what}``, element by element, after promotion: a tensor of bools."
    return function


eq = _named(eq_operator, "eq", "input == other")
ne = not_equal = _named(ne_operator, "ne", "input != other")
lt = less = _named(lt_operator, "lt", "input < other")
le = less_equal = _named(le_operator, "le", "input <= other")
gt = greater = _named(gt_operator, "gt", "input > other")
ge = greater_equal = _named(ge_operator, "ge", "input >= other")


# -- kinds of numbers ------------------------------------------------------------------------


def _test(ufunc: np.ufunc, what: str) -> Callable[[Tensor], Tensor]:
    name = ufunc.__name__

    def function(input: Tensor) -> Tensor:
        return wrap(np.asarray(ufunc(require_tensor(input, name)._data)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{what}, element by element: a tensor of bools."
    return function


isnan = _test(np.isnan, "Whether it is NaN")
isinf = _test(np.isinf, "Whether it is infinite")
isfinite = _test(np.isfinite, "Whether it is neither infinite nor NaN")
logical_not = _test(np.logical_not, "Whether it is zero")


def _logic(ufunc: np.ufunc, what: str) -> Callable[[Tensor, Tensor], Tensor]:
    name = ufunc.__name__

    def function(input: Tensor, other: Tensor) -> Tensor:
        a = require_tensor(input, name)._data
        b = require_tensor(other, name, "other", 2)._data
        broadcast(a.shape, b.shape)
        return wrap(np.asarray(ufunc(a, b)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Whether {what} not zero, element by element: a tensor of bools."
    return function


logical_and = _logic(np.logical_and, "both are")
logical_or = _logic(np.logical_or, "one or both are")
logical_xor = _logic(np.logical_xor, "exactly one is")


# -- bits ------------------------------------------------------------------------------------


def _bits(ufunc: np.ufunc, symbol: str) -> Callable[[Tensor, Any], Tensor]:
    name = ufunc.__name__

    def function(input: Tensor, other: Any) -> Tensor:
        found = _operands(require_tensor(input, name), other)
        if found is None:
            return UNSUPPORTED
        if found[0].dtype.kind == "f":
            raise NotImplementedError(
                f"\"{name}_cpu\" not implemented for '{scalar_name(found[0].dtype)}'"
            )
        return wrap(np.asarray(ufunc(*found)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"``input {symbol} other`` of integers or bools, element by element."
    return function


bitwise_and = _bits(np.bitwise_and, "&")
bitwise_or = _bits(np.bitwise_or, "|")
bitwise_xor = _bits(np.bitwise_xor, "^")


def bitwise_not(input: Tensor) -> Tensor:
    """``~input`` of integers or bools, element by element.

    Raises
    ------
    TypeError
        For floats.
    """
    data = require_tensor(input, "bitwise_not")._data
    if data.dtype.kind == "f":
        raise TypeError(
            "~ (operator.invert) is only implemented on integer and Boolean-type tensors, "
            f"not on {scalar_name(data.dtype)}"
        )
    return wrap(np.asarray(np.invert(data)))


# -- whole tensors ---------------------------------------------------------------------------


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and elements; NaN equals nothing."""
    a = require_tensor(input, "equal")._data
    b = require_tensor(other, "equal", "other", 2)._data
    return bool(a.shape == b.shape and np.array_equal(a, b))


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """``|input - other| <= atol + rtol * |other|``, element by element: a tensor of bools.

    Raises
    ------
    RuntimeError
        If the element types differ.
    """
    a = require_tensor(input, "isclose")._data
    b = require_tensor(other, "isclose", "other", 2)._data
    if a.dtype != b.dtype:
        raise RuntimeError(f"{scalar_name(a.dtype)} did not match {scalar_name(b.dtype)}")
    broadcast(a.shape, b.shape)
    return wrap(np.asarray(np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)))


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether :func:`isclose` holds everywhere; errors as there."""
    return bool(isclose(input, other, rtol, atol, equal_nan)._data.all())
