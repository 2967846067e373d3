"""Convolutions, one pass or a whole training step, in each library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import CONV_ALGORITHMS, Padding, Pair, _native, settings
from .onnx_model import onnx_call
from .prepared import Array, Prepared, numpy_of, random_array, tensors

__all__ = ["fastnn_conv", "fastnn_each_algorithm", "onnxruntime_conv", "torch_conv"]

Params = dict[str, Any]
Call = Callable[[], Any]

#: Which gradients a pass computes, as ``conv2d_backward`` wants to know it.
NEEDS = {"input": (True, False, False), "weight": (False, True, False)}


def _operands(p: Params, images: int | None = None) -> tuple[Array, Array, Array]:
    """Input, weight, bias; with ``images``, so many copies of one image."""
    dtype = p["dtype"]
    x = random_array((images and 1) or p["n"], p["c"], p["size"], p["size"], dtype=dtype)
    weight = random_array(p["k"], p["c"] // p["groups"], p["r"], p["s"], seed=1, dtype=dtype)
    return np.repeat(x, images or 1, 0), weight, random_array(p["k"], seed=2, dtype=dtype)


def _gradient(p: Params, x: Array, images: int | None = None) -> Array:
    """A gradient of the output, the same for every image if ``images`` is given."""
    height = (p["size"] + 2 * p["pad_h"] - p["dilation"] * (p["r"] - 1) - 1) // p["stride"] + 1
    width = (p["size"] + 2 * p["pad_w"] - p["dilation"] * (p["s"] - 1) - 1) // p["stride"] + 1
    one = random_array((images and 1) or len(x), p["k"], height, width, seed=3, dtype=p["dtype"])
    return np.repeat(one, images or 1, 0)


def _forward(torch: Any, p: Params, x: Any, weight: Any, bias: Any) -> Call:
    conv2d, no_grad = torch.nn.functional.conv2d, torch.no_grad
    how = (p["stride"], (p["pad_h"], p["pad_w"]), p["dilation"], p["groups"])

    def forward() -> Any:
        with no_grad():
            return conv2d(x, weight, bias, *how)

    return forward


def _training(torch: Any, p: Params, x: Any, weight: Any, bias: Any, grad: Any) -> Call:
    conv2d = torch.nn.functional.conv2d
    how = (p["stride"], (p["pad_h"], p["pad_w"]), p["dilation"], p["groups"])
    leaves = [x.requires_grad_(), weight.requires_grad_(), bias.requires_grad_()]

    def training() -> list[Any]:
        for leaf in leaves:
            leaf.grad = None
        conv2d(x, weight, bias, *how).backward(grad)
        return [leaf.grad for leaf in leaves]

    return training


def _how(p: Params) -> tuple[Pair, Padding, Pair, int]:
    """What the backend's functions take after the arrays."""
    padding = (p["pad_h"], p["pad_h"], p["pad_w"], p["pad_w"])
    return (p["stride"], p["stride"]), padding, (p["dilation"], p["dilation"]), p["groups"]


def _backend_call(p: Params, algorithm: str, images: int | None = None) -> Call:
    """One pass as the selected backend's function."""
    import fastnn

    operands = _operands(p, images)
    arrays = (*operands, _gradient(p, operands[0], images))
    x, weight, bias, grad = (tensor.numpy() for tensor in tensors(fastnn, *arrays))
    backend, how = settings().backend, _how(p)
    ways = {"algorithm": algorithm, "precision": p.get("precision", "fast")}
    if p["which"] == "forward":
        return lambda: backend.conv2d(x, weight, bias, *how, **ways)
    needs = NEEDS[p["which"]]
    return lambda: backend.conv2d_backward(grad, x, weight, *how, needs=needs, **ways)


def _fastnn_call(p: Params, images: int | None = None) -> Call:
    import fastnn

    if p["which"] in NEEDS or "precision" in p:
        return _backend_call(p, settings().algorithm, images)
    x, weight, bias = _operands(p, images)
    if p["which"] == "forward":
        return _forward(fastnn, p, *tensors(fastnn, x, weight, bias))
    return _training(fastnn, p, *tensors(fastnn, x, weight, bias, _gradient(p, x, images)))


