"""Two-dimensional convolution (cross-correlation, as everywhere in deep learning)."""

from __future__ import annotations

from typing import Any

from .._engine import Op
from ..backends import Array, Padding, Pair, Settings

__all__ = ["CONV2D", "CONV2D_UNBATCHED"]

Gradients = tuple[Array | None, ...]


def _conv2d(
    settings: Settings,
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    *wish: Any,
) -> tuple[Array, tuple[Any, ...]]:
    how = (stride, padding, dilation, groups)
    return settings.backend.conv2d(x, weight, bias, *how, *wish), (x, weight, *how)


def _conv2d_backward(
    settings: Settings,
    saved: tuple[Any, ...],
    grad: Array,
    needs: tuple[bool, bool, bool],
    gate: Array | None = None,
) -> Gradients:
    x, weight, stride, padding, dilation, groups = saved
    how = (stride, padding, dilation, groups)
    wish = (settings.algorithm, settings.precision)
    return settings.backend.conv2d_backward(grad, x, weight, *how, needs, *wish, gate)


def _conv2d_unbatched(
    settings: Settings, x: Array, weight: Array, bias: Array | None, *params: Any
) -> tuple[Array, tuple[Any, ...]]:
    y, saved = _conv2d(settings, x[None], weight, bias, *params)
    return y[0], saved


def _conv2d_unbatched_backward(
    settings: Settings, saved: tuple[Any, ...], grad: Array, needs: tuple[bool, bool, bool]
) -> Gradients:
    dx, dweight, dbias = _conv2d_backward(settings, saved, grad[None], needs)
    return None if dx is None else dx[0], dweight, dbias


_USES: dict[int, tuple[int, ...]] = {0: (1,), 1: (0,)}

#: (N, C, H, W), (K, C/G, R, S), (K,), stride, padding, dilation, groups, algorithm, precision, relu
#: -> (N, K, P, Q)
CONV2D = Op(
    "Convolution",
    _conv2d,
    _conv2d_backward,
    saves=(0, 1),
    uses=_USES,
    unrecorded="conv2d",
    gated=_conv2d_backward,
)
#: (C, H, W), (K, C/G, R, S), (K,) -> (K, P, Q)
CONV2D_UNBATCHED = Op(
    "Squeeze",
    _conv2d_unbatched,
    _conv2d_unbatched_backward,
    saves=(0, 1),
    uses=_USES,
    node_name="SqueezeBackward1",
)
