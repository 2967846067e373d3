"""``+ - * / // % **`` and their named forms, with PyTorch's promotion.

The operators return UNSUPPORTED for operands that are none, so that Python can try the
other side; the named forms raise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import Array, is_pair
from ..ops import arithmetic as ops
from ..ops import math as math_ops
from ..tensor import Tensor, apply, apply_if, wrap
from ._operands import (
    UNSUPPORTED,
    as_tensor,
    binary,
    cast,
    common,
    convert,
    is_number,
    number,
    require_tensor,
)

__all__ = [
    "add",
    "add_operator",
    "div",
    "div_operator",
    "divide",
    "floor_divide",
    "floor_divide_operator",
    "fmod",
    "mul",
    "mul_operator",
    "multiply",
    "neg",
    "negative",
    "pow",
    "pow_operator",
    "radd_operator",
    "rdiv_operator",
    "remainder",
    "remainder_operator",
    "rfloor_divide_operator",
    "rmul_operator",
    "rpow_operator",
    "rremainder_operator",
    "rsub_operator",
    "sub",
    "sub_operator",
    "subtract",
    "true_divide",
]


def _named(operator: Callable[[Tensor, Any], Tensor], input: Any, other: Any, name: str) -> Tensor:
    """Call an operator; raise where it returns UNSUPPORTED."""
    if not isinstance(input, Tensor):
        if not is_number(input) or not isinstance(other, Tensor):
            require_tensor(input, name)
        kind = common(other, input)
        input = wrap(number(input, kind))
    result = operator(input, other)
    if result is UNSUPPORTED:
        raise TypeError(
            f"{name}(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}"
        )
    return result


# -- addition and subtraction -----------------------------------------------------------------


def add_operator(self: Tensor, other: Any) -> Tensor:
    """``self + other``."""
    result = apply_if(is_pair, ops.ADD, self, other)
    if result is not None:
        return result
    return binary(self, other, ops.ADD, ops.ADD_NUMBER, np.add)


radd_operator = add_operator


def sub_operator(self: Tensor, other: Any) -> Tensor:
    """``self - other``."""
    result = apply_if(is_pair, ops.SUB, self, other)
    if result is not None:
        return result
    if is_number(other) or isinstance(other, Tensor):
        _refuse_bools(self, other)
    return binary(self, other, ops.SUB, ops.SUB_NUMBER, np.subtract)


def rsub_operator(self: Tensor, other: Any) -> Tensor:
    """``other - self``."""
    if is_number(other):
        _refuse_bools(self, other)
        return binary(self, other, ops.SUB, ops.RSUB, _subtract_from)
    left = as_tensor(other)
    return UNSUPPORTED if left is None else sub_operator(left, self)


def _refuse_bools(self: Tensor, other: Any) -> None:
    kind = other._data.dtype if isinstance(other, Tensor) else np.asarray(other).dtype
    bools = (self._data.dtype == np.bool_, kind == np.bool_)
    if all(bools):
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` "
            "or `logical_xor()` operator instead."
        )
    if any(bools):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are "
            "trying to invert a mask, use the `~` or `logical_not()` operator instead."
        )


def _subtract_from(a: Array, b: Array) -> Array:
    return np.subtract(b, a)


def _scaled(other: Any, alpha: Any, input: Tensor) -> Any:
    """``alpha * other`` in the common type: the second operand of add and sub."""
    if is_number(other):
        other = wrap(number(other, common(require_tensor(input, "add"), other)))
    if not isinstance(other, Tensor):
        return other
    dtype = common(require_tensor(input, "add"), other)
    if dtype.kind == "f":
        return mul_operator(cast(other, dtype), alpha)
    if isinstance(alpha, float):
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )
    return wrap(np.asarray(np.multiply(convert(other._data, dtype), number(alpha, dtype))))


def add(input: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """``input + alpha * other``, element by element.

    Raises
    ------
    RuntimeError
        If the shapes do not broadcast.
    TypeError
        If an operand is neither a tensor nor a number.
    """
    if alpha != 1:
        other = _scaled(other, alpha, input)
    return _named(add_operator, input, other, "add")


def sub(input: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """``input - alpha * other``, element by element; errors as :func:`add`."""
    if alpha != 1:
        if is_number(other) or isinstance(other, Tensor):
            _refuse_bools(require_tensor(input, "sub"), other)
        other = _scaled(other, alpha, input)
    return _named(sub_operator, input, other, "sub")


subtract = sub


# -- multiplication and division --------------------------------------------------------------


def mul_operator(self: Tensor, other: Any) -> Tensor:
    """``self * other``."""
    result = apply_if(is_pair, ops.MUL, self, other)
    if result is not None:
        return result
    return binary(self, other, ops.MUL, ops.MUL_NUMBER, np.multiply)


rmul_operator = mul_operator


def mul(input: Tensor, other: Any) -> Tensor:
    """``input * other``, element by element; errors as :func:`add`."""
    return _named(mul_operator, input, other, "mul")


multiply = mul


def div_operator(self: Tensor, other: Any) -> Tensor:
    """``self / other``."""
    result = apply_if(is_pair, ops.DIV, self, other)
    if result is not None:
        return result
    return binary(self, other, ops.DIV, ops.DIV_NUMBER, None)


def rdiv_operator(self: Tensor, other: Any) -> Tensor:
    """``other / self``."""
    if is_number(other):
        return binary(self, other, ops.DIV, ops.RDIV, None)
    left = as_tensor(other)
    return UNSUPPORTED if left is None else div_operator(left, self)


def div(input: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """``input / other``, element by element.

    Parameters
    ----------
    rounding_mode : {None, "trunc", "floor"}
        None divides exactly, integers too; the others round the quotient.

    Raises
    ------
    RuntimeError
        For another mode, or an integer division by zero; further as :func:`add`.
    """
    if rounding_mode is None:
        return _named(div_operator, input, other, "div")
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        return _named(_truncated, input, other, "div")
    raise RuntimeError(
        "div expected rounding_mode to be one of None, 'trunc', or 'floor' "
        f"but found '{rounding_mode}'"
    )


divide = div


def true_divide(input: Tensor, other: Any) -> Tensor:
    """:func:`div` without rounding."""
    return div(input, other)


def _truncated(self: Tensor, other: Any) -> Tensor:
    if not is_number(other) and as_tensor(other) is None:
        return UNSUPPORTED
    if common(self, other).kind == "f":
        return apply(math_ops.TRUNC, (div_operator(self, other),))
    return binary(self, other, math_ops.FLOOR_DIVIDE, None, _truncate_integers)


def _truncate_integers(a: Array, b: Array) -> Array:
    _check_divisor(a, b, "div_trunc_cpu")
    return np.where((a % b != 0) & ((a < 0) != (b < 0)), a // b + 1, a // b).astype(a.dtype)


def floor_divide_operator(self: Tensor, other: Any) -> Tensor:
    """``self // other``."""
    return binary(self, other, math_ops.FLOOR_DIVIDE, None, _floor_divide)


