"""Largest and smallest elements, and where they are.

``dim`` and ``keepdim`` may be called ``axis`` and ``keepdims``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .._engine import Op
from ..backends import Array
from ..ops import reduction as ops
from ..tensor import Tensor, apply, apply_all, wrap
from ._dims import ALL_AXES, alias, axes_of, one_axis
from ._operands import require_tensor
from .math import maximum, minimum

__all__ = ["ValuesIndices", "amax", "amin", "argmax", "argmin", "max", "min"]

Dims = int | Sequence[int] | None


class ValuesIndices(NamedTuple):
    """What a reduction that also says where returns."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        name = type(self).__name__.lower()
        return f"fastnn.return_types.{name}(\nvalues={self.values!r},\nindices={self.indices!r})"


class Max(ValuesIndices):
    """What ``max`` along a dimension returns."""

    __slots__ = ()


class Min(ValuesIndices):
    """What ``min`` along a dimension returns."""

    __slots__ = ()


def _check_not_empty(data: Array, dim: Dims, name: str) -> None:
    """Refuse to look for the extreme of nothing."""
    if data.size:
        return
    if dim is None:
        text = f"{name}(): Expected reduction dim to be specified for input.numel() == 0."
        if name.startswith("arg"):
            raise IndexError(text)
        raise RuntimeError(f"{text} Specify the reduction dim with the 'dim' argument.")
    for axis in axes_of(dim, data.ndim):
        if data.shape[axis] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")


def _extreme(
    input: Tensor, dim: Any, keepdim: bool, ufunc: np.ufunc, name: str, op: Op, dim_op: Op
) -> Any:
    data = require_tensor(input, name)._data
    _check_not_empty(data, dim, name)
    if dim is None:
        if data.dtype.kind == "f":
            return apply(op, (input,), ALL_AXES[data.ndim], False)
        return wrap(np.asarray(ufunc.reduce(data, None)))
    axis = one_axis(dim, data.ndim)
    result = Max if name == "max" else Min
    return result(*apply_all(dim_op, (input,), axis, keepdim))


def max(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    other: Tensor | None = None,
    axis: int | None = None,
    keepdims: bool | None = None,
) -> Any:
    """Largest element; with ``dim``, the largest along it and where it is (the first of equals).

    Parameters
    ----------
    dim : int or Tensor, optional
        A tensor here, or as ``other``, makes it :func:`maximum`.

    Returns
    -------
    Tensor, or (values, indices)
        The pair if ``dim`` is given.

    Raises
    ------
    RuntimeError, IndexError
        If there is nothing to choose from.
    """
    if isinstance(dim, Tensor) or other is not None:
        return maximum(input, dim if other is None else other)
    dim = alias(dim, axis, None, "dim", "axis")
    keep = alias(keepdim, keepdims, False, "keepdim", "keepdims")
    return _extreme(input, dim, keep, np.maximum, "max", ops.MAX_ALL, ops.MAX_DIM)


def min(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    other: Tensor | None = None,
    axis: int | None = None,
    keepdims: bool | None = None,
) -> Any:
    """Smallest element, as :func:`max`."""
    if isinstance(dim, Tensor) or other is not None:
        return minimum(input, dim if other is None else other)
    dim = alias(dim, axis, None, "dim", "axis")
    keep = alias(keepdim, keepdims, False, "keepdim", "keepdims")
    return _extreme(input, dim, keep, np.minimum, "min", ops.MIN_ALL, ops.MIN_DIM)


def _values(op: Op, ufunc: np.ufunc, name: str, what: str) -> Callable[..., Tensor]:
    def function(
        input: Tensor,
        dim: Dims = None,
        keepdim: bool = False,
        *,
        axis: Dims = None,
        keepdims: bool | None = None,
    ) -> Tensor:
        data = require_tensor(input, name)._data
        dim = alias(dim, axis, None, "dim", "axis")
        keep = alias(keepdim, keepdims, False, "keepdim", "keepdims")
        _check_not_empty(data, dim, name)
        axes = axes_of(dim, data.ndim)
        if data.dtype.kind == "f":
            return apply(op, (input,), axes, keep)
        return wrap(np.asarray(ufunc.reduce(data, axes, keepdims=keep)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{what} over ``dim``; equal ones share the gradient evenly.

    Raises
    ------
    RuntimeError, IndexError
        If there is nothing to choose from, or no such dimension.
    """
    return function


amax = _values(ops.AMAX, np.maximum, "amax", "Largest element")
amin = _values(ops.AMIN, np.minimum, "amin", "Smallest element")


def _position(find: Callable[..., Any], name: str, what: str) -> Callable[..., Tensor]:
    def function(
        input: Tensor,
        dim: int | None = None,
        keepdim: bool = False,
        *,
        axis: int | None = None,
        keepdims: bool | None = None,
    ) -> Tensor:
        data = require_tensor(input, name)._data
        dim = alias(dim, axis, None, "dim", "axis")
        keep = alias(keepdim, keepdims, False, "keepdim", "keepdims")
        _check_not_empty(data, dim, name)
        if dim is None:
            index = np.asarray(find(data))
            return wrap(index.reshape((1,) * data.ndim) if keep else index)
        where = one_axis(dim, data.ndim)
        if data.ndim == 0:
            return wrap(np.zeros((), np.int64))
        return wrap(np.asarray(find(data, where, keepdims=keep)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""Where the {what} is: the first of equals, along ``dim`` or in all.

    Returns
    -------
    Tensor
        int64, without the dimension ``dim`` unless ``keepdim``.

    Raises
    ------
    IndexError
        If there is nothing to choose from, or no such dimension.
    """
    return function


argmax = _position(np.argmax, "argmax", "largest element")
argmin = _position(np.argmin, "argmin", "smallest element")
