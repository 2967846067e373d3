"""``linear`` and ``conv2d``, of :mod:`fastnn.nn.functional`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NoReturn

from .. import _shapes_window as window
from .._shapes import linear as linear_shape
from ..backends import Array, Padding, Pair, is_conv2d, is_linear, settings
from ..functions._operands import require_tensor, scalar_name
from ..ops.activation import RELU, RELU_DONE
from ..ops.conv import CONV2D, CONV2D_UNBATCHED
from ..ops.linear import (
    ADDMM,
    ADDMM_RELU,
    LINEAR_ND,
    LINEAR_ND_UNBIASED,
    LINEAR_VECTOR_UNBIASED,
    MM,
)
from ..tensor import Tensor, apply, apply_if

__all__ = ["conv2d", "convolve", "linear", "linear_relu"]

Shape = tuple[int, ...]

# PyTorch's names of element types in the texts of its older functions.
_C_NAMES = {
    "bool": "bool",
    "uint8": "unsigned char",
    "int8": "signed char",
    "int16": "short",
    "int32": "int",
    "int64": "long int",
    "float32": "float",
    "float64": "double",
}


def _c_name(array: Array) -> str:
    return _C_NAMES[array.dtype.name]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute ``input @ weight.T + bias``.

    Parameters
    ----------
    input : Tensor, shape (..., in_features)
    weight : Tensor, shape (out_features, in_features)
    bias : Tensor, shape (out_features,), optional

    Returns
    -------
    Tensor, shape (..., out_features)

    Raises
    ------
    RuntimeError
        ``mat1 and mat2 shapes cannot be multiplied (1x768 and 3072x10)``, a bias of another
        size, or mixed dtypes.
    TypeError
        If an argument is not a tensor.
    """
    result = apply_if(is_linear, MM if bias is None else ADDMM, input, weight, bias)
    if result is not None:
        return result
    try:
        x, w = input._data, weight._data
        b = None if bias is None else bias._data
    except AttributeError:
        _refuse("linear", input, weight, bias)
    linear_shape(x.shape, w.shape, None if b is None else b.shape)
    dtype = w.dtype
    if x.dtype != dtype or (b is not None and b.dtype != dtype):
        _mixed_linear(x, w, b)
    if dtype.kind != "f":
        product = input.matmul(weight.transpose(0, 1))
        return product if bias is None else product + bias
    if x.ndim != 2:
        if bias is not None:
            return apply(LINEAR_ND, (input, weight, bias))
        op = LINEAR_VECTOR_UNBIASED if x.ndim == 1 else LINEAR_ND_UNBIASED
        return apply(op, (input, weight))
    return apply(MM, (input, weight)) if bias is None else apply(ADDMM, (input, weight, bias))


