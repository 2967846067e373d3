"""Maximum and average over windows of the last two dimensions, with or without a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._engine import Op
from ..backends import Array, Pair, Settings

__all__ = ["AVG_POOL2D", "MAX_POOL2D", "MAX_POOL2D_UNBATCHED", "MAX_POOL2D_WITH_INDICES"]

Needs = tuple[bool, ...]


def _batched(x: Array) -> Array:
    return x if x.ndim == 4 else x[None]


def _like(y: Array, ndim: int) -> Array:
    return y if ndim == 4 else y[0]


def _max_pool2d(
    settings: Settings, x: Array, *window: Pair
) -> tuple[Array, tuple[Array, tuple[int, ...]]]:
    y, recorded = settings.backend.max_pool2d_recorded(_batched(x), *window)
    return _like(y, x.ndim), (recorded, x.shape)


def _max_pool2d_backward(
    settings: Settings,
    saved: tuple[Array, tuple[int, ...]],
    grad: Array,
    needs: Needs,
    gate: Array | None = None,
) -> tuple[Array]:
    recorded, shape = saved
    size = (shape[-2], shape[-1])
    dx = settings.backend.max_pool2d_backward(_batched(grad), recorded, size, gate)
    return (_like(dx, len(shape)),)


def _max_pool2d_with_indices(
    settings: Settings, x: Array, *window: Pair
) -> tuple[tuple[Array, Array], tuple[Array, tuple[int, ...]]]:
    y, index = settings.backend.max_pool2d(_batched(x), *window)
    return (_like(y, x.ndim), _like(index, x.ndim).astype(np.int64)), (index, x.shape)


def _max_pool2d_with_indices_backward(
    settings: Settings,
    saved: tuple[Array, tuple[int, ...]],
    grads: tuple[Array | None, None],
    needs: Needs,
) -> tuple[Array | None]:
    if grads[0] is None:
        return (None,)
    return _max_pool2d_backward(settings, saved, grads[0], needs)


def _avg_pool2d(
    settings: Settings,
    x: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    out_size: Pair,
    count_include_pad: bool,
    divisor_override: int | None,
) -> tuple[Array, tuple[Any, ...]]:
    window = (kernel_size, stride, padding)
    divisor = (count_include_pad, divisor_override)
    y = settings.backend.avg_pool2d(_batched(x), *window, out_size, *divisor)
    return _like(y, x.ndim), (x.shape, *window, *divisor)


def _avg_pool2d_backward(
    settings: Settings, saved: tuple[Any, ...], grad: Array, needs: Needs
) -> tuple[Array]:
    shape, *params = saved
    dx = settings.backend.avg_pool2d_backward(_batched(grad), (shape[-2], shape[-1]), *params)
    return (_like(dx, len(shape)),)


#: (N, C, H, W), kernel_size, stride, padding, dilation, out_size -> (N, C, P, Q)
MAX_POOL2D = Op(
    "MaxPool2DWithIndices",
    _max_pool2d,
    _max_pool2d_backward,
    unrecorded="max_pool2d_values",
    gated=_max_pool2d_backward,
)
#: (C, H, W) -> (C, P, Q)
MAX_POOL2D_UNBATCHED = Op(
    "MaxPool2DWithIndices", _max_pool2d, _max_pool2d_backward, gated=_max_pool2d_backward
)
#: Either -> y, index (int64, ``h * W + w`` inside its plane)
MAX_POOL2D_WITH_INDICES = Op(
    "MaxPool2DWithIndices", _max_pool2d_with_indices, _max_pool2d_with_indices_backward
)
#: x, kernel_size, stride, padding, out_size, count_include_pad, divisor_override -> y
AVG_POOL2D = Op("AvgPool2D", _avg_pool2d, _avg_pool2d_backward, frees=False)
