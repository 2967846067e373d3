"""Losses.  The softmax cross-entropy has a fused kernel; the others are NumPy for now."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._engine import Op
from ..backends import Array, Settings
from ._arrays import unbroadcast

__all__ = [
    "BCE_WITH_LOGITS",
    "CROSS_ENTROPY",
    "CROSS_ENTROPY_2D",
    "CROSS_ENTROPY_SMOOTHED",
    "MSE_LOSS",
    "NLL_LOSS",
    "NLL_LOSS_2D",
]

Needs = tuple[bool, ...]


def _class_rows(x: Array) -> Array:
    """(N, C, d1, ...) -> (N * d1 * ..., C); (C,) -> (1, C)."""
    if x.ndim == 2:
        return x
    if x.ndim == 1:
        return x[None]
    last = np.moveaxis(x, 1, -1)
    return last.reshape(last.size // x.shape[1] if x.shape[1] else 0, x.shape[1])


def _from_class_rows(rows: Array, shape: tuple[int, ...]) -> Array:
    """Invert :func:`_class_rows`."""
    if len(shape) <= 2:
        return rows.reshape(shape)
    return np.moveaxis(rows.reshape(shape[0], *shape[2:], shape[1]), -1, 1)


# -- softmax cross-entropy -------------------------------------------------------------------


def _cross_entropy(
    settings: Settings,
    logits: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
    reduction: str,
) -> tuple[Array, tuple[Any, ...]]:
    rows, labels = _class_rows(logits), target.reshape(-1)
    how = (ignore_index, label_smoothing, reduction)
    loss, lse, divisor = settings.backend.cross_entropy(rows, labels, weight, *how)
    if reduction == "none":
        loss = loss.reshape(target.shape)
    return loss, (logits.shape, rows, labels, weight, *how, lse, divisor)


def _cross_entropy_backward(
    settings: Settings, saved: tuple[Any, ...], grad: Array, needs: Needs
) -> tuple[Array, None, None]:
    shape, *arguments = saved
    if grad.ndim:
        grad = grad.reshape(-1)
    rows = settings.backend.cross_entropy_backward(grad, *arguments)
    return rows if len(shape) == 2 else _from_class_rows(rows, shape), None, None


def _cross_entropy_op(name: str) -> Op:
    return Op(name, _cross_entropy, _cross_entropy_backward, saves=(0, 1, 2))


# -- negative log-likelihood -----------------------------------------------------------------


def _nll_loss(
    settings: Settings,
    log_probs: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    reduction: str,
) -> tuple[Array, tuple[Any, ...]]:
    rows, labels = _class_rows(log_probs), target.reshape(-1)
    counted = labels != ignore_index
    wrong = counted & ((labels < 0) | (labels >= rows.shape[1]))
    if wrong.any():
        raise IndexError(f"Target {labels[wrong][0]} is out of bounds.")
    index = np.flatnonzero(counted)
    chosen = labels[index]
    factor = np.ones(len(index), rows.dtype) if weight is None else weight[chosen]
    picked = -factor * rows[index, chosen]
    divisor = factor.sum(dtype=np.float64) if reduction == "mean" else 1.0
    saved = (log_probs.shape, log_probs.dtype, labels.shape, index, chosen, factor, divisor)
    if reduction == "none":
        loss = np.zeros(labels.shape, rows.dtype)
        loss[index] = picked
        return loss.reshape(target.shape), saved
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(picked.sum(dtype=np.float64) / divisor, rows.dtype), saved


def _nll_loss_backward(
    settings: Settings, saved: tuple[Any, ...], grad: Array, needs: Needs
) -> tuple[Array, None, None]:
    shape, dtype, count, index, chosen, factor, divisor = saved
    classes = shape[1] if len(shape) > 1 else shape[0]
    rows = np.zeros((*count, classes), dtype)
    scale = grad.reshape(-1)[index] if grad.ndim and count != (1,) else grad
    with np.errstate(invalid="ignore", divide="ignore"):
        rows[index, chosen] = -factor * scale / dtype.type(divisor)
    return _from_class_rows(rows, shape), None, None


def _nll_loss_op(name: str) -> Op:
    return Op(name, _nll_loss, _nll_loss_backward, saves=(1, 2))


# -- elementwise losses ----------------------------------------------------------------------


def _reduce(settings: Settings, loss: Array, reduction: str) -> Array:
    if reduction == "none":
        return loss
    axes = tuple(range(loss.ndim))
    return (
        settings.backend.mean(loss, axes)
        if reduction == "mean"
        else settings.backend.sum(loss, axes)
    )


def _share(grad: Array, count: int, reduction: str) -> Array:
    """Give the gradient of one element of the unreduced loss; broadcasts to all of them."""
    return grad / grad.dtype.type(count) if reduction == "mean" and count else grad


def _mse_loss(
    settings: Settings, x: Array, target: Array, reduction: str
) -> tuple[Array, tuple[Any, ...]]:
    difference = settings.backend.sub(x, target)
    loss = _reduce(settings, settings.backend.mul(difference, difference), reduction)
    return loss, (difference, x.shape, target.shape, reduction)


def _mse_loss_backward(
    settings: Settings, saved: tuple[Any, ...], grad: Array, needs: Needs
) -> tuple[Array | None, ...]:
    difference, x_shape, target_shape, reduction = saved
    share = _share(grad + grad, difference.size, reduction)
    dx = dtarget = None
    if needs[0]:
        full = settings.backend.mul(difference, np.asarray(share))
        dx = unbroadcast(settings, full, x_shape)
    if needs[1]:
        full = settings.backend.mul(difference, np.asarray(-share))
        dtarget = unbroadcast(settings, full, target_shape)
    return dx, dtarget


def _log_sigmoid(x: Array) -> Array:
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


def _bce_with_logits(
    settings: Settings,
    x: Array,
    target: Array,
    weight: Array | None,
    pos_weight: Array | None,
    reduction: str,
) -> tuple[Array, tuple[Any, ...]]:
    # -w (p t log s(x) + (1 - t) log s(-x)), with log s(-x) = log s(x) - x
    with np.errstate(all="ignore"):
        log_s = _log_sigmoid(x)
        if pos_weight is None:
            loss = (1 - target) * x - log_s
        else:
            loss = (1 - target) * x - ((pos_weight - 1) * target + 1) * log_s
        if weight is not None:
            loss *= weight
    # NumPy makes scalars of arrays without dimensions.
    loss = np.asarray(loss)
    return _reduce(settings, loss, reduction), (x, target, weight, pos_weight, reduction)


def _bce_with_logits_backward(
    settings: Settings, saved: tuple[Any, ...], grad: Array, needs: Needs
) -> tuple[Array | None, ...]:
    x, target, weight, pos_weight, reduction = saved
    with np.errstate(all="ignore"):
        share = _share(grad, x.size, reduction)
        if weight is not None:
            share = share * weight
        dx = dtarget = None
        if needs[0]:
            positive = target if pos_weight is None else pos_weight * target
            chance = settings.backend.sigmoid(x)
            dx = np.asarray(((positive + 1 - target) * chance - positive) * share)
        if needs[1]:
            excess = 0 if pos_weight is None else (pos_weight - 1) * _log_sigmoid(x)
            dtarget = np.asarray(-(x + excess) * share)
    return dx, dtarget, None, None


#: logits, target, weight, ignore_index, label_smoothing, reduction -> loss
CROSS_ENTROPY = _cross_entropy_op("NllLoss")
CROSS_ENTROPY_2D = _cross_entropy_op("NllLoss2D")
# PyTorch adds two losses when it smooths labels.
CROSS_ENTROPY_SMOOTHED = _cross_entropy_op("Add")
#: log_probs, target, weight, ignore_index, reduction -> loss
NLL_LOSS = _nll_loss_op("NllLoss")
NLL_LOSS_2D = _nll_loss_op("NllLoss2D")
#: x, target, reduction -> loss
MSE_LOSS = Op("MseLoss", _mse_loss, _mse_loss_backward)
#: x, target, weight, pos_weight, reduction -> loss
BCE_WITH_LOGITS = Op(
    "BinaryCrossEntropyWithLogits",
    _bce_with_logits,
    _bce_with_logits_backward,
    saves=(0, 1, 2, 3),
)
