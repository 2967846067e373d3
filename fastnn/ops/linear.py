"""The affine map of a fully connected layer, ``x @ weight.T + bias``.

PyTorch builds it of several nodes for inputs that are not matrices; here it is always one,
named as PyTorch's last.
"""

from __future__ import annotations

from typing import Any

from .._engine import Op
from ..backends import Array, Settings
from .linalg import flat_rows

__all__ = ["ADDMM", "ADDMM_RELU", "LINEAR_ND", "LINEAR_ND_UNBIASED", "LINEAR_VECTOR_UNBIASED", "MM"]

# The weight's gradient reads the input, and the other way round.
_USES: dict[int, tuple[int, ...]] = {0: (1,), 1: (0,)}

Saved = tuple[Array, Array]
Needs = tuple[bool, ...]
Gradients = tuple[Array | None, ...]


def _linear(
    settings: Settings, x: Array, weight: Array, bias: Array | None = None
) -> tuple[Array, Saved]:
    return settings.backend.linear(x, weight, bias), (x, weight)


def _linear_relu(settings: Settings, x: Array, weight: Array, bias: Array) -> tuple[Array, Saved]:
    return settings.backend.linear_relu(x, weight, bias), (x, weight)


def _addmm_backward(
    settings: Settings, saved: Saved, grad: Array, needs: Needs, gate: Array | None = None
) -> Gradients:
    wanted: Any = needs
    return settings.backend.linear_backward(grad, saved[0], saved[1], wanted, gate)


def _mm_backward(
    settings: Settings, saved: Saved, grad: Array, needs: Needs, gate: Array | None = None
) -> Gradients:
    return _addmm_backward(settings, saved, grad, (needs[0], needs[1], False), gate)[:2]


def _linear_nd(
    settings: Settings, x: Array, weight: Array, bias: Array | None = None
) -> tuple[Array, Saved]:
    rows = flat_rows(x)
    y = settings.backend.linear(rows, weight, bias)
    return y.reshape(*x.shape[:-1], weight.shape[0]), (x, weight)


def _linear_nd_backward(settings: Settings, saved: Saved, grad: Array, needs: Needs) -> Gradients:
    x, weight = saved
    wanted = (needs[0], needs[1], len(needs) == 3 and needs[2])
    dx, dweight, dbias = settings.backend.linear_backward(
        flat_rows(grad), flat_rows(x), weight, wanted
    )
    if dx is not None:
        dx = dx.reshape(x.shape)
    return (dx, dweight, dbias)[: len(needs)]


#: (M, I), (N, I), (N,) -> (M, N)
ADDMM = Op(
    "Addmm",
    _linear,
    _addmm_backward,
    saves=(0, 1),
    uses=_USES,
    kernel="linear",
    gated=_addmm_backward,
)
#: The same and relu of it, which RELU_DONE has yet to record.
ADDMM_RELU = Op(
    "Addmm",
    _linear_relu,
    _addmm_backward,
    saves=(0, 1),
    uses=_USES,
    kernel="linear_relu",
    gated=_addmm_backward,
)
#: (M, I), (N, I) -> (M, N)
MM = Op("Mm", _linear, _mm_backward, saves=(0, 1), uses=_USES, kernel="linear", gated=_mm_backward)
#: (..., I), (N, I), (N,) -> (..., N)
LINEAR_ND = Op("View", _linear_nd, _linear_nd_backward, saves=(0, 1), uses=_USES)
#: (..., I), (N, I) -> (..., N)
LINEAR_ND_UNBIASED = Op("UnsafeView", _linear_nd, _linear_nd_backward, saves=(0, 1), uses=_USES)
#: (I,), (N, I) -> (N,)
LINEAR_VECTOR_UNBIASED = Op(
    "Squeeze",
    _linear_nd,
    _linear_nd_backward,
    saves=(0, 1),
    uses=_USES,
    node_name="SqueezeBackward4",
)
