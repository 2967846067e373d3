"""Elementwise mathematics of one array, powers, and choices between two arrays.

Every rule takes floating arrays.  ``exp`` and ``log`` have kernels; the rest is NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._engine import Op
from .._shapes import broadcast
from ..backends import Array, Settings
from ._arrays import quiet, unbroadcast

__all__ = [
    "ABS",
    "CEIL",
    "CLAMP",
    "COS",
    "EXP",
    "EXPM1",
    "FLOOR",
    "FLOOR_DIVIDE",
    "FMOD",
    "FMOD_NUMBER",
    "LOG",
    "LOG1P",
    "LOG2",
    "LOG10",
    "MAXIMUM",
    "MINIMUM",
    "POW",
    "POW_NUMBER",
    "POW_OF_NUMBER",
    "RECIPROCAL",
    "REMAINDER",
    "REMAINDER_NUMBER",
    "ROUND",
    "RSQRT",
    "SIGN",
    "SIN",
    "SQRT",
    "TAN",
    "TRUNC",
    "WHERE",
]

Grads = tuple[Array | None, ...]
Needs = tuple[bool, ...]
Pair = tuple[Array, Array]


def _of_input(name: str, forward: Callable[[Array], Array], slope: Callable[[Array], Array]) -> Op:
    """Make an op whose derivative ``slope(x)`` reads the input."""

    def run(settings: Settings, x: Array) -> Pair:
        with quiet():
            return np.asarray(forward(x)), x

    def back(settings: Settings, x: Array, grad: Array, needs: Needs) -> Grads:
        with quiet():
            return (settings.backend.mul(grad, np.asarray(slope(x))),)

    return Op(name, run, back, saves=(0,))


def _of_output(name: str, forward: Callable[[Array], Array], slope: Callable[[Array], Array]) -> Op:
    """Make an op whose derivative ``slope(y)`` reads the output."""

    def run(settings: Settings, x: Array) -> Pair:
        with quiet():
            out = np.asarray(forward(x))
        return out, out

    def back(settings: Settings, y: Array, grad: Array, needs: Needs) -> Grads:
        with quiet():
            return (settings.backend.mul(grad, np.asarray(slope(y))),)

    return Op(name, run, back, saves_output=True)


def _step(name: str, forward: Callable[[Array], Array]) -> Op:
    """Make an op that is constant between its jumps: the gradient is zero."""

    def run(settings: Settings, x: Array) -> tuple[Array, None]:
        return np.asarray(forward(x)), None

    def back(settings: Settings, saved: None, grad: Array, needs: Needs) -> Grads:
        return (np.zeros_like(grad),)

    return Op(name, run, back, frees=False)


def _exp(settings: Settings, x: Array) -> Pair:
    out = settings.backend.exp(x)
    return out, out


def _exp_backward(settings: Settings, y: Array, grad: Array, needs: Needs) -> Grads:
    return (settings.backend.mul(grad, y),)


def _log(settings: Settings, x: Array) -> Pair:
    return settings.backend.log(x), x


def _log_backward(settings: Settings, x: Array, grad: Array, needs: Needs) -> Grads:
    return (settings.backend.div(grad, x),)


def _sign(x: Array) -> Array:
    """-1, 0 or 1; 0 for NaN, as PyTorch has it."""
    return np.subtract(x > 0, x < 0, dtype=x.dtype)


EXP = Op("Exp", _exp, _exp_backward, saves_output=True)
LOG = Op("Log", _log, _log_backward, saves=(0,))
EXPM1 = _of_output("Expm1", np.expm1, lambda y: y + y.dtype.type(1))
LOG1P = _of_input("Log1P", np.log1p, lambda x: 1 / (1 + x))
LOG2 = _of_input("Log2", np.log2, lambda x: 1 / (x * x.dtype.type(np.log(2))))
LOG10 = _of_input("Log10", np.log10, lambda x: 1 / (x * x.dtype.type(np.log(10))))
SQRT = _of_output("Sqrt", np.sqrt, lambda y: 1 / (2 * y))
RSQRT = _of_output("Rsqrt", lambda x: 1 / np.sqrt(x), lambda y: y * y * y * y.dtype.type(-0.5))
RECIPROCAL = _of_output("Reciprocal", lambda x: 1 / x, lambda y: -y * y)
ABS = _of_input("Abs", np.abs, _sign)
SIN = _of_input("Sin", np.sin, np.cos)
COS = _of_input("Cos", np.cos, lambda x: -np.sin(x))
TAN = _of_output("Tan", np.tan, lambda y: 1 + y * y)
SIGN = _step("Sign", _sign)
FLOOR = _step("Floor", np.floor)
CEIL = _step("Ceil", np.ceil)
ROUND = _step("Round", np.rint)
TRUNC = _step("Trunc", np.trunc)


# -- powers ----------------------------------------------------------------------------------


def _power(x: Array, exponent: Array | float) -> Array:
    with quiet():
        return np.asarray(np.power(x, exponent, dtype=x.dtype))


def _pow_number(settings: Settings, x: Array, exponent: float) -> tuple[Array, tuple[Array, float]]:
    out = settings.backend.mul(x, x) if exponent == 2 else _power(x, exponent)
    return out, (x, exponent)


def _pow_number_backward(
    settings: Settings, saved: tuple[Array, float], grad: Array, needs: Needs
) -> Grads:
    x, exponent = saved
    if exponent == 0:
        return (np.zeros_like(grad),)
    slope = x if exponent == 2 else _power(x, exponent - 1)
    with quiet():
        slope = np.asarray(slope * x.dtype.type(exponent))
        return (settings.backend.mul(grad, slope),)


def _pow(settings: Settings, a: Array, b: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    broadcast(a.shape, b.shape)
    out = _power(a, b)
    return out, (a, b, out)


def _pow_backward(
    settings: Settings, saved: tuple[Array, Array, Array], grad: Array, needs: Needs
) -> Grads:
    a, b, out = saved
    grad_a = grad_b = None
    with quiet():
        if needs[0]:
            slope = np.where(b == 0, a.dtype.type(0), b * _power(a, b - a.dtype.type(1)))
            grad_a = unbroadcast(settings, settings.backend.mul(grad, slope), a.shape)
        if needs[1]:
            slope = np.where((a == 0) & (b >= 0), a.dtype.type(0), out * np.log(a))
            grad_b = unbroadcast(settings, settings.backend.mul(grad, slope), b.shape)
    return grad_a, grad_b


def _pow_of_number(settings: Settings, x: Array, base: Array) -> tuple[Array, tuple[Array, ...]]:
    out = _power(base, x)
    return out, (base, x, out)


def _pow_of_number_backward(
    settings: Settings, saved: tuple[Array, Array, Array], grad: Array, needs: Needs
) -> Grads:
    return (_pow_backward(settings, saved, grad, (False, True))[1],)


POW_NUMBER = Op("Pow", _pow_number, _pow_number_backward, saves=(0,))
POW = Op("Pow", _pow, _pow_backward, saves=(0, 1), node_name="PowBackward1")
POW_OF_NUMBER = Op(
    "Pow", _pow_of_number, _pow_of_number_backward, saves=(0,), node_name="PowBackward2"
)


# -- remainders ------------------------------------------------------------------------------


def _modulo(name: str, rest: np.ufunc, quotient: Callable[[Array, Array], Array]) -> tuple[Op, Op]:
    """Make the ops of a remainder: by a tensor, and by a number.

    ``rest(a, b)`` is ``a - quotient(a, b) * b``, without rounding.
    """

    def forward(settings: Settings, a: Array, b: Array) -> tuple[Array, Pair]:
        broadcast(a.shape, b.shape)
        with quiet():
            return np.asarray(rest(a, b)), (a, b)

    def backward(settings: Settings, saved: Pair, grad: Array, needs: Needs) -> Grads:
        a, b = saved
        grad_b = None
        if needs[1]:
            with quiet():
                slope = np.asarray(-quotient(a, b))
                grad_b = unbroadcast(settings, settings.backend.mul(grad, slope), b.shape)
        return unbroadcast(settings, grad, a.shape) if needs[0] else None, grad_b

    def by_number(settings: Settings, a: Array, b: Array) -> tuple[Array, None]:
        return forward(settings, a, b)[0], None

    by_tensor = Op(
        name,
        forward,
        backward,
        saves=(0, 1),
        uses={0: (1,), 1: (1,)},
        fresh=False,
        node_name=f"{name}Backward1",
    )
    return by_tensor, Op(name, by_number, _same, fresh=False, frees=False)


def _same(settings: Settings, saved: None, grad: Array, needs: Needs) -> Grads:
    return (grad,)


def _floor_divide(settings: Settings, a: Array, b: Array) -> tuple[Array, None]:
    broadcast(a.shape, b.shape)
    with quiet():
        return np.asarray(np.floor_divide(a, b)), None


def _floor_divide_backward(settings: Settings, saved: None, grad: Array, needs: Needs) -> Grads:
    raise RuntimeError("derivative for aten::floor_divide is not implemented")


REMAINDER, REMAINDER_NUMBER = _modulo("Remainder", np.remainder, np.floor_divide)
FMOD, FMOD_NUMBER = _modulo("Fmod", np.fmod, lambda a, b: np.trunc(a / b))
FLOOR_DIVIDE = Op(
    "FloorDivide", _floor_divide, _floor_divide_backward, frees=False, node_name="NotImplemented"
)


# -- choices ---------------------------------------------------------------------------------


def _choice(name: str, choose: Callable[[Array, Array], Array], wins: Callable[..., Array]) -> Op:
    """Make an op that takes one of two values; of equal ones each gets half the gradient."""

    def run(settings: Settings, a: Array, b: Array) -> tuple[Array, Pair]:
        broadcast(a.shape, b.shape)
        return np.asarray(choose(a, b)), (a, b)

    def back(settings: Settings, saved: Pair, grad: Array, needs: Needs) -> Grads:
        a, b = saved
        half = np.where(a == b, grad * grad.dtype.type(0.5), grad)
        zero = grad.dtype.type(0)
        # PyTorch drops the gradient where the other value is strictly better, so that a NaN
        # on either side passes it on to both
        return (
            unbroadcast(settings, np.where(wins(b, a), zero, half), a.shape) if needs[0] else None,
            unbroadcast(settings, np.where(wins(a, b), zero, half), b.shape) if needs[1] else None,
        )

    return Op(name, run, back, saves=(0, 1))


MAXIMUM = _choice("Maximum", np.maximum, np.greater)
MINIMUM = _choice("Minimum", np.minimum, np.less)


def _clamp(
    settings: Settings, x: Array, low: Array | None, high: Array | None
) -> tuple[Array, tuple[Array, Array | None, Array | None]]:
    out = x
    for bound, choose in ((low, np.maximum), (high, np.minimum)):
        if bound is not None:
            if bound.shape:
                broadcast(out.shape, bound.shape)
            out = np.asarray(choose(out, bound))
    return out, (x, low, high)


def _clamp_backward(
    settings: Settings, saved: tuple[Array, Array | None, Array | None], grad: Array, needs: Needs
) -> Grads:
    x, low, high = saved
    below = np.False_ if low is None else x < low
    above = np.False_ if high is None else x > high
    crossed = np.False_ if low is None or high is None else low > high
    inside: Any = np.True_
    if low is not None:
        inside = inside & (x >= low)
    if high is not None:
        inside = inside & (x <= high)
    zero = grad.dtype.type(0)
    grads: list[Array | None] = [None, None, None]
    masks = (inside, below & ~crossed, above | crossed)
    for i, (array, mask) in enumerate(zip(saved, masks, strict=True)):
        if array is not None and needs[i]:
            grads[i] = unbroadcast(settings, np.where(mask, grad, zero), array.shape)
    return tuple(grads)


#: (x, low or None, high or None)
CLAMP = Op("Clamp", _clamp, _clamp_backward, saves=(0, 1, 2))
CLAMP_NUMBER = Op("Clamp", _clamp, _clamp_backward, saves=(0,), node_name="ClampBackward1")


def _where(settings: Settings, a: Array, b: Array, mask: Array) -> tuple[Array, tuple[Any, ...]]:
    broadcast(broadcast(a.shape, b.shape), mask.shape)
    return np.where(mask, a, b), (mask, a.shape, b.shape)


def _where_backward(
    settings: Settings,
    saved: tuple[Array, tuple[int, ...], tuple[int, ...]],
    grad: Array,
    needs: Needs,
) -> Grads:
    mask, shape_a, shape_b = saved
    zero = grad.dtype.type(0)
    return (
        unbroadcast(settings, np.where(mask, grad, zero), shape_a) if needs[0] else None,
        unbroadcast(settings, np.where(mask, zero, grad), shape_b) if needs[1] else None,
    )


#: (a, b; mask) -> a where mask else b
WHERE = Op("Where", _where, _where_backward)
