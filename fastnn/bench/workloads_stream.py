"""Pooling, the loss and the optimisers: what memory rather than arithmetic should bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .prepared import Prepared, numpy_of, random_array, tensors

__all__ = ["loss_step", "optimiser_step", "pool_step", "torch_pool_step"]

Params = dict[str, Any]
#: Rows of logits are this long.
CLASSES = 64


def _gradient(x: Any, run: Callable[[], Any], grad: Any = None) -> Prepared:
    """Forward and backward to the one leaf ``x``."""
    x.requires_grad_()

    def step() -> Any:
        x.grad = None
        run().backward(grad)
        return x.grad

    return Prepared({"": step}, lambda: numpy_of([step()]))


def pool_step(torch: Any, p: Params, **layout: Any) -> Prepared:
    """Maxima or means of square windows, forward and backward."""
    functional, how = torch.nn.functional, (p["k"], p["stride"], p["pad"])
    pool = functional.max_pool2d if p["op"] == "max" else functional.avg_pool2d
    (x,) = tensors(torch, random_array(p["n"], p["c"], p["size"], p["size"]))
    (grad,) = tensors(torch, random_array(*pool(x, *how).shape, seed=1))
    if layout:
        x, grad = x.contiguous(**layout), grad.contiguous(**layout)
    return _gradient(x, lambda: pool(x, *how), grad)


def torch_pool_step(torch: Any, p: Params) -> Prepared:
    """The same in both of PyTorch's layouts."""
    usual, last = pool_step(torch, p), pool_step(torch, p, memory_format=torch.channels_last)
    return Prepared({**usual.variants, "channels_last": last.variants[""]}, usual.result)


def loss_step(torch: Any, p: Params) -> Prepared:
    """Mean cross-entropy of rows of logits, forward and backward."""
    rows = p["count"] // CLASSES
    x, target = tensors(torch, random_array(rows, CLASSES), np.arange(rows) * 7 % CLASSES)
    cross_entropy = torch.nn.functional.cross_entropy
    return _gradient(x, lambda: cross_entropy(x, target))


def optimiser_step(torch: Any, p: Params, **fused: bool) -> Prepared:
    """One step of one array of parameters."""

    def fresh() -> tuple[Any, Any]:
        value, grad = tensors(torch, random_array(p["count"]), random_array(p["count"], seed=1))
        parameter = torch.nn.Parameter(value)
        parameter.grad = grad
        if p["op"] == "Adam":
            return parameter, torch.optim.Adam([parameter], lr=1e-3, **fused)
        momentum = 0.9 if p["op"] == "SGD momentum" else 0.0
        return parameter, torch.optim.SGD([parameter], lr=1e-3, momentum=momentum, **fused)

    def result() -> list[Any]:
        parameter, optimiser = fresh()
        optimiser.step()
        return numpy_of([parameter])

    return Prepared({"": fresh()[1].step}, result)