def rfloor_divide_operator(self: Tensor, other: Any) -> Tensor:
    """``other // self``."""
    left = _left(self, other)
    return UNSUPPORTED if left is None else floor_divide_operator(left, self)


def floor_divide(input: Tensor, other: Any) -> Tensor:
    """``floor(input / other)``, element by element; errors as :func:`div`."""
    return _named(floor_divide_operator, input, other, "floor_divide")


def remainder_operator(self: Tensor, other: Any) -> Tensor:
    """``self % other``."""
    return binary(self, other, math_ops.REMAINDER, math_ops.REMAINDER_NUMBER, _remainder)


def rremainder_operator(self: Tensor, other: Any) -> Tensor:
    """``other % self``."""
    left = _left(self, other)
    return UNSUPPORTED if left is None else remainder_operator(left, self)


def remainder(input: Tensor, other: Any) -> Tensor:
    """Python's ``input % other``: the result has the divisor's sign; errors as :func:`div`."""
    return _named(remainder_operator, input, other, "remainder")


def fmod(input: Tensor, other: Any) -> Tensor:
    """C's remainder: the result has the dividend's sign; errors as :func:`div`."""
    return _named(_fmod, require_tensor(input, "fmod"), other, "fmod")


def _fmod(self: Tensor, other: Any) -> Tensor:
    return binary(self, other, math_ops.FMOD, math_ops.FMOD_NUMBER, _fmod_of_integers)


