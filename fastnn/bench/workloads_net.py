"""Whole nets in each library: training steps and inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import nets
from .onnx_model import onnx_call
from .prepared import Array, Prepared, numpy_of, tensors

__all__ = ["compiled_net", "fastnn_net", "onnxruntime_net", "torch_net"]

Params = dict[str, Any]
Call = Callable[[], Any]


def _inference(torch: Any, net: Any, x: Any) -> Call:
    net.eval()

    def forward() -> Any:
        with torch.inference_mode():
            return net(x)

    return forward


def _first_results(p: Params, call: Call) -> list[Array]:
    """The output, or the losses of the first three steps."""
    if p["task"] == "infer":
        return numpy_of([call()])
    return [np.array([call().item() for _ in range(3)])]


def _prepared(p: Params, variants: dict[str, Call], fresh: Callable[[], Call]) -> Prepared:
    return Prepared(dict(variants), lambda: _first_results(p, fresh()))


def _fastnn_weights(p: Params) -> Any:
    import fastnn

    fastnn.manual_seed(0)
    return nets.build(p["net"], fastnn.nn)


def fastnn_net(p: Params) -> Prepared:
    """fastnn, eagerly."""
    import fastnn

    x, y = tensors(fastnn, *nets.inputs(p["net"], p["batch"]))

    def fresh() -> Call:
        net = _fastnn_weights(p)
        if p["task"] == "infer":
            return _inference(fastnn, net, x)
        return nets.training_step(fastnn, net, x, y)

    return _prepared(p, {"": fresh()}, fresh)


def _torch_call(p: Params, channels_last: bool, compiled: bool) -> Call:
    import torch

    x, y = tensors(torch, *nets.inputs(p["net"], p["batch"]))
    net = nets.build(p["net"], torch.nn)
    weights = _fastnn_weights(p).state_dict()
    net.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in weights.items()})
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    if compiled:
        net = torch.compile(net)
    if p["task"] == "infer":
        return _inference(torch, net, x)
    return nets.training_step(torch, net, x, y, fused=True)


def torch_net(p: Params) -> Prepared:
    """PyTorch eagerly, images in both layouts, the optimiser fused."""
    variants = {"": _torch_call(p, False, False)}
    if len(nets.NETS[p["net"]][0]) == 3:
        variants["channels_last"] = _torch_call(p, True, False)
    return _prepared(p, variants, lambda: _torch_call(p, False, False))


def compiled_net(p: Params) -> Prepared:
    """``torch.compile`` with its default settings, the optimiser fused; compiled on return."""
    import torch

    torch.compiler.reset()  # else the nets before count against its limit of variants
    call = _torch_call(p, False, True)
    results = _first_results(p, call)
    return Prepared({"": call}, lambda: results)


def _nodes(net: Any) -> tuple[list[Any], list[Any]]:
    """The layers of a Sequential as ONNX nodes from ``t0`` on, and their weights."""
    from onnx import helper, numpy_helper

    nodes, weights = [], []
    for i, layer in enumerate(net):
        kind = type(layer).__name__
        names = [f"t{i}"]
        for name, parameter in layer.named_parameters():
            names.append(f"{name}{i}")
            weights.append(numpy_helper.from_array(parameter.detach().numpy().copy(), names[-1]))
        attributes: dict[str, Any] = {}
        if kind == "Conv2d":
            attributes = {"strides": layer.stride, "pads": layer.padding * 2, "group": layer.groups}
        elif kind == "MaxPool2d":
            attributes = {"kernel_shape": [layer.kernel_size] * 2, "strides": [layer.stride] * 2}
        elif kind == "Linear":
            attributes = {"transB": 1}
        operator = {"Conv2d": "Conv", "MaxPool2d": "MaxPool", "Linear": "Gemm", "ReLU": "Relu"}
        nodes.append(helper.make_node(operator.get(kind, kind), names, [f"t{i + 1}"], **attributes))
    return nodes, weights


def onnxruntime_net(p: Params) -> Prepared | None:
    """ONNX Runtime: inference."""
    if p["task"] != "infer":
        return None
    x = nets.inputs(p["net"], p["batch"])[0]
    nodes, weights = _nodes(_fastnn_weights(p))
    run = onnx_call(nodes, weights, "t0", f"t{len(nodes)}", x)
    return Prepared({"": run}, run)
