"""Windows sliding over images, tap by tap: the sums behind convolution and pooling.

A tap (r, s) is one position of the window.  Over the whole padded image it touches the
rectangle ``[r*dh :: sh, s*dw :: sw]`` of P x Q elements, one for each output.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .interface import Array, Padding, Pair


def _taps(
    kernel: Pair, stride: Pair, dilation: Pair, out_size: Pair
) -> Iterator[tuple[int, int, tuple[slice, slice]]]:
    """Give each (r, s) in row-major order, with the rectangle it touches."""
    (rows, cols), (sh, sw), (dh, dw), (P, Q) = kernel, stride, dilation, out_size
    for r in range(rows):
        for s in range(cols):
            top, left = r * dh, s * dw
            yield r, s, (slice(top, top + P * sh, sh), slice(left, left + Q * sw, sw))


def _embed(x: Array, origin: Pair, size: Pair, fill: float) -> Array:
    """Put (N, C, H, W) at ``origin`` of a canvas of ``size``, cut where it does not fit."""
    (top, left), (height, width) = origin, size
    canvas = np.full((*x.shape[:2], height, width), fill, x.dtype)
    canvas[:, :, top : top + x.shape[2], left : left + x.shape[3]] = x[
        :, :, : max(height - top, 0), : max(width - left, 0)
    ]
    return canvas


def _cut(canvas: Array, origin: Pair, size: Pair) -> Array:
    """Take (N, C, H, W) of ``size`` back out of a canvas; what the canvas lacks is 0."""
    (top, left), (height, width) = origin, size
    out = np.zeros((*canvas.shape[:2], height, width), canvas.dtype)
    inside = canvas[:, :, top : top + height, left : left + width]
    out[:, :, : inside.shape[2], : inside.shape[3]] = inside
    return out


def _extent(kernel: Pair, stride: Pair, dilation: Pair, out_size: Pair) -> Pair:
    """Height and width of a canvas that holds every rectangle of :func:`_taps` in full."""
    return (
        (kernel[0] - 1) * dilation[0] + out_size[0] * stride[0],
        (kernel[1] - 1) * dilation[1] + out_size[1] * stride[1],
    )


# -- convolution: G groups, C/G = c and K/G = k channels in each, tap matrices (c, P*Q) ----------


def _out_size(size: Pair, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Pair:
    top, bottom, left, right = padding
    return (
        (size[0] + top + bottom - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1,
        (size[1] + left + right - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1,
    )


def conv2d(
    x: Array, weight: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> Array:
    """(N, C, H, W), (K, C/G, R, S) -> (N, K, P, Q)."""
    N, C, H, W = x.shape
    K, _, R, S = weight.shape
    P, Q = _out_size((H, W), (R, S), stride, padding, dilation)
    window = ((R, S), stride, dilation, (P, Q))
    canvas = _embed(x, (padding[0], padding[2]), _extent(*window), 0.0)
    w = weight.reshape(groups, K // groups, C // groups, R, S)
    out = np.zeros((N, groups, K // groups, P * Q), x.dtype)
    for r, s, (rows, cols) in _taps(*window):
        tap = canvas[:, :, rows, cols].reshape(N, groups, C // groups, P * Q)
        out += w[..., r, s] @ tap
    return out.reshape(N, K, P, Q)


def conv2d_grad_input(
    grad: Array,
    in_shape: tuple[int, ...],
    weight: Array,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """(N, K, P, Q), (K, C/G, R, S) -> (N, C, H, W)."""
    N, C, H, W = in_shape
    _, K, P, Q = grad.shape
    R, S = weight.shape[2:]
    window = ((R, S), stride, dilation, (P, Q))
    canvas = np.zeros((N, C, *_extent(*window)), grad.dtype)
    w = weight.reshape(groups, K // groups, C // groups, R, S)
    g = grad.reshape(N, groups, K // groups, P * Q)
    for r, s, (rows, cols) in _taps(*window):
        tap = w[..., r, s].swapaxes(1, 2) @ g
        canvas[:, :, rows, cols] += tap.reshape(N, C, P, Q)
    return _cut(canvas, (padding[0], padding[2]), (H, W))


def conv2d_grad_weight(
    grad: Array,
    x: Array,
    weight_shape: tuple[int, ...],
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """(N, K, P, Q), (N, C, H, W) -> (K, C/G, R, S)."""
    N, C = x.shape[:2]
    _, K, P, Q = grad.shape
    R, S = weight_shape[2:]
    window = ((R, S), stride, dilation, (P, Q))
    canvas = _embed(x, (padding[0], padding[2]), _extent(*window), 0.0)
    g = grad.reshape(N, groups, K // groups, P * Q)
    out = np.zeros((groups, K // groups, C // groups, R, S), x.dtype)
    for r, s, (rows, cols) in _taps(*window):
        tap = canvas[:, :, rows, cols].reshape(N, groups, C // groups, P * Q)
        out[..., r, s] = np.sum(g @ tap.swapaxes(2, 3), axis=0)
    return out.reshape(weight_shape)


# -- pooling -------------------------------------------------------------------------------------


def _inside(size: int, pad: int, tap: int, stride: int, dilation: int, count: int) -> Array:
    """Position in the image of one tap for each of ``count`` outputs; -1 where outside."""
    at = np.arange(count) * stride + tap * dilation - pad
    return np.where((at >= 0) & (at < size), at, -1)


def max_pool2d(
    x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, out_size: Pair
) -> tuple[Array, Array]:
    """(N, C, H, W) -> maxima and their positions, (N, C, P, Q)."""
    window = (kernel, stride, dilation, out_size)
    canvas = _embed(x, padding, _extent(*window), -np.inf)
    best = np.full((*x.shape[:2], *out_size), -np.inf, x.dtype)
    index = np.full(best.shape, -1, np.int32)
    for r, s, (rows, cols) in _taps(*window):
        value = canvas[:, :, rows, cols]
        h = _inside(x.shape[2], padding[0], r, stride[0], dilation[0], out_size[0])[:, None]
        w = _inside(x.shape[3], padding[1], s, stride[1], dilation[1], out_size[1])
        better = (value > best) | np.isnan(value) | (index < 0)
        better &= (h >= 0) & (w >= 0)
        best = np.where(better, value, best)
        index = np.where(better, (h * x.shape[3] + w).astype(np.int32), index)
    return best, index


def max_pool2d_backward(grad: Array, index: Array, in_size: Pair) -> Array:
    """(N, C, P, Q) and positions -> (N, C, H, W)."""
    N, C = grad.shape[:2]
    planes = np.zeros((N * C, in_size[0] * in_size[1]), grad.dtype)
    plane = np.broadcast_to(np.arange(N * C).reshape(N, C, 1, 1), index.shape)
    found = index >= 0
    with np.errstate(all="ignore"):
        np.add.at(planes, (plane[found], index[found]), grad[found])
    return planes.reshape(N, C, *in_size)


def sum_pool2d(x: Array, kernel: Pair, stride: Pair, padding: Pair, out_size: Pair) -> Array:
    """(N, C, H, W), padded with zeros -> the sum of each window, (N, C, P, Q)."""
    window = (kernel, stride, (1, 1), out_size)
    canvas = _embed(x, padding, _extent(*window), 0.0)
    out = np.zeros((*x.shape[:2], *out_size), x.dtype)
    for _, _, (rows, cols) in _taps(*window):
        out += canvas[:, :, rows, cols]
    return out


def sum_pool2d_backward(
    grad: Array, in_size: Pair, kernel: Pair, stride: Pair, padding: Pair
) -> Array:
    """(N, C, P, Q) -> (N, C, H, W)."""
    P, Q = grad.shape[2:]
    window = (kernel, stride, (1, 1), (P, Q))
    canvas = np.zeros((*grad.shape[:2], *_extent(*window)), grad.dtype)
    for _, _, (rows, cols) in _taps(*window):
        canvas[:, :, rows, cols] += grad
    return _cut(canvas, padding, in_size)


def avg_divisor(
    in_size: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    out_size: tuple[int, ...],
    count_include_pad: bool,
    divisor_override: int | None,
) -> Array:
    """Divisor of each mean, (P, Q), as PyTorch's AvgPool2d counts; never 0."""
    if divisor_override is not None:
        return np.full(out_size, divisor_override)
    counts = []
    for axis in (0, 1):
        start = np.arange(out_size[axis]) * stride[axis] - padding[axis]
        stop = np.minimum(start + kernel[axis], in_size[axis] + padding[axis])
        if not count_include_pad:
            start = np.maximum(start, 0)
            stop = np.minimum(stop, in_size[axis])
        counts.append(np.maximum(stop - start, 0))
    return np.maximum(np.outer(*counts), 1)