def _torch_call(p: Params, channels_last: bool, images: int | None = None) -> Call:
    import torch

    x, weight, bias = _operands(p, images)
    grad = _gradient(p, x, images)
    operands = tensors(torch, x, weight, bias, grad)
    if channels_last:
        layout = torch.channels_last
        operands = [t.contiguous(memory_format=layout) if t.ndim == 4 else t for t in operands]
    if p["which"] == "forward":
        return _forward(torch, p, *operands[:3])
    if p["which"] == "training":
        return _training(torch, p, *operands)
    a, w, _, g = operands
    how = ([p["stride"]] * 2, [p["pad_h"], p["pad_w"]], [p["dilation"]] * 2, False, [0, 0])
    backward = torch.ops.aten.convolution_backward
    needs = list(NEEDS[p["which"]])
    return lambda: backward(g, a, w, None, *how, p["groups"], needs)


def _first_image(p: Params, result: Any) -> list[Array]:
    """What to compare, from a call on ``n`` copies of one image.

    Results of images by the first and the last; sums over images by their share of one.
    """
    values = result if isinstance(result, list | tuple) else [result]
    arrays = [v if isinstance(v, np.ndarray) else numpy_of([v])[0] for v in values if v is not None]
    summed = {"forward": (False,), "input": (False,), "weight": (True,)}
    sums = summed.get(p["which"], (False, True, True))
    return [
        part
        for array, is_sum in zip(arrays, sums, strict=True)
        for part in ([array / p["n"]] if is_sum else [array[0], array[-1]])
    ]


def _prepared(p: Params, variants: dict[str, Call], verified: Callable[[int], Call]) -> Prepared:
    return Prepared(dict(variants), lambda: _first_image(p, verified(p["n"])()))


def fastnn_conv(p: Params) -> Prepared:
    """fastnn, with the algorithm that the context says."""
    return _prepared(p, {"": _fastnn_call(p)}, lambda n: _fastnn_call(p, n))


def fastnn_each_algorithm(p: Params) -> Prepared | None:
    """Fastnn's own choice as ``auto``, and each algorithm that can do the pass."""
    if p["which"] == "training":
        return None
    variants = {}
    for name in CONV_ALGORITHMS:
        call = _backend_call(p, name)
        try:
            call()
        except RuntimeError:  # this algorithm cannot do the shape
            continue
        variants[name] = call
    prepared = _prepared(p, variants, lambda n: _fastnn_call(p, n))
    prepared.chosen = _chosen(p)
    return prepared


def _chosen(p: Params) -> str:
    x = (p["n"], p["c"], p["size"], p["size"])
    weight = (p["k"], p["c"] // p["groups"], p["r"], p["s"])
    plan = _native.conv2d_plan(x, weight, *_how(p), which=p["which"], dtype=p["dtype"])
    return str(plan["algorithm"])


def torch_conv(p: Params) -> Prepared:
    """PyTorch in both layouts."""
    layouts = {"": False, "channels_last": True}
    variants = {name: _torch_call(p, last) for name, last in layouts.items()}
    return _prepared(p, variants, lambda n: _torch_call(p, False, n))


def onnxruntime_conv(p: Params) -> Prepared | None:
    """ONNX Runtime: the forward pass as a model of one node; it has no float64."""
    if p["which"] != "forward" or p["dtype"] != "float32":
        return None
    from onnx import helper, numpy_helper

    x, weight, bias = _operands(p)
    node = helper.make_node(
        "Conv",
        ["x", "w", "b"],
        ["y"],
        strides=[p["stride"]] * 2,
        pads=[p["pad_h"], p["pad_w"]] * 2,
        dilations=[p["dilation"]] * 2,
        group=p["groups"],
    )
    weights = [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")]
    return _prepared(
        p,
        {"": onnx_call([node], weights, "x", "y", x)},
        lambda n: onnx_call([node], weights, "x", "y", _operands(p, n)[0]),
    )
