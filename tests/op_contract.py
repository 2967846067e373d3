"""Every op checked at each call that any test makes: only true arrays go in and out.

NumPy's operators make scalars (``np.float32``) of arrays without dimensions, and a scalar in
a Tensor breaks whatever writes into it.  Wrapping the rules of all ops, once per session,
looks for that wherever a test computes something.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import fastnn.ops
from fastnn._engine import Op

#: Ops that ran, forward or (where in-place changes only record them) backward, on inputs of
#: which none has dimensions.
met_scalars: set[Op] = set()


def all_ops() -> dict[Op, str]:
    """Every op of :mod:`fastnn.ops`, with the names it is found under."""
    found: dict[Op, str] = {}
    for module in pkgutil.iter_modules(fastnn.ops.__path__):
        names = vars(importlib.import_module(f"fastnn.ops.{module.name}"))
        for name, value in names.items():
            for op in value.values() if isinstance(value, dict) else [value]:
                if isinstance(op, Op):
                    found.setdefault(op, f"{module.name}.{name}")
    return found


def _arrays(values: Any) -> Iterator[Any]:
    if isinstance(values, (tuple, list)):
        for value in values:
            yield from _arrays(value)
    elif isinstance(values, (np.ndarray, np.generic)):
        yield values


def _require_arrays(values: Any, what: str) -> None:
    for value in values if isinstance(values, tuple) else (values,):
        assert value is None or type(value) is np.ndarray, f"{what} gave a {type(value).__name__}"


def _checked_forward(op: Op, name: str, forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(settings: Any, *inputs: Any) -> Any:
        out, saved = forward(settings, *inputs)
        assert out is not None
        _require_arrays(out, f"{name}.forward")
        if all(a.ndim == 0 for a in _arrays(inputs)):
            met_scalars.add(op)
        return out, saved

    return run


def _checked_backward(op: Op, name: str, backward: Callable[..., Any]) -> Callable[..., Any]:
    def run(settings: Any, saved: Any, grad: Any, needs: tuple[bool, ...]) -> Any:
        _require_arrays(tuple(grad) if isinstance(grad, list) else grad, f"the user of {name}")
        grads = backward(settings, saved, grad, needs)
        assert type(grads) is tuple, name
        assert len(grads) == len(needs), name
        _require_arrays(grads, f"{name}.backward")
        if all(a.ndim == 0 for a in _arrays(grad)):
            met_scalars.add(op)
        return grads

    return run


def install() -> Callable[[], None]:
    """Wrap the rules of all ops; returns the function that takes it back."""
    before = [(op, op.forward, op.backward) for op in all_ops()]
    for op, name in all_ops().items():
        op.forward = _checked_forward(op, name, op.forward)
        op.backward = _checked_backward(op, name, op.backward)

    def undo() -> None:
        for op, forward, backward in before:
            op.forward, op.backward = forward, backward

    return undo
