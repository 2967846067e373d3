"""Reductions: sums, means, products and norms over some or all dimensions.

``dim`` is an int, several ints or None for all; it and ``keepdim`` may be called ``axis``
and ``keepdims``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .._engine import Op
from ..backends import Array
from ..dtypes import dtype as DType
from ..dtypes import to_numpy
from ..ops import reduction as ops
from ..tensor import Tensor, apply, wrap
from ._dims import ALL_AXES, alias, axes_of, one_axis
from ._operands import cast, require_tensor, scalar_name

__all__ = [
    "all",
    "any",
    "count_nonzero",
    "cumsum",
    "logsumexp",
    "mean",
    "norm",
    "prod",
    "std",
    "sum",
    "var",
]

Dims = int | Sequence[int] | None


def _as_type(input: Tensor, dtype: DType | None, name: str) -> Tensor:
    require_tensor(input, name)
    return input if dtype is None else cast(input, to_numpy(dtype))


def _total(array: Array, dtype: DType | None) -> Array:
    """Integers and bools as the type that sums of them have: int64 unless asked otherwise."""
    return array if dtype is not None else array.astype(np.int64, copy=False)


# -- sum, mean, product ----------------------------------------------------------------------


def sum(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    axis: Dims = None,
    keepdims: bool | None = None,
) -> Tensor:
    """Sum over ``dim``; integers and bools become int64.

    Parameters
    ----------
    dtype : dtype, optional
        What to convert ``input`` to first.

    Raises
    ------
    IndexError
        If there is no such dimension.
    """
    input = _as_type(input, dtype, "sum")
    dim = alias(dim, axis, None, "dim", "axis")
    keep = alias(keepdim, keepdims, False, "keepdim", "keepdims")
    data = input._data
    if data.dtype.kind == "f":
        if dim is None:
            return apply(ops.SUM_ALL, (input,), ALL_AXES[data.ndim], keep)
        return apply(ops.SUM_DIM, (input,), axes_of(dim, data.ndim), keep)
    axes = axes_of(dim, data.ndim)
    return wrap(np.asarray(np.add.reduce(_total(data, dtype), axes, keepdims=keep)))


def mean(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    axis: Dims = None,
    keepdims: bool | None = None,
) -> Tensor:
    """Mean over ``dim``; NaN of nothing.

    Raises
    ------
    RuntimeError
        For integers, unless ``dtype`` says what to convert them to.
    IndexError
        If there is no such dimension.
    """
    input = _as_type(input, dtype, "mean")
    dim = alias(dim, axis, None, "dim", "axis")
    keep = alias(keepdim, keepdims, False, "keepdim", "keepdims")
    data = input._data
    if data.dtype.kind != "f":
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point "
            f"or complex dtype. Got: {scalar_name(data.dtype)}"
        )
    if dim is None:
        return apply(ops.MEAN_ALL, (input,), ALL_AXES[data.ndim], keep)
    return apply(ops.MEAN_DIM, (input,), axes_of(dim, data.ndim), keep)


def prod(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    axis: int | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """Product over ``dim`` (one, or None for all); errors as :func:`sum`."""
    input = _as_type(input, dtype, "prod")
    dim = alias(dim, axis, None, "dim", "axis")
    keep = alias(keepdim, keepdims, False, "keepdim", "keepdims")
    data = input._data
    axes = axes_of(dim, data.ndim)
    if data.dtype.kind == "f":
        return apply(ops.PROD_ALL if dim is None else ops.PROD_DIM, (input,), axes, keep)
    return wrap(np.asarray(np.multiply.reduce(_total(data, dtype), axes, keepdims=keep)))


def cumsum(
    input: Tensor, dim: int | None = None, *, dtype: DType | None = None, axis: int | None = None
) -> Tensor:
    """Running sum along ``dim``; errors as :func:`sum`."""
    input = _as_type(input, dtype, "cumsum")
    where = one_axis(alias(dim, axis, None, "dim", "axis"), input._data.ndim)
    if input._data.dtype.kind == "f":
        return apply(ops.CUMSUM, (input,), where)
    data = _total(input._data, dtype)
    return wrap(np.cumsum(data, where, dtype=data.dtype).reshape(data.shape))


# -- spread ----------------------------------------------------------------------------------


def _spread(op: Op, name: str, what: str) -> Callable[..., Tensor]:
    def function(
        input: Tensor,
        dim: Dims | bool = None,
        unbiased: bool | None = None,
        keepdim: bool = False,
        *,
        correction: float | None = None,
        axis: Dims = None,
        keepdims: bool | None = None,
    ) -> Tensor:
        if isinstance(dim, bool):  # the old form var(unbiased)
            dim, unbiased = None, dim
        chosen = alias(dim, axis, None, "dim", "axis")
        keep = alias(keepdim, keepdims, False, "keepdim", "keepdims")
        if correction is None:
            correction = 1 if unbiased is None else int(unbiased)
        elif unbiased is not None:
            raise TypeError(f"{name}(): got both unbiased and correction; give one of them")
        data = require_tensor(input, name)._data
        if data.dtype.kind != "f":
            raise RuntimeError("std and var only support floating point and complex dtypes")
        return apply(op, (input,), axes_of(chosen, data.ndim), float(correction), keep)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{what} over ``dim``.

    Parameters
    ----------
    unbiased : bool, optional
        True is ``correction=1``, False is ``correction=0``.
    correction : float
        Subtracted from the number of elements in the divisor; 1 unless given.

    Raises
    ------
    RuntimeError
        For integers.
    IndexError
        If there is no such dimension.
    """
    return function


