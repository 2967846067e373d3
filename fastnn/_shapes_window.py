"""The rules of shapes for convolution and pooling; see :mod:`fastnn._shapes`."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from ._shapes import MAX_BYTES, Padding, Pair, Shape

# No stride, padding or dilation beyond this: the sum of two still fits a ptrdiff_t.
_MAX_STEP = MAX_BYTES // 2
# Output elements of 8 bytes.
_MAX_NUMEL = MAX_BYTES // 8
# Positions in a plane of max pooling are int32.
_MAX_PLANE = 2**31 - 1


# -- convolution -----------------------------------------------------------------------------


def conv2d_pair(name: str, value: int | Sequence[int]) -> Pair:
    """Give an argument of conv2d as (vertical, horizontal).

    Raises
    ------
    RuntimeError
        ``expected stride to be a single integer value or a list of 2 values to match the
        convolution dimensions, but got stride=[1, 2, 3]``.
    TypeError
        If a value is not an integer.
    """
    if type(value) is int:  # small convolutions would notice what follows
        return value, value
    if type(value) is tuple and len(value) == 2 and type(value[0]) is type(value[1]) is int:
        return value
    pair = _as_pair(f"conv2d: {name}", value)
    if pair is None:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of 2 values to match the "
            f"convolution dimensions, but got {name}={list(value)}"  # type: ignore[arg-type]
        )
    return pair


def _as_pair(what: str, value: int | Sequence[int]) -> Pair | None:
    """Expand an int or a list of one; None for a list of any other length than two."""
    try:
        values = [operator.index(v) for v in (value if isinstance(value, Sequence) else (value,))]
    except TypeError:
        raise TypeError(f"{what} must be an int or a tuple of two ints, not {value!r}") from None
    if len(values) == 1:
        return values[0], values[0]
    return (values[0], values[1]) if len(values) == 2 else None


def conv2d_padding(
    padding: str | int | Sequence[int], kernel_size: Pair, stride: Pair, dilation: Pair
) -> Padding:
    """Give the padding of conv2d as (top, bottom, left, right).

    ``"same"`` adds ``dilation * (kernel - 1)`` in all, the odd one at the bottom and right.

    Raises
    ------
    RuntimeError
        ``padding='same' is not supported for strided convolutions``, ``Invalid padding
        string: 'foo'``, and as :func:`conv2d_pair`.
    """
    if isinstance(padding, str):
        if padding == "valid":
            return 0, 0, 0, 0
        if padding != "same":
            raise RuntimeError(f"Invalid padding string: '{padding}'")
        if stride != (1, 1):
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        vertical = dilation[0] * (kernel_size[0] - 1)
        horizontal = dilation[1] * (kernel_size[1] - 1)
        top, left = vertical // 2, horizontal // 2
        return top, vertical - top, left, horizontal - left
    vertical, horizontal = conv2d_pair("padding", padding)
    return vertical, vertical, horizontal, horizontal


def conv2d_output(
    x: Shape,
    weight: Shape,
    bias: Shape | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Pair:
    """Give (P, Q) of a convolution of (N, C, H, W) with (K, C/G, R, S) and (K,).

    Raises
    ------
    RuntimeError
        With PyTorch's text, for sizes that do not fit each other, a kernel bigger than the
        padded input, a wrong stride, padding, dilation or number of groups, or an output
        that overflows.
    """
    if len(x) == 4 and len(weight) == 4:
        N, C, H, W = x
        K, c, R, S = weight
        sh, sw = stride
        dh, dw = dilation
        top, bottom, left, right = padding
        if (
            groups > 0
            and c * groups == C
            and groups <= K
            and K % groups == 0
            and (bias is None or bias == (K,))
            and 0 < sh <= _MAX_STEP
            and 0 < sw <= _MAX_STEP
            and 0 < dh <= _MAX_STEP
            and 0 < dw <= _MAX_STEP
            and 0 <= top <= _MAX_STEP
            and 0 <= bottom <= _MAX_STEP
            and 0 <= left <= _MAX_STEP
            and 0 <= right <= _MAX_STEP
            and H > 0 < W
            and R > 0 < S
        ):
            P = (H + top + bottom - dh * (R - 1) - 1) // sh + 1
            Q = (W + left + right - dw * (S - 1) - 1) // sw + 1
            if P > 0 and Q > 0 and N * K * P * Q <= _MAX_NUMEL:
                return P, Q
    raise _conv2d_error(x, weight, bias, stride, padding, dilation, groups)


def _conv2d_error(
    x: Shape,
    weight: Shape,
    bias: Shape | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> RuntimeError:
    if len(x) != 4:
        return RuntimeError(
            "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: "
            f"{list(x)}"
        )
    if len(weight) != 4:
        return RuntimeError(
            f"Expected 4-dimensional weight for conv2d, but got weight of size {list(weight)}"
        )
    wrong = _conv2d_argument_error(stride, padding, dilation, groups)
    if wrong:
        return RuntimeError(wrong)
    wrong = _conv2d_channel_error(x, weight, bias, groups)
    if wrong:
        return RuntimeError(wrong)
    R, S = weight[2:]
    if R == 0 or S == 0:
        return RuntimeError(
            f"kernel size should be greater than zero, but got kernel_height: {R} kernel_width: {S}"
        )
    height, width = x[2] + padding[0] + padding[1], x[3] + padding[2] + padding[3]
    high, wide = dilation[0] * (R - 1) + 1, dilation[1] * (S - 1) + 1
    if high > height or wide > width:
        return RuntimeError(
            f"Calculated padded input size per channel: ({height} x {width}). "
            f"Kernel size: ({high} x {wide}). Kernel size can't be greater than actual input size"
        )
    if x[2] == 0 or x[3] == 0:
        return RuntimeError(
            f"Only zero batch or zero channel inputs are supported, but got input shape: {list(x)}"
        )
    out = [x[0], weight[0], (height - high) // stride[0] + 1, (width - wide) // stride[1] + 1]
    return RuntimeError(f"Storage size calculation overflowed with sizes={out}")


def _conv2d_argument_error(
    stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> str | None:
    if groups <= 0:
        return f"non-positive groups is not supported, but got groups={groups}"
    if min(padding) < 0:
        return f"negative padding is not supported, but got padding={list(padding)}"
    if min(stride) <= 0:
        return f"non-positive stride is not supported, but got stride={list(stride)}"
    if min(dilation) <= 0:
        return f"dilation should be greater than zero, but got {list(dilation)}"
    for name, values in (("stride", stride), ("padding", padding), ("dilation", dilation)):
        if max(values) > _MAX_STEP:
            return f"Given {name}={max(values)}, expected {name} to be at most {_MAX_STEP}"
    return None


def _conv2d_channel_error(x: Shape, weight: Shape, bias: Shape | None, groups: int) -> str | None:
    K, c = weight[:2]
    sizes = list(weight)
    if groups > K:
        return (
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, "
            f"but got weight of size {sizes} instead"
        )
    if K % groups:
        return (
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size [{sizes}] instead"
        )
    if x[1] != c * groups:
        return (
            f"Given groups={groups}, weight of size {sizes}, expected input{list(x)} to have "
            f"{c * groups} channels, but got {x[1]} channels instead"
        )
    if bias is not None and bias != (K,):
        return (
            f"Given weight of size {sizes}, expected bias to be 1-dimensional with {K} elements, "
            f"but got bias of size {list(bias)} instead"
        )
    return None


# -- pooling ---------------------------------------------------------------------------------


def pool2d_pair(op: str, name: str, value: int | Sequence[int]) -> Pair:
    """Give an argument of a pooling as (vertical, horizontal); ``op`` is its name.

    Raises
    ------
    RuntimeError
        ``max_pool2d: kernel_size must either be a single int, or a tuple of two ints``.
    TypeError
        If a value is not an integer.
    """
    pair = _as_pair(f"{op}: {name}", value)
    if pair is None:
        omitted = "omitted, " if name == "stride" else ""
        either = "be either" if name == "dilation" else "either be"
        raise RuntimeError(
            f"{op}: {name} must {either} {omitted}a single int, or a tuple of two ints"
        )
    return pair


def pool2d_output(
    x: Shape,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> Pair:
    """Give (P, Q) of a pooling of (N, C, H, W) or (C, H, W).

    With ``ceil_mode`` a last window may hang over the padded input, as long as it starts
    inside the input or its left padding (PyTorch's ``pooling_output_shape``).

    Raises
    ------
    RuntimeError
        With PyTorch's text, for a wrong kernel size, stride, padding or dilation, an input
        with another number of dimensions or zeros elsewhere than in the batch, or an output
        without elements.
    """
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = kernel_size, stride, padding, dilation
    if (
        (len(x) == 4 or len(x) == 3)
        and kh > 0 < kw
        and 0 < sh <= _MAX_STEP
        and 0 < sw <= _MAX_STEP
        and 0 < dh <= _MAX_STEP
        and 0 < dw <= _MAX_STEP
        and 0 <= ph <= kh // 2
        and 0 <= pw <= kw // 2
        and x[-3] > 0
        and 0 < x[-2] * x[-1] <= _MAX_PLANE
    ):
        P = _pool_size(x[-2], kh, sh, ph, dh, ceil_mode)
        Q = _pool_size(x[-1], kw, sw, pw, dw, ceil_mode)
        if P > 0 and Q > 0:
            return P, Q
    raise _pool2d_error(x, kernel_size, stride, padding, dilation, ceil_mode)


def _pool_size(
    size: int, kernel: int, stride: int, pad: int, dilation: int, ceil_mode: bool
) -> int:
    room = size + 2 * pad - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return room // stride + 1
    out = (room + stride - 1) // stride + 1
    return out - 1 if (out - 1) * stride >= size + pad else out


def _pool2d_error(
    x: Shape, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> RuntimeError:
    wrong = _pool2d_argument_error(kernel_size, stride, padding, dilation)
    if wrong:
        return RuntimeError(wrong)
    if len(x) not in (3, 4):
        return RuntimeError(
            f"non-empty 3D or 4D (batch mode) tensor expected for input, but got:{list(x)}"
        )
    if 0 in x[-3:]:
        return RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, "
            f"but got:{list(x)}"
        )
    if x[-2] * x[-1] > _MAX_PLANE:
        return RuntimeError(
            f"input of size {list(x)} has planes of more than {_MAX_PLANE} elements, "
            "which pooling does not support"
        )
    P, Q = (
        max(_pool_size(x[i - 2], kernel_size[i], stride[i], padding[i], dilation[i], ceil_mode), 0)
        for i in (0, 1)
    )
    return RuntimeError(
        f"Given input size: ({x[-3]}x{x[-2]}x{x[-1]}). Calculated output size: "
        f"({x[-3]}x{P}x{Q}). Output size is too small"
    )


def _pool2d_argument_error(
    kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> str | None:
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = kernel_size, stride, padding, dilation
    if sh == 0 or sw == 0:
        return f"stride should not be zero, but got dH: {sh} dW: {sw}"
    if kh <= 0 or kw <= 0:
        return f"kernel size should be greater than zero, but got kH: {kh} kW: {kw}"
    if sh < 0 or sw < 0:
        return f"stride should be greater than zero, but got dH: {sh} dW: {sw}"
    if dh <= 0 or dw <= 0:
        return f"dilation should be greater than zero, but got dilationH: {dh} dilationW: {dw}"
    for k, p, d in ((kh, ph, dh), (kw, pw, dw)):
        if p < 0:
            return f"pad must be non-negative, but got pad: {p}"
        if p > ((k - 1) * d + 1) // 2:
            return (
                "pad should be at most half of effective kernel size, but got "
                f"pad={p}, kernel_size={k} and dilation={d}"
            )
    if ph > kh // 2 or pw > kw // 2:
        return (
            "pad should be smaller than or equal to half of kernel size, but got "
            f"padW = {pw}, padH = {ph}, kW = {kw}, kH = {kh}"
        )
    for name, (vertical, horizontal) in (("stride", stride), ("dilation", dilation)):
        if max(vertical, horizontal) > _MAX_STEP:
            return f"Given {name}={[vertical, horizontal]}, expected at most {_MAX_STEP}"
    return None
