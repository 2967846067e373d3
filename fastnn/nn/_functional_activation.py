"""Activations, ``dropout`` and ``one_hot``, of :mod:`fastnn.nn.functional`."""

from __future__ import annotations

import warnings

import numpy as np

from .._shapes import numel
from ..backends import Array
from ..dtypes import dtype as DType
from ..functions import math
from ..functions._operands import is_number, require_tensor, scalar_name
from ..functions.inplace import in_place
from ..functions.math import sigmoid, tanh
from ..ops.activation import LEAKY_RELU, RELU
from ..ops.dropout import DROPOUT
from ..random import bernoulli_mask
from ..tensor import Tensor, apply, wrap

__all__ = [
    "dropout",
    "leaky_relu",
    "log_softmax",
    "one_hot",
    "relu",
    "sigmoid",
    "softmax",
    "tanh",
]


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Compute ``max(input, 0)``; NaN stays NaN.

    With ``inplace`` the input itself is changed and returned.

    Raises
    ------
    TypeError
        If ``input`` is not a tensor.
    RuntimeError
        For a tensor of bool, or one that may not be changed in place.
    """
    try:
        return in_place(input, relu) if inplace else apply(RELU, (input,))
    except (AttributeError, TypeError):
        require_tensor(input, "relu")
        raise


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Compute ``input`` where it is positive, else ``negative_slope * input``.

    Raises
    ------
    NotImplementedError
        For integers.
    TypeError
        If ``input`` is not a tensor, or the slope not a number.
    """
    if require_tensor(input, "leaky_relu")._data.dtype.kind != "f":
        raise NotImplementedError(
            f"\"leaky_relu_cpu\" not implemented for '{scalar_name(input._data.dtype)}'"
        )
    if not is_number(negative_slope):
        raise TypeError(
            "leaky_relu(): argument 'negative_slope' (position 2) must be Number, "
            f"not {type(negative_slope).__name__}"
        )
    if inplace:
        return in_place(input, leaky_relu, negative_slope)
    return apply(LEAKY_RELU, (input,), negative_slope)


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """Compute ``exp(input) / sum(exp(input))`` along ``dim``, in ``dtype`` if it is given.

    Without ``dim`` it warns and takes 0 for 0, 1 or 3 dimensions, else 1, as PyTorch does.

    Raises
    ------
    IndexError
        If there is no such dimension.
    NotImplementedError
        For integers without a floating ``dtype``.
    """
    chosen = _implicit_dim("softmax", input, _stacklevel) if dim is None else dim
    return math.softmax(input, chosen, dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """Compute ``log(softmax(input))`` along ``dim``; see :func:`softmax`."""
    chosen = _implicit_dim("log_softmax", input, _stacklevel) if dim is None else dim
    return math.log_softmax(input, chosen, dtype)


def _implicit_dim(name: str, input: Tensor, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if input._data.ndim in (0, 1, 3) else 1


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set entries to zero with probability ``p`` and divide the others by ``1 - p``.

    Without ``training`` the input itself is returned.

    Raises
    ------
    ValueError
        If ``p`` is outside [0, 1].
    RuntimeError
        For integers.
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    data = require_tensor(input, "dropout")._data
    if not training or p == 0.0 or data.size == 0:
        return input
    if data.dtype.kind != "f":
        raise RuntimeError(
            f"result type Float can't be cast to the desired output type {scalar_name(data.dtype)}"
        )
    if p == 1.0:
        mask = np.zeros(data.shape, data.dtype)
    else:
        mask = bernoulli_mask(data.shape, 1.0 - p).astype(data.dtype)
        mask /= data.dtype.type(1.0 - p)
    return in_place(input, _masked, mask) if inplace else _masked(input, mask)


def _masked(input: Tensor, mask: Array) -> Tensor:
    return apply(DROPOUT, (input,), mask)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Turn class indices (*) into rows of zeros with a one at the class (*, num_classes).

    Without ``num_classes`` it is one more than the greatest index.

    Raises
    ------
    RuntimeError
        If the tensor is not int64, an index is negative or too large, or the sizes overflow.
    """
    index = require_tensor(tensor, "one_hot")._data
    if index.dtype != np.int64:
        raise RuntimeError(
            "one_hot is only applicable to index tensor of type LongTensor, "
            f"but got {scalar_name(index.dtype)}Tensor."
        )
    if index.size == 0 and num_classes <= 0:
        raise RuntimeError("Can not infer total number of classes from empty tensor.")
    if index.size and index.min() < 0:
        raise RuntimeError(f"Class values must be non-negative, but got {index.min()}.")
    if num_classes == -1:
        num_classes = int(index.max()) + 1
    elif index.size and index.max() >= num_classes:
        raise RuntimeError(
            f"Class values must be smaller than num_classes, but got {index.max()} "
            f"with num_classes={num_classes}."
        )
    numel((*index.shape, num_classes))
    return wrap((index[..., None] == np.arange(num_classes)).astype(np.int64))
