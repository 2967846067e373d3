"""Matrix products of floating arrays, over the ``matmul`` kernel."""

from __future__ import annotations

import math

import numpy as np

from .._engine import Op
from ..backends import Array, Settings
from ._arrays import quiet, unbroadcast

__all__ = ["ADDMM", "BMM", "DOT", "MATMUL", "MATVEC", "MM", "MV", "VECMAT", "flat_rows"]

Needs = tuple[bool, ...]
Grads = tuple[Array | None, ...]
Pair = tuple[Array, Array]


def flat_rows(a: Array) -> Array:
    """(..., I) -> (M, I); spelled out, because -1 is ambiguous when I is 0."""
    return a.reshape(math.prod(a.shape[:-1]), a.shape[-1])


def _forward(settings: Settings, a: Array, b: Array) -> tuple[Array, Pair]:
    return settings.backend.matmul(a, b), (a, b)


def _mm_backward(settings: Settings, saved: Pair, grad: Array, needs: Needs) -> Grads:
    a, b = saved
    matmul = settings.backend.matmul
    return (
        matmul(grad, b.swapaxes(-1, -2)) if needs[0] else None,
        matmul(a.swapaxes(-1, -2), grad) if needs[1] else None,
    )


def _matmul_backward(settings: Settings, saved: Pair, grad: Array, needs: Needs) -> Grads:
    a, b = saved
    matmul = settings.backend.matmul
    grad_a = grad_b = None
    if b.ndim == 2:
        rows = flat_rows(grad)
        if needs[0]:
            grad_a = matmul(rows, b.T).reshape(a.shape)
        if needs[1]:
            grad_b = matmul(flat_rows(a).T, rows)
        return grad_a, grad_b
    if needs[0]:
        grad_a = unbroadcast(settings, matmul(grad, b.swapaxes(-1, -2)), a.shape)
    if needs[1]:
        grad_b = unbroadcast(settings, matmul(a.swapaxes(-1, -2), grad), b.shape)
    return grad_a, grad_b


def _mv_backward(settings: Settings, saved: Pair, grad: Array, needs: Needs) -> Grads:
    a, v = saved
    matmul = settings.backend.matmul
    column = grad.reshape(-1, 1)
    return (
        matmul(column, v[None, :]).reshape(a.shape) if needs[0] else None,
        matmul(flat_rows(a).T, column).reshape(v.shape) if needs[1] else None,
    )


def _vecmat_backward(settings: Settings, saved: Pair, grad: Array, needs: Needs) -> Grads:
    v, b = saved
    row = grad[..., None, :]
    a_grad, b_grad = _matmul_backward(settings, (v[None, :], b), row, needs)
    return None if a_grad is None else a_grad.reshape(v.shape), b_grad


def _dot_backward(settings: Settings, saved: Pair, grad: Array, needs: Needs) -> Grads:
    a, b = saved
    mul = settings.backend.mul
    return mul(b, grad) if needs[0] else None, mul(a, grad) if needs[1] else None


MM = Op("Mm", _forward, _mm_backward, saves=(0, 1), uses={0: (1,), 1: (0,)}, kernel="matmul")
BMM = Op("Bmm", _forward, _mm_backward, saves=(0, 1), uses={0: (1,), 1: (0,)}, kernel="matmul")
MV = Op("Mv", _forward, _mv_backward, saves=(0, 1), uses={0: (1,), 1: (0,)}, kernel="matmul")
DOT = Op("Dot", _forward, _dot_backward, saves=(0, 1), uses={0: (1,), 1: (0,)}, kernel="matmul")
#: PyTorch names the reshape that ends these products.
MATMUL = Op("UnsafeView", _forward, _matmul_backward, saves=(0, 1), uses={0: (1,), 1: (0,)})
MATVEC = Op("UnsafeView", _forward, _mv_backward, saves=(0, 1), uses={0: (1,), 1: (0,)})
VECMAT = Op(
    "Squeeze",
    _forward,
    _vecmat_backward,
    saves=(0, 1),
    uses={0: (1,), 1: (0,)},
    node_name="SqueezeBackward4",
)


def _addmm(
    settings: Settings, bias: Array, a: Array, b: Array, beta: float, alpha: float
) -> tuple[Array, tuple[tuple[int, ...], Array, Array, float, float]]:
    product = settings.backend.matmul(a, b)
    with quiet():
        if alpha != 1:
            product *= product.dtype.type(alpha)
        if beta == 1:
            product = settings.backend.add(product, bias)
        elif beta != 0:  # beta = 0 ignores even NaN in the bias
            product = settings.backend.add(product, bias * bias.dtype.type(beta))
    return product, (bias.shape, a, b, beta, alpha)


def _addmm_backward(
    settings: Settings,
    saved: tuple[tuple[int, ...], Array, Array, float, float],
    grad: Array,
    needs: Needs,
) -> Grads:
    shape, a, b, beta, alpha = saved
    grad_bias = None
    if needs[0]:
        grad_bias = unbroadcast(settings, grad, shape)
        if beta != 1:
            grad_bias = np.asarray(grad_bias * grad.dtype.type(beta))
    if alpha != 1:
        with quiet():
            grad = grad * grad.dtype.type(alpha)
    grad_a, grad_b = _mm_backward(settings, (a, b), grad, needs[1:])
    return grad_bias, grad_a, grad_b


#: ``beta * bias + alpha * a @ b``
ADDMM = Op("Addmm", _addmm, _addmm_backward, saves=(1, 2), uses={1: (2,), 2: (1,)}, fresh=False)
