"""Models for ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .prepared import Array

__all__ = ["onnx_call"]


def onnx_call(
    nodes: list[Any], weights: list[Any], source: str, target: str, x: Array
) -> Callable[[], list[Array]]:
    """A model of these nodes as a call without arguments, on one thread."""
    import onnxruntime
    from onnx import helper, numpy_helper

    kind = numpy_helper.from_array(x[:1]).data_type
    inputs = [helper.make_tensor_value_info(source, kind, list(x.shape))]
    outputs = [helper.make_tensor_value_info(target, kind, None)]
    graph = helper.make_graph(nodes, "net", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {source: x})