def _check_divisor(a: Array, b: Array, kernel: str) -> None:
    if a.dtype == np.bool_:
        raise NotImplementedError(f"\"{kernel}\" not implemented for 'Bool'")
    if not np.all(b):
        raise RuntimeError("ZeroDivisionError")


def _floor_divide(a: Array, b: Array) -> Array:
    _check_divisor(a, b, "div_floor_cpu")
    return np.floor_divide(a, b)


def _remainder(a: Array, b: Array) -> Array:
    _check_divisor(a, b, "remainder_cpu")
    return np.remainder(a, b)


def _fmod_of_integers(a: Array, b: Array) -> Array:
    _check_divisor(a, b, "fmod_cpu")
    return np.fmod(a, b)


def _left(self: Tensor, other: Any) -> Tensor | None:
    """``other`` as the left operand of an operator that has no form for numbers there."""
    if is_number(other):
        return wrap(number(other, common(self, other)))
    return as_tensor(other)


# -- sign and powers --------------------------------------------------------------------------


def neg(input: Tensor) -> Tensor:
    """``-input``.

    Raises
    ------
    RuntimeError
        For bools.
    """
    kind = require_tensor(input, "neg")._data.dtype.kind
    if kind == "f":
        return apply(ops.NEG, (input,))
    if kind == "b":
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying "
            "to invert a mask, use the `~` or `logical_not()` operator instead."
        )
    return wrap(np.asarray(np.negative(input._data)))


negative = neg


def pow_operator(self: Tensor, other: Any) -> Tensor:
    """``self ** other``."""
    if is_number(other):
        dtype = common(self, other)
        if dtype.kind == "f":
            return apply(math_ops.POW_NUMBER, (cast(self, dtype),), float(other))
        if other < 0:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
        return wrap(np.asarray(np.power(convert(self._data, dtype), number(other, dtype))))
    return binary(self, other, math_ops.POW, None, _integer_power)


def rpow_operator(self: Tensor, other: Any) -> Tensor:
    """``other ** self``."""
    if is_number(other):
        return binary(self, other, math_ops.POW, math_ops.POW_OF_NUMBER, _integer_power_of)
    left = as_tensor(other)
    return UNSUPPORTED if left is None else pow_operator(left, self)


def _integer_power(a: Array, b: Array) -> Array:
    """``a ** b``; a negative power of 1 or -1 is that or its inverse, of others it is 0."""
    if b.dtype.kind != "i" or not np.any(b < 0):
        return np.power(a, b)
    magnitude = np.power(a, np.abs(b))
    return np.where((b >= 0) | (np.abs(a) == 1), magnitude, a.dtype.type(0))


def _integer_power_of(a: Array, b: Array) -> Array:
    return _integer_power(b, a)


def pow(input: Any, exponent: Any) -> Tensor:
    """``input ** exponent``, element by element; one of them may be a number.

    Raises
    ------
    RuntimeError
        For integers to negative powers; further as :func:`add`.
    """
    if not isinstance(input, Tensor) and isinstance(exponent, Tensor):
        return _named(rpow_operator, exponent, input, "pow")
    return _named(pow_operator, input, exponent, "pow")
