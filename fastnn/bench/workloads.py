"""A case made into something to call, for each library; imported in the peer's own process."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .cases import Case
from .memory import training_memory
from .prepared import Prepared, numpy_of, random_array, tensors
from .workloads_conv import fastnn_conv, fastnn_each_algorithm, onnxruntime_conv, torch_conv
from .workloads_kernel import fastnn_kernel
from .workloads_net import compiled_net, fastnn_net, onnxruntime_net, torch_net
from .workloads_product import (
    numpy_batch,
    numpy_dot,
    numpy_gemm,
    packed_gemm,
    torch_like_batch,
    torch_like_dot,
    torch_like_gemm,
)
from .workloads_stream import loss_step, optimiser_step, pool_step, torch_pool_step

__all__ = ["prepare"]

Builder = Callable[[dict[str, Any]], Prepared | None]


def _torch_like_elementwise(torch: Any, p: dict[str, Any]) -> Prepared:
    count = p["count"]
    x, y = tensors(torch, random_array(count // 64, 64), random_array(count // 64, 64, seed=1))
    call: Callable[[], Any] = {
        "relu": lambda: torch.relu(x),
        "add": lambda: torch.add(x, y),
        "exp": lambda: torch.exp(x),
        "softmax": lambda: torch.softmax(x, 1),
    }[p["op"]]
    return Prepared({"": call}, lambda: numpy_of([call()]))


def _numpy_elementwise(p: dict[str, Any]) -> Prepared | None:
    if p["op"] == "softmax":
        return None
    x, y = random_array(p["count"] // 64, 64), random_array(p["count"] // 64, 64, seed=1)
    call: Callable[[], Any] = {
        "relu": lambda: np.maximum(x, 0),
        "add": lambda: np.add(x, y),
        "exp": lambda: np.exp(x),
    }[p["op"]]
    return Prepared({"": call}, lambda: [call()])


def _like_torch(library: str, build: Callable[[Any, dict[str, Any]], Prepared]) -> Builder:
    return lambda p: build(importlib.import_module(library), p)


#: Library and kind of case to what makes one; what is not there the library cannot do.
BUILDERS: dict[tuple[str, str], Builder] = {
    **{(torch, "gemm"): _like_torch(torch, torch_like_gemm) for torch in ("fastnn", "torch")},
    ("numpy", "gemm"): numpy_gemm,
    ("fastnn", "packed"): packed_gemm,
    ("torch", "packed"): _like_torch("torch", torch_like_gemm),
    ("numpy", "packed"): numpy_gemm,
    **{(torch, "batch"): _like_torch(torch, torch_like_batch) for torch in ("fastnn", "torch")},
    ("numpy", "batch"): numpy_batch,
    **{(torch, "dot"): _like_torch(torch, torch_like_dot) for torch in ("fastnn", "torch")},
    ("numpy", "dot"): numpy_dot,
    ("fastnn", "elementwise"): _like_torch("fastnn", _torch_like_elementwise),
    ("torch", "elementwise"): _like_torch("torch", _torch_like_elementwise),
    ("numpy", "elementwise"): _numpy_elementwise,
    ("fastnn", "pool"): _like_torch("fastnn", pool_step),
    ("torch", "pool"): _like_torch("torch", torch_pool_step),
    **{(torch, "loss"): _like_torch(torch, loss_step) for torch in ("fastnn", "torch")},
    ("fastnn", "kernel"): fastnn_kernel,
    ("fastnn", "optim"): _like_torch("fastnn", optimiser_step),
    ("torch", "optim"): _like_torch("torch", partial(optimiser_step, fused=True)),
    ("fastnn", "memory"): _like_torch("fastnn", training_memory),
    ("torch", "memory"): _like_torch("torch", partial(training_memory, fused=True)),
    ("fastnn", "conv"): fastnn_conv,
    ("algorithms", "conv"): fastnn_each_algorithm,
    ("torch", "conv"): torch_conv,
    ("onnxruntime", "conv"): onnxruntime_conv,
    ("fastnn", "net"): fastnn_net,
    ("torch", "net"): torch_net,
    ("torch.compile", "net"): compiled_net,
    ("onnxruntime", "net"): onnxruntime_net,
}


def prepare(library: str, case: Case) -> Prepared | None:
    """The case in that library, or None if the library has no such thing.

    ``"algorithms"`` is fastnn with each convolution algorithm as a variant.
    """
    build = BUILDERS.get((library, case.kind))
    return None if build is None else build(case.params)
