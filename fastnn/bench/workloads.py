"""A case made into something to call, for each library; imported in the peer's own process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import nets
from .cases import Case

__all__ = ["Prepared", "prepare"]

Array = np.ndarray[Any, Any]


@dataclass
class Prepared:
    """A workload of one library.

    Attributes
    ----------
    variants : dict
        Name to callable; the library is represented by its fastest.
    result : callable
        Computes once and returns what to compare with the reference.
    """

    variants: dict[str, Callable[[], object]]
    result: Callable[[], list[Array]]


def _random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def _gemm_operands(p: dict[str, Any]) -> tuple[Array, Array]:
    a = _random(p["m"], p["k"])
    b = (
        _random(p["n"], p["k"], seed=1).T
        if p["layout"] == "nt"
        else _random(p["k"], p["n"], seed=1)
    )
    return a, b


def _conv_operands(p: dict[str, Any]) -> tuple[Array, Array, Array]:
    x = _random(p["n"], p["c"], p["size"], p["size"])
    weight = _random(p["k"], p["c"] // p["groups"], p["r"], p["r"], seed=1)
    return x, weight, _random(p["k"], seed=2)


def _tensors(torch: Any, *arrays: Array) -> list[Any]:
    return [torch.from_numpy(array) for array in arrays]


def _numpy_of(tensors: list[Any]) -> list[Array]:
    return [np.array(t.detach().numpy()) for t in tensors]


def _torch_like_gemm(torch: Any, p: dict[str, Any]) -> Prepared:
    a, b = _tensors(torch, *_gemm_operands(p))
    return Prepared({"": lambda: torch.mm(a, b)}, lambda: _numpy_of([torch.mm(a, b)]))


def _torch_like_elementwise(torch: Any, p: dict[str, Any]) -> Prepared:
    count = p["count"]
    x, y = _tensors(torch, _random(count // 64, 64), _random(count // 64, 64, seed=1))
    call: Callable[[], Any] = {
        "relu": lambda: torch.relu(x),
        "add": lambda: torch.add(x, y),
        "exp": lambda: torch.exp(x),
        "softmax": lambda: torch.softmax(x, 1),
    }[p["op"]]
    return Prepared({"": call}, lambda: _numpy_of([call()]))


def _conv_call(torch: Any, p: dict[str, Any], channels_last: bool) -> Callable[[], list[Any]]:
    functional = torch.nn.functional
    x, weight, bias = _tensors(torch, *_conv_operands(p))
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
        weight = weight.contiguous(memory_format=torch.channels_last)
    arguments = (p["stride"], p["padding"], 1, p["groups"])
    if p["which"] == "forward":
        no_grad = torch.no_grad

        def forward() -> list[Any]:
            with no_grad():
                return [functional.conv2d(x, weight, bias, *arguments)]

        return forward
    leaves = [x.requires_grad_(), weight.requires_grad_(), bias.requires_grad_()]
    gradient = torch.ones_like(functional.conv2d(x, weight, bias, *arguments)).detach()

    def training() -> list[Any]:
        for leaf in leaves:
            leaf.grad = None
        functional.conv2d(x, weight, bias, *arguments).backward(gradient)
        return [leaf.grad for leaf in leaves]

    return training


def _torch_like_conv(torch: Any, p: dict[str, Any], layouts: dict[str, bool]) -> Prepared:
    variants = {name: _conv_call(torch, p, last) for name, last in layouts.items()}
    first = next(iter(variants.values()))
    return Prepared(dict(variants), lambda: _numpy_of(first()))


def _fastnn_train(torch: Any, p: dict[str, Any]) -> Prepared:
    x, y = _tensors(torch, *nets.inputs(p["net"], p["batch"]))

    def fresh() -> Callable[[], Any]:
        torch.manual_seed(0)
        return nets.training_step(torch, nets.build(p["net"], torch.nn), x, y)

    def losses() -> list[Array]:
        step = fresh()
        return [np.array([step().item() for _ in range(3)])]

    return Prepared({"": fresh()}, losses)


def _torch_train(torch: Any, p: dict[str, Any]) -> Prepared:
    import fastnn

    x, y = _tensors(torch, *nets.inputs(p["net"], p["batch"]))

    def fresh(channels_last: bool) -> Callable[[], Any]:
        fastnn.manual_seed(0)
        weights = nets.build(p["net"], fastnn.nn).state_dict()
        net = nets.build(p["net"], torch.nn)
        net.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in weights.items()})
        batch = x
        if channels_last:
            net = net.to(memory_format=torch.channels_last)
            batch = x.contiguous(memory_format=torch.channels_last)
        return nets.training_step(torch, net, batch, y, fused=True)

    def losses() -> list[Array]:
        step = fresh(False)
        return [np.array([step().item() for _ in range(3)])]

    variants = {"": fresh(False)}
    if x.ndim == 4:
        variants["channels_last"] = fresh(True)
    return Prepared(dict(variants), losses)


def _fastnn(case: Case) -> Prepared:
    import fastnn

    if case.kind == "gemm":
        return _torch_like_gemm(fastnn, case.params)
    if case.kind == "elementwise":
        return _torch_like_elementwise(fastnn, case.params)
    if case.kind == "conv":
        return _torch_like_conv(fastnn, case.params, {"": False})
    return _fastnn_train(fastnn, case.params)


def _torch(case: Case) -> Prepared:
    import torch

    if case.kind == "gemm":
        return _torch_like_gemm(torch, case.params)
    if case.kind == "elementwise":
        return _torch_like_elementwise(torch, case.params)
    if case.kind == "conv":
        return _torch_like_conv(torch, case.params, {"": False, "channels_last": True})
    return _torch_train(torch, case.params)


def _numpy(case: Case) -> Prepared | None:
    p = case.params
    if case.kind == "gemm":
        a, b = _gemm_operands(p)
        return Prepared({"": lambda: np.matmul(a, b)}, lambda: [np.matmul(a, b)])
    if case.kind == "elementwise" and p["op"] != "softmax":
        count = int(p["count"])
        x, y = _random(count // 64, 64), _random(count // 64, 64, seed=1)
        call: Callable[[], Any] = {
            "relu": lambda: np.maximum(x, 0),
            "add": lambda: np.add(x, y),
            "exp": lambda: np.exp(x),
        }[str(p["op"])]
        return Prepared({"": call}, lambda: [call()])
    return None


def _onnxruntime(case: Case) -> Prepared | None:
    if case.kind != "conv" or case.params["which"] != "forward":
        return None
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    p: dict[str, Any] = case.params
    x, weight, bias = _conv_operands(p)
    node = helper.make_node(
        "Conv",
        ["x", "w", "b"],
        ["y"],
        strides=[p["stride"]] * 2,
        pads=[p["padding"]] * 4,
        group=p["groups"],
    )
    graph = helper.make_graph(
        [node],
        "conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(x.shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return Prepared(
        {"": lambda: session.run(None, {"x": x})}, lambda: list(session.run(None, {"x": x}))
    )


_LIBRARIES: dict[str, Callable[[Case], Prepared | None]] = {
    "fastnn": _fastnn,
    "numpy": _numpy,
    "torch": _torch,
    "onnxruntime": _onnxruntime,
}


def prepare(library: str, case: Case) -> Prepared | None:
    """The case in that library, or None if the library has no such thing."""
    return _LIBRARIES[library](case)
