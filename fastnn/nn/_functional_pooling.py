"""Pooling, of :mod:`fastnn.nn.functional`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from .. import _shapes_window as window
from ..backends import Pair
from ..functions._operands import require_tensor, scalar_name
from ..ops.pool import AVG_POOL2D, MAX_POOL2D, MAX_POOL2D_UNBATCHED, MAX_POOL2D_WITH_INDICES
from ..tensor import Tensor, apply

__all__ = ["avg_pool2d", "max_pool2d"]

# Checked and computed once for each shape.
_output = lru_cache(512)(window.pool2d_output)


@lru_cache(512)
def _squares(
    x: tuple[int, ...], kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool
) -> tuple[Pair, Pair, Pair, Pair, Pair]:
    """Give all that max_pool2d is told by numbers, and its output's size, as pairs."""
    pairs = (kernel, kernel), (stride, stride), (padding, padding), (dilation, dilation)
    return (*pairs, _output(x, *pairs, ceil_mode))


def max_pool2d(
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Take the maximum over windows of (N, C, H, W) or (C, H, W).

    Parameters
    ----------
    kernel_size, stride, padding, dilation : int or (int, int)
        The stride is the kernel's size if left out; the padding is -inf.
    ceil_mode : bool
        Let a last window hang over the edge.
    return_indices : bool
        Return ``(output, indices)``, with the position ``h * W + w`` of every maximum.

    Returns
    -------
    Tensor, shape (N, C, P, Q) or (C, P, Q)
        With ``return_indices`` a pair of such tensors.

    Raises
    ------
    RuntimeError
        For settings that do not fit each other or the input.
    NotImplementedError
        For integers.
    """
    try:  # frames of functions that only ask take a fifth of pooling a small image
        x = input._data
    except AttributeError:
        require_tensor(input, "max_pool2d")
        raise
    if stride is None:
        stride = kernel_size
    if type(kernel_size) is type(stride) is type(padding) is type(dilation) is int:
        how = _squares(x.shape, kernel_size, stride, padding, dilation, bool(ceil_mode))
    else:
        sizes = _sizes("max_pool2d", kernel_size, stride, padding)
        spread = _pair("max_pool2d", "dilation", dilation)
        how = (*sizes, spread, _output(x.shape, *sizes, spread, bool(ceil_mode)))
    if x.dtype.kind != "f":
        raise NotImplementedError(f"\"max_pool2d\" not implemented for '{scalar_name(x.dtype)}'")
    if return_indices:
        return apply(MAX_POOL2D_WITH_INDICES, (input,), *how)
    return apply(MAX_POOL2D if x.ndim == 4 else MAX_POOL2D_UNBATCHED, (input,), *how)


def avg_pool2d(
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Take the mean over windows of (N, C, H, W) or (C, H, W).

    Parameters
    ----------
    kernel_size, stride, padding : int or (int, int)
        The stride is the kernel's size if left out; the padding is 0.
    ceil_mode : bool
        Let a last window hang over the edge.
    count_include_pad : bool
        Whether zeros of the padding count as entries.
    divisor_override : int, optional
        Divide the sum by this instead of the number of entries.

    Returns
    -------
    Tensor, shape (N, C, P, Q) or (C, P, Q)

    Raises
    ------
    RuntimeError
        For settings that do not fit each other or the input, or a divisor 0.
    NotImplementedError
        For integers.
    """
    x = require_tensor(input, "avg_pool2d")._data
    sizes = _sizes("avg_pool2d", kernel_size, stride, padding)
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    out_size = _output(x.shape, *sizes, (1, 1), bool(ceil_mode))
    if x.dtype.kind != "f":
        raise NotImplementedError(f"\"avg_pool2d\" not implemented for '{scalar_name(x.dtype)}'")
    return apply(AVG_POOL2D, (input,), *sizes, out_size, bool(count_include_pad), divisor_override)


def _sizes(
    op: str,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: int | Sequence[int],
) -> tuple[Pair, Pair, Pair]:
    kernel = _pair(op, "kernel_size", kernel_size)
    step = _pair(op, "stride", _step(kernel_size, stride))
    return kernel, step, _pair(op, "padding", padding)


def _step(
    kernel_size: int | Sequence[int], stride: int | Sequence[int] | None
) -> int | Sequence[int]:
    """Give the stride: the kernel's size if left out, or an empty list, as PyTorch has it."""
    if type(stride) is int:
        return stride  # an abstract class takes as long to ask as pooling a small image
    omitted = stride is None or (isinstance(stride, Sequence) and not stride)
    return kernel_size if omitted else stride  # type: ignore[return-value]


def _pair(op: str, name: str, value: int | Sequence[int]) -> Pair:
    if type(value) is int:
        return value, value
    return window.pool2d_pair(op, name, value)
