"""Order along a dimension.

Equal elements keep their order, and NaN counts as the largest, as in PyTorch.
"""

from __future__ import annotations

import numpy as np

from ..backends import Array
from ..tensor import Tensor, wrap
from ._dims import one_axis
from ._operands import require_tensor
from .extremes import ValuesIndices
from .index import gather

__all__ = ["argsort", "sort", "topk"]


class Sort(ValuesIndices):
    """What ``sort`` returns."""

    __slots__ = ()


class TopK(ValuesIndices):
    """What ``topk`` returns."""

    __slots__ = ()


def _order(data: Array, axis: int, descending: bool) -> Array:
    if data.ndim == 0:
        return np.zeros((), np.int64)
    if not descending:
        return np.argsort(data, axis, kind="stable")
    # a stable descending order is the reverse of the stable ascending order of the reverse
    backwards = np.argsort(np.flip(data, axis), axis, kind="stable")
    return np.ascontiguousarray(data.shape[axis] - 1 - np.flip(backwards, axis))


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """Indices that sort ``input`` along ``dim``; always stable.

    Raises
    ------
    IndexError
        If there is no such dimension.
    """
    data = require_tensor(input, "argsort")._data
    return wrap(_order(data, one_axis(dim, data.ndim), descending))


def sort(
    input: Tensor, dim: int = -1, descending: bool = False, stable: bool = True
) -> ValuesIndices:
    """Elements in order along ``dim``, and where each was; errors as :func:`argsort`."""
    indices = argsort(input, dim, descending)
    return Sort(gather(input, dim, indices), indices)


def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> ValuesIndices:
    """``k`` largest (or smallest) elements along ``dim``, in order, and where they are.

    Raises
    ------
    RuntimeError
        If there are fewer than ``k``.
    IndexError
        If there is no such dimension.
    """
    data = require_tensor(input, "topk")._data
    axis = one_axis(dim, data.ndim)
    size = data.shape[axis] if data.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError(f"selected index k out of range: k={k}, size {size}")
    order = _order(data, axis, largest)
    if data.ndim:
        order = np.ascontiguousarray(order[(slice(None),) * axis + (slice(k),)])
    indices = wrap(order)
    return TopK(gather(input, dim, indices), indices)
