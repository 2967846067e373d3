"""Products of matrices and vectors in each library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .prepared import Array, Prepared, numpy_of, random_array, tensors

__all__ = [
    "numpy_batch",
    "numpy_dot",
    "numpy_gemm",
    "packed_gemm",
    "torch_like_batch",
    "torch_like_dot",
    "torch_like_gemm",
]

Params = dict[str, Any]


def _gemm_operands(p: Params) -> tuple[Array, Array]:
    a = random_array(p["m"], p["k"])
    b = (
        random_array(p["n"], p["k"], seed=1).T
        if p["layout"] == "nt"
        else random_array(p["k"], p["n"], seed=1)
    )
    return a, b


def _batch_operands(p: Params) -> tuple[Array, Array]:
    n = p["n"]
    return random_array(p["count"], n, n), random_array(p["count"], n, n, seed=1)


def _dot_operands(p: Params) -> tuple[Array, Array]:
    return random_array(p["count"]), random_array(p["count"], seed=1)


def _of_tensors(torch: Any, function: str, operands: tuple[Array, Array]) -> Prepared:
    call, (a, b) = getattr(torch, function), tensors(torch, *operands)
    return Prepared({"": lambda: call(a, b)}, lambda: numpy_of([call(a, b)]))


def _of_arrays(call: Callable[[Array, Array], Array], operands: tuple[Array, Array]) -> Prepared:
    a, b = operands
    return Prepared({"": lambda: call(a, b)}, lambda: [np.asarray(call(a, b))])


def torch_like_gemm(torch: Any, p: Params) -> Prepared:
    """``mm`` of fastnn or PyTorch."""
    return _of_tensors(torch, "mm", _gemm_operands(p))


def torch_like_batch(torch: Any, p: Params) -> Prepared:
    """``bmm`` of fastnn or PyTorch."""
    return _of_tensors(torch, "bmm", _batch_operands(p))


def torch_like_dot(torch: Any, p: Params) -> Prepared:
    """``dot`` of fastnn or PyTorch."""
    return _of_tensors(torch, "dot", _dot_operands(p))


def numpy_gemm(p: Params) -> Prepared:
    """``numpy.matmul``."""
    return _of_arrays(np.matmul, _gemm_operands(p))


def numpy_batch(p: Params) -> Prepared:
    """``numpy.matmul`` of stacks."""
    return _of_arrays(np.matmul, _batch_operands(p))


def numpy_dot(p: Params) -> Prepared:
    """``numpy.dot`` of vectors."""
    return _of_arrays(np.dot, _dot_operands(p))


def packed_gemm(p: Params) -> Prepared:
    """The product as the call of a Linear without bias that ``prepack`` made of a frozen one."""
    import fastnn

    a, b = _gemm_operands(p)
    layer = fastnn.nn.Linear(p["k"], p["n"], bias=False)
    x, weight = tensors(fastnn, a, np.ascontiguousarray(b.T))
    layer.weight = fastnn.nn.Parameter(weight, requires_grad=False)
    packed = fastnn.prepack(layer)
    return Prepared({"": lambda: packed(x)}, lambda: numpy_of([packed(x)]))
