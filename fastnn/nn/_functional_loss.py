"""Losses, of :mod:`fastnn.nn.functional`."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import _shapes
from ..backends import Array, is_classification
from ..functions._operands import cast, pair, require_tensor, scalar_name
from ..ops import loss as ops
from ..ops.activation import LOG_SOFTMAX
from ..tensor import Tensor, apply, wrap

__all__ = [
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "reduction_of",
]

_REDUCTIONS = ("mean", "sum", "none")


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """Check ``reduction``, after translating PyTorch's former way to say it.

    Raises
    ------
    ValueError
        If it is none of "mean", "sum" and "none".
    """
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
        warnings.warn(
            "size_average and reduce args will be deprecated, please use "
            f"reduction='{reduction}' instead.",
            stacklevel=3,
        )
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


# -- classification --------------------------------------------------------------------------


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Compare logits with classes: ``-log(softmax(input))`` at the class.

    Parameters
    ----------
    input : Tensor, shape (N, C), (N, C, d1, ...) or (C,)
        Logits, not probabilities.
    target : Tensor
        Class indices (int64 or uint8), shape (N,), (N, d1, ...) or (); or, of the input's
        shape and floating, the probability of every class.
    weight : Tensor, shape (C,), optional
        How much each class counts; ``"mean"`` divides by the sum over the targets.
    ignore_index : int
        A target that counts nothing.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.
    label_smoothing : float
        The share, in [0, 1], of a uniform distribution that is mixed into the target.

    Raises
    ------
    ValueError
        ``Expected input batch_size (4) to match target batch_size (3).``, or an unknown
        reduction.
    IndexError
        ``Target 10 is out of bounds.``
    RuntimeError
        For other sizes or dtypes that do not fit.
    """
    if size_average is not None or reduce is not None or reduction not in _REDUCTIONS:
        reduction = reduction_of(size_average, reduce, reduction)
    x = require_tensor(input, "cross_entropy_loss")._data
    y = require_tensor(target, "cross_entropy_loss", "target", 2)._data
    if label_smoothing and not 0.0 < label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if weight is None and not label_smoothing and is_classification(x, y):
        return apply(ops.CROSS_ENTROPY, (input, target, None), ignore_index, 0.0, reduction)
    if x.shape == y.shape:
        _check_probabilities(y, ignore_index)
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    if x.dtype.kind != "f":
        raise NotImplementedError(
            f"\"log_softmax_lastdim_kernel_impl\" not implemented for '{scalar_name(x.dtype)}'"
        )
    target = _class_target(x, target)
    if weight is not None:
        _check_class_weight(x, weight)
    if label_smoothing:
        op = ops.CROSS_ENTROPY_SMOOTHED
    else:
        op = ops.CROSS_ENTROPY if x.ndim <= 2 else ops.CROSS_ENTROPY_2D
    return apply(op, (input, target, weight), ignore_index, label_smoothing, reduction)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Take ``-input`` at the class; the input are log-probabilities.

    Parameters and errors are those of :func:`cross_entropy` with class indices.
    """
    if size_average is not None or reduce is not None or reduction not in _REDUCTIONS:
        reduction = reduction_of(size_average, reduce, reduction)
    x = require_tensor(input, "nll_loss_nd")._data
    require_tensor(target, "nll_loss_nd", "target", 2)
    if x.ndim == 0:
        raise ValueError(f"Expected 1 or more dimensions (got {x.ndim})")
    target = _class_target(x, target)
    if x.dtype.kind != "f":
        raise NotImplementedError(
            f"\"nll_loss_out_frame\" not implemented for '{scalar_name(x.dtype)}'"
        )
    if weight is not None:
        _check_class_weight(x, weight)
    op = ops.NLL_LOSS if x.ndim <= 2 else ops.NLL_LOSS_2D
    return apply(op, (input, target, weight), ignore_index, reduction)


def _class_target(x: Array, target: Tensor) -> Tensor:
    """Check the class indices for ``x`` and return them as int64."""
    y = target._data
    if not (x.ndim == 2 and y.ndim == 1 and x.shape[0] == y.shape[0]):
        target = _other_class_target(x, target)
    if y.dtype == np.int64:
        return target
    if y.dtype == np.uint8:
        return wrap(target._data.astype(np.int64))
    raise RuntimeError(f"expected target dtype to be Long or Byte, but got {scalar_name(y.dtype)}")


def _other_class_target(x: Array, target: Tensor) -> Tensor:
    """Accept the less common sizes: one row without a batch, and more dimensions."""
    y = target._data
    if x.ndim == 1 and y.size == 1 and y.ndim <= 1:
        return wrap(y.reshape(()))
    if x.ndim < 3 and y.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if x.ndim == 0:
        raise RuntimeError(
            "cross entropy needs an input of shape (C,) or (N, C, ...), not a scalar"
        )
    batch = x.shape[0] if x.ndim > 1 else 1
    if y.ndim == 0 or batch != y.shape[0]:
        raise ValueError(
            f"Expected input batch_size ({batch}) to match target batch_size "
            f"({y.shape[0] if y.ndim else 0})."
        )
    expected = [batch, *x.shape[2:]]
    if list(y.shape) == expected:
        return target
    if x.ndim != 4:
        raise RuntimeError(f"Expected target size {expected}, got {list(y.shape)}")
    if y.ndim != 3:
        raise RuntimeError(
            "only batches of spatial targets supported (3D tensors) "
            f"but got targets of dimension: {y.ndim}"
        )
    raise RuntimeError(f"size mismatch (got input: {list(x.shape)} , target: {list(y.shape)})")


def _check_class_weight(x: Array, weight: Tensor) -> None:
    w = weight._data
    classes = x.shape[1] if x.ndim > 1 else x.shape[0]
    if w.shape != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes "
            f"but got weight tensor of shape: {list(w.shape)}"
        )
    if w.dtype != x.dtype:
        raise RuntimeError(
            f"expected scalar type {scalar_name(x.dtype)} but found {scalar_name(w.dtype)}"
        )
    _refuse_grad(weight, "nll_loss_forward", "weight")


def _refuse_grad(t: Tensor, function: str, argument: str) -> None:
    if t.requires_grad:
        raise RuntimeError(
            f"The function '{function}' is not differentiable with respect to argument "
            f"'{argument}'. This input cannot have requires_grad True."
        )


def _check_probabilities(y: Array, ignore_index: int) -> None:
    if y.dtype.kind != "f":
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, "
            f"got {scalar_name(y.dtype)}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")


def _soft_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    x = input._data
    if x.dtype.kind != "f":
        raise NotImplementedError(
            f"\"log_softmax_lastdim_kernel_impl\" not implemented for '{scalar_name(x.dtype)}'"
        )
    axis = 0 if x.ndim <= 1 else 1
    classes = x.shape[axis] if x.ndim else 1
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    product = apply(LOG_SOFTMAX, (input,), axis) * target
    if weight is not None:
        _check_class_weight(x, weight)
        product = product * weight.reshape((classes,) + (1,) * (x.ndim - axis - 1))
    if reduction == "none":
        return -product.sum(axis) if x.ndim else -product
    total = -product.sum()
    return total / (x.size // classes if classes else 0) if reduction == "mean" else total


# -- regression ------------------------------------------------------------------------------


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Square the difference; the mean or sum, of all elements.

    With ``weight``, of the input's size, every element counts as much as it says; the mean
    divides by the sum of the weights.

    Raises
    ------
    ValueError
        If the weight is of another size, or for an unknown reduction.
    RuntimeError
        If input and target do not broadcast; if they do, but differ, a warning is given.
    NotImplementedError
        For integers only.
    """
    reduction, a, b = _regression("mse_loss", input, target, size_average, reduce, reduction)
    if a._data.dtype.kind != "f":
        raise NotImplementedError(f"\"mse_cpu\" not implemented for '{scalar_name(a._data.dtype)}'")
    if weight is None:
        return apply(ops.MSE_LOSS, (a, b), reduction)
    return _weighted(apply(ops.MSE_LOSS, (a, b), "none"), input, weight, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Take the absolute difference; the mean or sum, of all elements.

    Parameters and errors are those of :func:`mse_loss`.
    """
    reduction, a, b = _regression("l1_loss", input, target, size_average, reduce, reduction)
    loss = (a - b).abs()
    if weight is not None:
        return _weighted(loss, input, weight, reduction)
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


def _regression(
    name: str,
    input: Tensor,
    target: Tensor,
    size_average: bool | None,
    reduce: bool | None,
    reduction: str,
) -> tuple[str, Tensor, Tensor]:
    """Check the arguments; return the reduction, and both tensors in their common dtype."""
    if size_average is not None or reduce is not None or reduction not in _REDUCTIONS:
        reduction = reduction_of(size_average, reduce, reduction)
    x = require_tensor(input, name)._data
    y = require_tensor(target, name, "target", 2)._data
    if x.shape != y.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )
        _shapes.broadcast(x.shape, y.shape)
    return (reduction, *pair(input, target))


def _weighted(loss: Tensor, input: Tensor, weight: Tensor, reduction: str) -> Tensor:
    if weight._data.shape != input._data.shape:
        raise ValueError(
            "Weights and input must have the same size, "
            f"but got {list(weight._data.shape)} and {list(input._data.shape)}."
        )
    loss = loss * weight
    if reduction == "none":
        return loss
    return loss.sum() / weight.sum() if reduction == "mean" else loss.sum()


# -- binary classification -------------------------------------------------------------------


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Compare logits with probabilities: ``-t log(s) - (1 - t) log(1 - s)``, s the sigmoid.

    Parameters
    ----------
    input : Tensor
        Logits.
    target : Tensor
        Probabilities, of the input's shape, floating.
    weight, pos_weight : Tensor, optional
        Factors of every term, and of the first one; they broadcast to the input's shape.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.

    Raises
    ------
    ValueError
        ``Target size (...) must be the same as input size (...)``, or an unknown reduction.
    RuntimeError
        For factors that do not broadcast, or an integer target.
    """
    if size_average is not None or reduce is not None or reduction not in _REDUCTIONS:
        reduction = reduction_of(size_average, reduce, reduction)
    name = "binary_cross_entropy_with_logits"
    x = require_tensor(input, name)._data
    y = require_tensor(target, name, "target", 2)._data
    if x.shape != y.shape:
        raise ValueError(
            f"Target size ({target.shape}) must be the same as input size ({input.shape})"
        )
    if x.dtype.kind != "f":
        raise NotImplementedError(
            f"\"log_sigmoid_cpu\" not implemented for '{scalar_name(x.dtype)}'"
        )
    if y.dtype.kind != "f":
        raise RuntimeError(
            f"result type {scalar_name(x.dtype)} can't be cast to the desired output type "
            f"{scalar_name(y.dtype)}"
        )
    input, target = pair(input, target)
    dtype = input._data.dtype
    factors: list[Any] = []
    for label, factor in (("weight", weight), ("pos_weight", pos_weight)):
        if factor is not None:
            _refuse_grad(factor, name, label)
            if _shapes.broadcast(x.shape, factor._data.shape) != x.shape:
                raise RuntimeError(
                    f"{label} of size {list(factor._data.shape)} does not broadcast to the "
                    f"input's size {list(x.shape)}"
                )
            factor = cast(factor, dtype)
        factors.append(factor)
    return apply(ops.BCE_WITH_LOGITS, (input, target, *factors), reduction)
