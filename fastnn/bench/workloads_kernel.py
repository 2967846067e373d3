"""One function of a backend, called as an operation calls it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .. import tensor
from ..backends import settings
from .bandwidth import KERNELS
from .prepared import Array, Prepared, random_array

__all__ = ["fastnn_kernel"]

Call = Callable[[], Any]
#: Of the kernel's name, of so many rows, forward or backward.
Builder = Callable[[str, int, bool], Call]
#: Rows of which the result is compared with the reference's.
CHECKED = 4


def _arrays(*arrays: Array) -> list[Array]:
    """Copies in fastnn's memory, where the arrays of a net are."""
    return [tensor(array).numpy() for array in arrays]


def _relu(op: str, rows: int, backward: bool) -> Call:
    x, grad = _arrays(*(random_array(rows, *KERNELS[op].shape, seed=s) for s in (0, 1)))
    backend = settings().backend
    return partial(backend.relu_backward, grad, x) if backward else partial(backend.relu, x)


def _bias(op: str, rows: int, backward: bool) -> Call:
    shape = KERNELS[op].shape
    planes = len(shape) == 2
    (grad,) = _arrays(random_array(rows // 4, 4, *shape) if planes else random_array(rows, *shape))
    return partial(settings().backend.sum, grad, (0, 2, 3) if planes else (0,))


def _pool(op: str, rows: int, backward: bool) -> Call:
    backend, (height, width) = settings().backend, KERNELS[op].shape
    k = 3 if "3x3" in op else 2
    shape, out = (height, width), ((height - k) // 2 + 1, (width - k) // 2 + 1)
    windows = ((k, k), (2, 2), (0, 0))
    x, grad = _arrays(random_array(1, rows, *shape), random_array(1, rows, *out, seed=1))
    if op.startswith("mean"):
        if backward:
            return partial(backend.avg_pool2d_backward, grad, shape, *windows, True, None)
        return partial(backend.avg_pool2d, x, *windows, out, True, None)
    forward = partial(backend.max_pool2d_recorded, x, *windows, (1, 1), out)
    if not backward:
        return forward
    return partial(backend.max_pool2d_backward, grad, forward()[1], shape)


def _softmax(op: str, rows: int, backward: bool) -> Call:
    backend = settings().backend
    x, grad = _arrays(*(random_array(rows, *KERNELS[op].shape, seed=s) for s in (0, 1)))
    if not backward:
        return partial(backend.softmax, x, 1)
    (y,) = _arrays(backend.softmax(x, 1))
    return partial(backend.softmax_backward, grad, y, 1)


def _loss(op: str, rows: int, backward: bool) -> Call:
    backend, (classes,) = settings().backend, KERNELS[op].shape
    x, target = _arrays(random_array(rows, classes), np.arange(rows) * 7 % classes)
    how = (x, target, None, -100, 0.0, "mean")
    if not backward:
        return partial(backend.cross_entropy, *how)
    _, lse, divisor = backend.cross_entropy(*how)
    grad = np.ones((), np.float32)
    return partial(backend.cross_entropy_backward, grad, *how, lse, divisor)


def _optimiser(op: str, rows: int, backward: bool) -> Call:
    backend, shape = settings().backend, (rows, *KERNELS[op].shape)
    value, grad, first, second = ([a] for a in _arrays(*(random_array(*shape) for _ in range(4))))
    np.square(second[0], out=second[0])
    how: dict[str, Any] = {"lr": 1e-3, "weight_decay": 0.0, "maximize": False}
    if op == "Adam":
        how |= {"step": 1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "decoupled": False}
        run = partial(backend.adam_step, value, grad, first, second, None, **how)
    else:
        momentum = 0.9 if op == "SGD momentum" else 0.0
        how |= {"first": False, "momentum": momentum, "dampening": 0.0, "nesterov": False}
        run = partial(backend.sgd_step, value, grad, first if momentum else None, **how)

    def step() -> list[Array]:
        run()
        return value

    return step


_BUILDERS: dict[str, Builder] = {
    "ReLU": _relu,
    "bias": _bias,
    "max": _pool,
    "mean": _pool,
    "softmax": _softmax,
    "cross-entropy": _loss,
    "SGD": _optimiser,
    "Adam": _optimiser,
}


def fastnn_kernel(p: dict[str, Any]) -> Prepared:
    """The kernel ``op`` of :data:`.bandwidth.KERNELS` over that many rows or planes."""
    op = p["op"]
    build = _BUILDERS[op.replace(",", "").split()[0]]
    backward = "gradient" in op

    def result() -> list[Array]:
        got = build(op, CHECKED, backward)()
        arrays = [np.array(a) for a in (got if isinstance(got, tuple | list) else (got,))]
        # what max pooling records is its backend's own; its gradient tells whether it is right
        return [a for a in arrays if a.dtype.kind == "f"]

    return Prepared({"": build(op, p["rows"], backward)}, result)
