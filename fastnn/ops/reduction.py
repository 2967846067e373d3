"""Sums, means, extremes and other reductions of a floating array over some axes.

``axes`` is ascending and unique, each in [0, ndim); ``keepdims`` keeps them with size 1.
``sum`` and ``mean`` have kernels; the rest is NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from .._engine import Op
from ..backends import Array, Settings
from ._arrays import quiet

__all__ = [
    "AMAX",
    "AMIN",
    "CUMSUM",
    "LOGSUMEXP",
    "MAX_ALL",
    "MAX_DIM",
    "MEAN_ALL",
    "MEAN_DIM",
    "MIN_ALL",
    "MIN_DIM",
    "NORM",
    "PROD_ALL",
    "PROD_DIM",
    "STD",
    "SUM_ALL",
    "SUM_DIM",
    "VAR",
]

Axes = tuple[int, ...]
Shape = tuple[int, ...]
Needs = tuple[bool, ...]
Grads = tuple[Array | None, ...]


def _kept(shape: Shape, axes: Axes) -> Shape:
    """The shape of the result if the reduced axes were kept."""
    return tuple([1 if i in axes else size for i, size in enumerate(shape)])


def _reduce(ufunc: np.ufunc, x: Array, axes: Axes, keepdims: bool = True, **options: Any) -> Array:
    """``ufunc.reduce``, an array also where nothing is left."""
    return np.asarray(ufunc.reduce(x, axes, keepdims=keepdims, **options))


# -- sum and mean ----------------------------------------------------------------------------


def _sum(
    settings: Settings, x: Array, axes: Axes, keepdims: bool
) -> tuple[Array, tuple[Shape, Axes]]:
    return settings.backend.sum(x, axes, keepdims), (x.shape, axes)


def _sum_backward(
    settings: Settings, saved: tuple[Shape, Axes], grad: Array, needs: Needs
) -> Grads:
    shape, axes = saved
    return (np.broadcast_to(grad.reshape(_kept(shape, axes)), shape),)


def _mean(
    settings: Settings, x: Array, axes: Axes, keepdims: bool
) -> tuple[Array, tuple[Shape, Axes]]:
    return settings.backend.mean(x, axes, keepdims), (x.shape, axes)


def _mean_backward(
    settings: Settings, saved: tuple[Shape, Axes], grad: Array, needs: Needs
) -> Grads:
    shape, axes = saved
    count = prod([shape[i] for i in axes])
    each = grad.reshape(_kept(shape, axes)) / grad.dtype.type(max(count, 1))
    return (np.broadcast_to(each, shape),)


def _named(name: str, forward: object, backward: object, suffix: str, **options: object) -> Op:
    return Op(name, forward, backward, node_name=name + "Backward" + suffix, **options)  # type: ignore[arg-type]


SUM_ALL = Op("Sum", _sum, _sum_backward, fresh=False, frees=False)
SUM_DIM = _named("Sum", _sum, _sum_backward, "1", fresh=False, frees=False)
MEAN_ALL = Op("Mean", _mean, _mean_backward, fresh=False, frees=False)
MEAN_DIM = _named("Mean", _mean, _mean_backward, "1", fresh=False, frees=False)


def _cumsum(settings: Settings, x: Array, axis: int) -> tuple[Array, int]:
    with quiet():
        return np.cumsum(x, axis, dtype=x.dtype).reshape(x.shape), axis


def _cumsum_backward(settings: Settings, axis: int, grad: Array, needs: Needs) -> Grads:
    if grad.ndim == 0:
        return (grad.copy(),)
    with quiet():
        return (np.flip(np.cumsum(np.flip(grad, axis), axis, dtype=grad.dtype), axis),)


CUMSUM = Op("Cumsum", _cumsum, _cumsum_backward, frees=False)


# -- variance --------------------------------------------------------------------------------


def _deviation(x: Array, axes: Axes) -> Array:
    with quiet():
        mean = _reduce(np.add, x, axes) / x.dtype.type(prod([x.shape[i] for i in axes]))
        return np.asarray(x - mean)


def _var(
    settings: Settings, x: Array, axes: Axes, correction: float, keepdims: bool
) -> tuple[Array, tuple[Array, Axes, float]]:
    centred = _deviation(x, axes)
    divisor = max(prod([x.shape[i] for i in axes]) - correction, 0.0)
    with quiet():
        out = _reduce(np.add, centred * centred, axes, keepdims) / x.dtype.type(divisor)
    return np.asarray(out), (x, axes, divisor)


def _var_backward(
    settings: Settings, saved: tuple[Array, Axes, float], grad: Array, needs: Needs
) -> Grads:
    x, axes, divisor = saved
    with quiet():
        scale = grad.reshape(_kept(x.shape, axes)) * (grad.dtype.type(2) / grad.dtype.type(divisor))
        return (np.asarray(scale * _deviation(x, axes)),)


def _std(
    settings: Settings, x: Array, axes: Axes, correction: float, keepdims: bool
) -> tuple[Array, tuple[tuple[Array, Axes, float], Array]]:
    variance, saved = _var(settings, x, axes, correction, keepdims)
    out = np.asarray(np.sqrt(variance))
    return out, (saved, out)


def _std_backward(
    settings: Settings, saved: tuple[tuple[Array, Axes, float], Array], grad: Array, needs: Needs
) -> Grads:
    of_var, out = saved
    with quiet():
        scaled = np.where(out == 0, grad.dtype.type(0), grad / (out * out.dtype.type(2)))
    return _var_backward(settings, of_var, scaled, needs)


VAR = Op("Var", _var, _var_backward, saves=(0,))
STD = Op("Std", _std, _std_backward, saves=(0,), saves_output=True)


# -- extremes --------------------------------------------------------------------------------


def _share_evenly(
    x: Array, out: Array, grad: Array, axes: Axes, nan_equals_nan: bool = True
) -> Array:
    """Give each of the elements that equal the extreme the same part of its gradient.

    If nothing equals NaN, it makes the gradient of all it was found among NaN.
    """
    shape = _kept(x.shape, axes)
    out = out.reshape(shape)
    mask = x == out
    if nan_equals_nan:
        mask |= np.isnan(x) & np.isnan(out)
    count = _reduce(np.add, mask, axes, dtype=grad.dtype)
    with quiet():
        return np.asarray(np.where(mask, grad.reshape(shape), grad.dtype.type(0)) / count)


def _extreme(name: str, reduce: np.ufunc, node_name: str, nan_equals_nan: bool) -> Op:
    def run(
        settings: Settings, x: Array, axes: Axes, keepdims: bool
    ) -> tuple[Array, tuple[Array, Array, Axes]]:
        out = _reduce(reduce, x, axes, keepdims)
        return out, (x, out, axes)

    def back(
        settings: Settings, saved: tuple[Array, Array, Axes], grad: Array, needs: Needs
    ) -> Grads:
        x, out, axes = saved
        return (_share_evenly(x, out, grad, axes, nan_equals_nan),)

    return Op(name, run, back, saves=(0,), saves_output=True, node_name=node_name)


def _extreme_with_index(name: str, find: Callable[..., Array]) -> Op:
    def run(
        settings: Settings, x: Array, axis: int, keepdims: bool
    ) -> tuple[tuple[Array, Array], tuple[Array, Shape, int]]:
        if x.ndim == 0:
            return (x.copy(), np.zeros((), np.int64)), (np.zeros((), np.int64), (), 0)
        index = find(x, axis, keepdims=True)
        values = np.take_along_axis(x, index, axis)
        saved = (index, x.shape, axis)
        if not keepdims:
            return (values.squeeze(axis), index.squeeze(axis)), saved
        return (values, index.copy()), saved

    def back(
        settings: Settings, saved: tuple[Array, Shape, int], grad: tuple[Array, ...], needs: Needs
    ) -> Grads:
        index, shape, axis = saved
        if not shape:
            return (grad[0].copy(),)
        whole = np.zeros(shape, grad[0].dtype)
        np.put_along_axis(whole, index, grad[0].reshape(index.shape), axis)
        return (whole,)

    return Op(name, run, back)


# what PyTorch does, NaN and all
AMAX = _extreme("Amax", np.maximum, "AmaxBackward0", False)
AMIN = _extreme("Amin", np.minimum, "AminBackward0", False)
MAX_ALL = _extreme("Max", np.maximum, "MaxBackward1", True)
MIN_ALL = _extreme("Min", np.minimum, "MinBackward1", True)
#: (values, indices) along one axis
MAX_DIM = _extreme_with_index("Max", np.argmax)
MIN_DIM = _extreme_with_index("Min", np.argmin)


def _logsumexp(
    settings: Settings, x: Array, axes: Axes, keepdims: bool
) -> tuple[Array, tuple[Array, Array, Axes]]:
    with quiet():
        top = _reduce(np.maximum, x, axes, initial=-np.inf)
        top = np.where(np.isinf(top), x.dtype.type(0), top)
        total = _reduce(np.add, np.exp(x - top), axes)
        out = np.asarray(np.log(total) + top)
    out = out if keepdims else out.reshape([s for i, s in enumerate(x.shape) if i not in axes])
    return out, (x, out, axes)


def _logsumexp_backward(
    settings: Settings, saved: tuple[Array, Array, Axes], grad: Array, needs: Needs
) -> Grads:
    x, out, axes = saved
    shape = _kept(x.shape, axes)
    with quiet():
        return (np.asarray(grad.reshape(shape) * np.exp(x - out.reshape(shape))),)


LOGSUMEXP = Op("Logsumexp", _logsumexp, _logsumexp_backward, saves=(0,), saves_output=True)


# -- product ---------------------------------------------------------------------------------


def _prod(
    settings: Settings, x: Array, axes: Axes, keepdims: bool
) -> tuple[Array, tuple[Array, Axes]]:
    with quiet():
        return _reduce(np.multiply, x, axes, keepdims), (x, axes)


def _prod_backward(
    settings: Settings, saved: tuple[Array, Axes], grad: Array, needs: Needs
) -> Grads:
    # the product of all others, from both ends, so that zeros need no special case
    x, axes = saved
    kept = _kept(x.shape, axes)
    if x.ndim == 0 or x.size == 0:
        return (np.broadcast_to(grad.reshape(kept), x.shape).copy(),)
    rows = np.moveaxis(x, axes, range(-len(axes), 0))
    moved = rows.shape
    rows = rows.reshape(*moved[: x.ndim - len(axes)], -1)
    ones = np.ones_like(rows[..., :1])
    with quiet():
        before = np.cumprod(np.concatenate((ones, rows[..., :-1]), -1), -1)
        after = np.cumprod(np.concatenate((ones, rows[..., :0:-1]), -1), -1)[..., ::-1]
        others = np.moveaxis((before * after).reshape(moved), range(-len(axes), 0), axes)
        return (np.ascontiguousarray(grad.reshape(kept) * others),)


PROD_ALL = Op("Prod", _prod, _prod_backward, saves=(0,))
PROD_DIM = _named("Prod", _prod, _prod_backward, "1", saves=(0,))


# -- norm ------------------------------------------------------------------------------------


def _norm(
    settings: Settings, x: Array, axes: Axes, p: float, keepdims: bool
) -> tuple[Array, tuple[Array, Array, Axes, float]]:
    with quiet():
        size = np.abs(x)
        if p == np.inf:
            out = _reduce(np.maximum, size, axes, keepdims, initial=0)
        elif p == -np.inf:
            out = _reduce(np.minimum, size, axes, keepdims, initial=np.inf)
        elif p == 0:
            out = _reduce(np.add, x != 0, axes, keepdims, dtype=x.dtype)
        elif p == 1:
            out = _reduce(np.add, size, axes, keepdims)
        elif p == 2:
            out = np.sqrt(_reduce(np.add, x * x, axes, keepdims))
        else:
            powers = _reduce(np.add, np.power(size, p, dtype=x.dtype), axes, keepdims)
            out = np.power(powers, 1 / p, dtype=x.dtype)
    out = np.asarray(out)
    return out, (x, out, axes, p)


def _norm_backward(
    settings: Settings, saved: tuple[Array, Array, Axes, float], grad: Array, needs: Needs
) -> Grads:
    x, out, axes, p = saved
    kept = _kept(x.shape, axes)
    grad, out = grad.reshape(kept), out.reshape(kept)
    zero = x.dtype.type(0)
    with quiet():
        if p == 0:
            return (np.zeros_like(x),)
        if p == 1:
            return (np.asarray(grad * np.sign(x)),)
        if p == 2:
            return (np.where(out == 0, zero, grad * (x / out)),)
        if np.isinf(p):
            shared = _share_evenly(np.abs(x), out, grad, axes)
            return (np.asarray(shared * np.sign(x)),)
        part = np.power(np.abs(x), p - 1, dtype=x.dtype) * np.sign(x)
        slope = part / np.power(out, p - 1, dtype=x.dtype)
        return (np.where((out == 0) | (x == 0), zero, grad * slope),)


NORM = Op("LinalgVectorNorm", _norm, _norm_backward, saves=(0,), saves_output=True)