var = _spread(ops.VAR, "var", "Variance")
std = _spread(ops.STD, "std", "Standard deviation")


def norm(
    input: Tensor,
    p: float | str = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    dtype: DType | None = None,
) -> Tensor:
    """``sum(|input| ** p) ** (1 / p)`` over ``dim``: the norm of a vector.

    Parameters
    ----------
    p : float or "fro"
        2 for "fro"; inf and -inf take the largest and smallest ``|input|``, 0 counts what is
        not zero.

    Raises
    ------
    RuntimeError
        For integers, or a matrix norm such as "nuc".
    """
    input = _as_type(input, dtype, "norm")
    data = input._data
    if data.dtype.kind != "f":
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. "
            f"Got {scalar_name(data.dtype)}"
        )
    if isinstance(p, str):
        if p != "fro":
            raise RuntimeError(f"norm() knows p='fro' and numbers, not p={p!r}")
        p = 2.0
    axes = axes_of(dim, data.ndim)
    if p in (np.inf, -np.inf) and data.size == 0:
        raise RuntimeError(f"linalg.vector_norm cannot compute the {p} norm on an empty tensor")
    return apply(ops.NORM, (input,), axes, float(p), keepdim)


def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """``log(sum(exp(input)))`` over ``dim``, without overflow.

    Raises
    ------
    IndexError
        If there is no such dimension.
    """
    if require_tensor(input, "logsumexp")._data.dtype.kind != "f":
        raise RuntimeError(
            f"logsumexp(): Expected floating point type. Got: {scalar_name(input._data.dtype)}"
        )
    return apply(ops.LOGSUMEXP, (input,), axes_of(dim, input._data.ndim), keepdim)


# -- truth -----------------------------------------------------------------------------------


def _truth(ufunc: np.ufunc, name: str, what: str) -> Callable[..., Tensor]:
    def function(
        input: Tensor,
        dim: Dims = None,
        keepdim: bool = False,
        *,
        axis: Dims = None,
        keepdims: bool | None = None,
    ) -> Tensor:
        data = require_tensor(input, name)._data
        axes = axes_of(alias(dim, axis, None, "dim", "axis"), data.ndim)
        keep = alias(keepdim, keepdims, False, "keepdim", "keepdims")
        result = np.asarray(ufunc.reduce(data, axes, dtype=np.bool_, keepdims=keep))
        return wrap(result.astype(np.uint8) if data.dtype == np.uint8 else result)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Whether {what} over ``dim`` is not zero: bools, or uint8 of uint8."
    return function


all = _truth(np.logical_and, "all", "every element")
any = _truth(np.logical_or, "any", "some element")


def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """Count the elements over ``dim`` that are not zero, as int64."""
    data = require_tensor(input, "count_nonzero")._data
    return wrap(np.asarray(np.count_nonzero(data, axes_of(dim, data.ndim)), np.int64))
