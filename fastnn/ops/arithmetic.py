"""The four operations on arrays of one floating type, and on an array and a number.

A number comes as a 0-dimensional array of the tensor's type, and never has a gradient.
"""

from __future__ import annotations

from .._engine import Op
from .._shapes import broadcast
from ..backends import Array, Settings
from ._arrays import negative, unbroadcast

__all__ = [
    "ADD",
    "ADD_NUMBER",
    "DIV",
    "DIV_NUMBER",
    "MUL",
    "MUL_NUMBER",
    "NEG",
    "RDIV",
    "RSUB",
    "SUB",
    "SUB_NUMBER",
]

Shapes = tuple[tuple[int, ...], tuple[int, ...]]
Grads = tuple[Array | None, ...]


def _add(settings: Settings, a: Array, b: Array) -> tuple[Array, Shapes]:
    shapes = a.shape, b.shape
    if shapes[0] != shapes[1]:
        broadcast(*shapes)
    return settings.backend.add(a, b), shapes


def _add_backward(settings: Settings, saved: Shapes, grad: Array, needs: tuple[bool, ...]) -> Grads:
    shape_a, shape_b = saved
    shape = grad.shape
    return (
        (grad if shape == shape_a else unbroadcast(settings, grad, shape_a)) if needs[0] else None,
        (grad if shape == shape_b else unbroadcast(settings, grad, shape_b)) if needs[1] else None,
    )


def _sub(settings: Settings, a: Array, b: Array) -> tuple[Array, Shapes]:
    shapes = a.shape, b.shape
    if shapes[0] != shapes[1]:
        broadcast(*shapes)
    return settings.backend.sub(a, b), shapes


def _sub_backward(settings: Settings, saved: Shapes, grad: Array, needs: tuple[bool, ...]) -> Grads:
    return (
        unbroadcast(settings, grad, saved[0]) if needs[0] else None,
        negative(unbroadcast(settings, grad, saved[1])) if needs[1] else None,
    )


def _mul(settings: Settings, a: Array, b: Array) -> tuple[Array, tuple[Array, Array]]:
    if a.shape != b.shape:
        broadcast(a.shape, b.shape)
    return settings.backend.mul(a, b), (a, b)


def _mul_backward(
    settings: Settings, saved: tuple[Array, Array], grad: Array, needs: tuple[bool, ...]
) -> Grads:
    a, b = saved
    mul = settings.backend.mul
    return (
        unbroadcast(settings, mul(grad, b), a.shape) if needs[0] else None,
        unbroadcast(settings, mul(grad, a), b.shape) if needs[1] else None,
    )


def _div(settings: Settings, a: Array, b: Array) -> tuple[Array, tuple[Array, Array]]:
    if a.shape != b.shape:
        broadcast(a.shape, b.shape)
    return settings.backend.div(a, b), (a, b)


def _div_backward(
    settings: Settings, saved: tuple[Array, Array], grad: Array, needs: tuple[bool, ...]
) -> Grads:
    # d(a/b) = da / b - db (a / b) / b, as PyTorch has it: no b * b that could overflow
    a, b = saved
    backend = settings.backend
    grad_b = None
    if needs[1]:
        slope = negative(backend.div(backend.div(a, b), b))
        grad_b = unbroadcast(settings, backend.mul(grad, slope), b.shape)
    return unbroadcast(settings, backend.div(grad, b), a.shape) if needs[0] else None, grad_b


def _add_number(settings: Settings, a: Array, b: Array) -> tuple[Array, None]:
    return settings.backend.add(a, b), None


def _sub_number(settings: Settings, a: Array, b: Array) -> tuple[Array, None]:
    return settings.backend.sub(a, b), None


def _same(settings: Settings, saved: None, grad: Array, needs: tuple[bool, ...]) -> Grads:
    return (grad,)


def _rsub(settings: Settings, a: Array, b: Array) -> tuple[Array, None]:
    return settings.backend.sub(b, a), None


def _neg(settings: Settings, a: Array) -> tuple[Array, None]:
    return negative(a), None


def _negative(settings: Settings, saved: None, grad: Array, needs: tuple[bool, ...]) -> Grads:
    return (negative(grad),)


def _mul_number(settings: Settings, a: Array, b: Array) -> tuple[Array, Array]:
    return settings.backend.mul(a, b), b


def _mul_number_backward(
    settings: Settings, b: Array, grad: Array, needs: tuple[bool, ...]
) -> Grads:
    return (settings.backend.mul(grad, b),)


def _div_number(settings: Settings, a: Array, b: Array) -> tuple[Array, Array]:
    return settings.backend.div(a, b), b


def _div_number_backward(
    settings: Settings, b: Array, grad: Array, needs: tuple[bool, ...]
) -> Grads:
    return (settings.backend.div(grad, b),)


def _rdiv(settings: Settings, a: Array, b: Array) -> tuple[Array, tuple[Array, Array]]:
    out = settings.backend.div(b, a)
    return out, (a, out)


def _rdiv_backward(
    settings: Settings, saved: tuple[Array, Array], grad: Array, needs: tuple[bool, ...]
) -> Grads:
    a, out = saved
    backend = settings.backend
    return (negative(backend.mul(grad, backend.div(out, a))),)


ADD = Op("Add", _add, _add_backward, fresh=False, frees=False, kernel="add")
SUB = Op("Sub", _sub, _sub_backward, fresh=False, frees=False, kernel="sub")
MUL = Op("Mul", _mul, _mul_backward, saves=(0, 1), uses={0: (1,), 1: (0,)}, kernel="mul")
DIV = Op("Div", _div, _div_backward, saves=(0, 1), uses={0: (1,), 1: (0, 1)}, kernel="div")
NEG = Op("Neg", _neg, _negative, frees=False)
#: ``a + number``, ``a - number``, ``a * number``, ``a / number``
ADD_NUMBER = Op("Add", _add_number, _same, fresh=False, frees=False)
SUB_NUMBER = Op("Sub", _sub_number, _same, fresh=False, frees=False)
MUL_NUMBER = Op("Mul", _mul_number, _mul_number_backward, frees=False)
DIV_NUMBER = Op("Div", _div_number, _div_number_backward, frees=False)
#: ``number - a`` and ``number / a``
RSUB = Op("Rsub", _rsub, _negative, frees=False, node_name="RsubBackward1")
RDIV = Op("Mul", _rdiv, _rdiv_backward, saves=(0,))
