"""Automatic differentiation: gradients on request, grad mode, custom functions, checking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._engine import Node
from ._function import Function, FunctionCtx
from ._grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from ._gradcheck import GradcheckError, GradcheckReport, gradcheck, gradcheck_model
from .functions.gradient import CREATE_GRAPH, gradients, seed_for
from .tensor import Tensor, wrap

__all__ = [
    "Function",
    "FunctionCtx",
    "GradcheckError",
    "GradcheckReport",
    "Node",
    "backward",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradcheck_model",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
]

Tensors = Tensor | Sequence[Tensor]


def _listed(value: Any) -> list[Any]:
    return [value] if value is None or isinstance(value, Tensor) else list(value)


def _seeds(outputs: list[Tensor], grad_outputs: Any) -> list[Any]:
    given = [None] * len(outputs) if grad_outputs is None else _listed(grad_outputs)
    if len(given) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(given)} gradients")
    return [seed_for(t, each, i) for i, (t, each) in enumerate(zip(outputs, given, strict=True))]


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Return the gradients of ``outputs`` in ``inputs``, leaving every ``grad`` alone.

    Parameters
    ----------
    outputs, inputs : Tensor or sequence of Tensor
        Whose gradients, and in what; inputs need not be leaves.
    grad_outputs : Tensor or sequence, optional
        The gradient of some scalar in each output; may be left out (or None) for outputs with
        one element.
    retain_graph : bool, optional
        Keep what was saved, so that the graph can be used again.
    create_graph : bool
        Must be False: gradients of gradients are not supported.
    allow_unused : bool, optional
        Return None for an input that the outputs do not depend on, instead of raising.
    materialize_grads : bool
        Return zeros instead of None.

    Returns
    -------
    tuple of Tensor or None
        One for each input.

    Raises
    ------
    RuntimeError
        If an output or input does not require grad, an input was not used, or the graph was
        freed.
    """
    if create_graph:
        raise RuntimeError(CREATE_GRAPH)
    sources, goals = _listed(outputs), _listed(inputs)
    found = gradients(sources, goals, _seeds(sources, grad_outputs), bool(retain_graph))
    results: list[Tensor | None] = []
    for i, (goal, array) in enumerate(zip(goals, found, strict=True)):
        if array is not None:
            results.append(wrap(array.copy()))
        elif materialize_grads:
            results.append(wrap(np.zeros_like(goal._data)))
        elif allow_unused:
            results.append(None)
        else:
            raise RuntimeError(
                f"The differentiated Tensor at index {i} appears to not have been used in the "
                "graph. Set allow_unused=True if this is the desired behavior."
            )
    return tuple(results)


def backward(
    tensors: Tensors,
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensors | None = None,
) -> None:
    """Add the gradients of several tensors to the ``grad`` of the leaves, as Tensor.backward.

    The graphs are walked one after the other, and are freed after the last unless
    ``retain_graph``.

    Raises
    ------
    RuntimeError
        As Tensor.backward.
    """
    sources = _listed(tensors)
    seeds = [wrap(seed) for seed in _seeds(sources, grad_tensors)]
    for i, (t, seed) in enumerate(zip(sources, seeds, strict=True)):
        keep = retain_graph or i + 1 < len(sources)
        t.backward(seed, keep, create_graph, inputs)