def linear_relu(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``relu`` of :func:`linear`, to the bit and with the same graph."""
    if bias is None:
        return apply(RELU, (linear(input, weight),))
    result = apply_if(is_linear, ADDMM_RELU, input, weight, bias)
    if result is None:
        return apply(RELU, (linear(input, weight, bias),))
    return apply(RELU_DONE, (result,)) if result._requires_grad else result


def _refuse(name: str, *tensors: object) -> NoReturn:
    for i, argument in enumerate(("input", "weight", "bias")):
        if argument != "bias" or tensors[i] is not None:
            require_tensor(tensors[i], name, argument, i + 1)
    raise AssertionError("all arguments are tensors")


def _mixed_linear(x: Array, weight: Array, bias: Array | None) -> NoReturn:
    if bias is None:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {_c_name(x)} != {_c_name(weight)}"
        )
    if x.dtype != weight.dtype:
        raise RuntimeError(
            "mat1 and mat2 must have the same dtype, "
            f"but got {scalar_name(x.dtype)} and {scalar_name(weight.dtype)}"
        )
    raise RuntimeError(
        "self and mat2 must have the same dtype, "
        f"but got {scalar_name(bias.dtype)} and {scalar_name(weight.dtype)}"
    )


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """Correlate an image with a bank of filters.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W)
    weight : Tensor, shape (K, C / groups, R, S)
    bias : Tensor, shape (K,), optional
    stride, dilation : int or (int, int)
    padding : int, (int, int), "same" or "valid"
        Zeros around the input; ``"same"`` keeps (H, W) and needs stride 1.
    groups : int
        Into how many independent convolutions the channels are cut.

    Returns
    -------
    Tensor, shape (N, K, P, Q) or (K, P, Q)
        P = (H + 2 padding - dilation (R - 1) - 1) // stride + 1, and Q likewise.

    Raises
    ------
    RuntimeError
        For sizes, settings or dtypes that do not fit each other.
    TypeError
        If an argument is not a tensor, or a setting is not of integers.
    MemoryError
        If there is no memory for the result or a workspace, or padded planes would have more than
        2^50 elements.
    """
    # pairs are what is checked quickly
    if type(stride) is int:
        stride = stride, stride
    if type(padding) is int:
        padding = padding, padding
    if type(dilation) is int:
        dilation = dilation, dilation
    return convolve(input, weight, bias, (stride, padding, dilation, groups))


def convolve(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    how: tuple[Any, Any, Any, int],
    relu: bool = False,
) -> Tensor:
    """:func:`conv2d`; with ``relu`` also ``relu`` of it, to the bit and with the same graph.

    ``how`` is conv2d's ``(stride, padding, dilation, groups)``.
    """
    stride, padding, dilation, groups = how
    try:
        x, w = input._data, weight._data
        b = None if bias is None else bias._data
    except AttributeError:
        _refuse("conv2d", input, weight, bias)
    op = CONV2D
    if is_conv2d(x, w, b, stride, padding, dilation, groups):
        vertical, horizontal = padding
        padding = (vertical, vertical, horizontal, horizontal)
    else:
        stride = window.conv2d_pair("stride", stride)
        dilation = window.conv2d_pair("dilation", dilation)
        if not isinstance(padding, str):
            padding = window.conv2d_pair("padding", padding)
        bias_shape = None if b is None else b.shape
        padding = _sides(x.shape, w.shape, bias_shape, stride, padding, dilation, groups)
        if x.dtype != w.dtype or (b is not None and b.dtype != w.dtype):
            _mixed_conv2d(x, w, b)
        if w.dtype.kind != "f":
            raise NotImplementedError(f"\"conv2d\" not implemented for '{scalar_name(w.dtype)}'")
        if x.ndim == 3:
            op = CONV2D_UNBATCHED
    _, algorithm, precision = settings()
    result = apply(
        op, (input, weight, bias), stride, padding, dilation, groups, algorithm, precision, relu
    )
    return apply(RELU_DONE, (result,)) if relu and result._requires_grad else result


@lru_cache(512, typed=True)
def _sides(
    x: Shape,
    weight: Shape,
    bias: Shape | None,
    stride: Pair,
    padding: str | Pair,
    dilation: Pair,
    groups: int,
) -> Padding:
    """Check the shapes, once for each; give the padding as (top, bottom, left, right)."""
    sides: Padding = (0, 0, 0, 0)
    if len(weight) == 4:
        sides = window.conv2d_padding(padding, weight[2:], stride, dilation)
    batched = (1, *x) if len(x) == 3 else x
    window.conv2d_output(batched, weight, bias, stride, sides, dilation, groups)
    return sides


def _mixed_conv2d(x: Array, weight: Array, bias: Array | None) -> NoReturn:
    if bias is not None and x.dtype != bias.dtype:
        raise RuntimeError(
            f"Input type ({_c_name(x)}) and bias type ({_c_name(bias)}) should be the same"
        )
    raise RuntimeError(
        f"Input type ({_c_name(x)}) and weight type ({_c_name(weight)}) should be the same"
    )
