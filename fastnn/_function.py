"""``Function``: an operation whose forward and backward are written over tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._engine import Op, grad_enabled
from ._grad_mode import no_grad
from .backends import Array, Settings, settings
from .ops._arrays import unbroadcast
from .tensor import Tensor, record, wrap

__all__ = ["Function", "FunctionCtx"]


class FunctionCtx:
    """Carries what a custom forward keeps for its backward.

    Attributes
    ----------
    needs_input_grad : tuple of bool
        For each argument of ``forward``, whether the backward has to compute its gradient.
    saved_tensors : tuple of Tensor or None
        What :meth:`save_for_backward` was given.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._saved: tuple[Tensor | None, ...] = ()
        self._constant: set[int] = set()
        self._materialize = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep ``tensors`` (arguments or results) for the backward; in-place changes are noticed.

        Raises
        ------
        TypeError
            If one is not a tensor.
        """
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    "save_for_backward can only save variables, but argument is of type "
                    f"{type(t).__name__}"
                )
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        return self._saved

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say that these results have no gradient."""
        self._constant = {id(t) for t in tensors}

    def set_materialize_grads(self, value: bool) -> None:
        """Whether the backward gets zeros (the default) or None for results nobody used."""
        self._materialize = value


class Function:
    """Base class of custom differentiable operations.

    A subclass defines static methods ``forward(ctx, *args)`` and ``backward(ctx, *grads)``,
    which returns one gradient (or None) per argument of forward; it is called through
    :meth:`apply`.  As in PyTorch, ``forward(*args)`` may be paired with
    ``setup_context(ctx, inputs, output)`` instead.
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the results; nothing inside is recorded."""
        raise NotImplementedError("You must implement the forward function for custom Function.")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Turn the results' gradients into the arguments'."""
        raise NotImplementedError(
            "You must implement the backward function for custom autograd.Function."
        )

    setup_context: Any = None

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Compute, and record if grad mode is on and an argument requires grad.

        Returns
        -------
        Tensor or tuple
            What ``forward`` returned.
        """
        tensors = tuple([arg for arg in args if isinstance(arg, Tensor)])
        recording = grad_enabled()
        needs = tuple([isinstance(arg, Tensor) and arg.requires_grad for arg in args])
        ctx = FunctionCtx(needs)
        with no_grad():
            if cls.setup_context is None:
                out = cls.forward(ctx, *args)
            else:
                out = cls.forward(*args)
                cls.setup_context(ctx, args, out)
        single = not isinstance(out, tuple)
        outs = (out,) if single else out
        if recording and True in needs:
            outs = _attach(cls, ctx, args, tensors, outs, single)
        return outs[0] if single else outs


def _attach(
    cls: type[Function],
    ctx: FunctionCtx,
    args: tuple[Any, ...],
    tensors: tuple[Tensor, ...],
    outs: tuple[Any, ...],
    single: bool,
) -> tuple[Any, ...]:
    """Record the call; return its results as part of the graph."""
    made: dict[int, Tensor] = {}
    results: list[Any] = []
    for out in outs:
        if not isinstance(out, Tensor):
            results.append(out)
            continue
        # a result that is an argument, or is part of a graph already, gets an identity of its own
        result = out
        if out._edge is not None or any(out is t for t in tensors):
            result = wrap(out._data)
            result._version = out._version
        made[id(out)] = result
        results.append(result)
    # saved results are kept without their place in the graph, or they would keep it alive
    ctx._saved = tuple([_outside(made[id(t)]) if id(t) in made else t for t in ctx._saved])
    shapes = [(t._data.shape, t._data.dtype) if isinstance(t, Tensor) else None for t in outs]
    inputs = [(t._data.shape, t._data.dtype) if isinstance(t, Tensor) else None for t in args]
    rule = _rule(cls, shapes, inputs, single)
    first = next(iter(made.values()), tensors[0])
    node = record(rule, tensors, ctx, first, settings())
    if node is None:
        return tuple(results)
    node.outputs = 0 if single else len(outs)
    node.versions = tuple(
        [(t._version, t._version[0], t._data, -1) for t in ctx._saved if t is not None]
    )
    for i, (out, result) in enumerate(zip(outs, results, strict=True)):
        if (
            isinstance(result, Tensor)
            and result._data.dtype.kind == "f"
            and id(out) not in ctx._constant
        ):
            result._edge = node if single else (node, i)
            result._requires_grad = True
    return tuple(results)


def _outside(t: Tensor) -> Tensor:
    result = wrap(t._data)
    result._version = t._version
    return result


def _rule(cls: type[Function], shapes: list[Any], inputs: list[Any], single: bool) -> Op:
    """Make the op of one call, which runs ``cls.backward`` over arrays."""
    name = f"{cls.__name__}Backward"

    def backward(
        now: Settings, ctx: FunctionCtx, grad: Any, needs: tuple[bool, ...]
    ) -> tuple[Array | None, ...]:
        given = [grad] if single else list(grad)
        tensors: list[Tensor | None] = []
        for each, shape in zip(given, shapes, strict=True):
            if each is None and ctx._materialize and shape is not None:
                each = np.zeros(*shape)
            tensors.append(None if each is None else wrap(each))
        with no_grad():
            found = cls.backward(ctx, *tensors)
        found = found if isinstance(found, tuple) else (found,)
        if len(found) != len(inputs):
            raise RuntimeError(
                f"function {name} returned an incorrect number of gradients "
                f"(expected {len(inputs)}, got {len(found)})"
            )
        parts = [
            _fitted(now, name, i, part, *expected)
            for i, (part, expected) in enumerate(zip(found, inputs, strict=True))
            if expected is not None
        ]
        return tuple([part if need else None for part, need in zip(parts, needs, strict=True)])

    return Op(name, _no_forward, backward, fresh=False, node_name=name)


def _fitted(
    now: Settings, name: str, index: int, grad: Any, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Array | None:
    """Check the gradient that a backward returned, and bring it to its input's shape and type."""
    if grad is None:
        return None
    if not isinstance(grad, Tensor):
        raise TypeError(
            f"function {name} returned a gradient of type {type(grad).__name__} at index {index}, "
            "not a Tensor"
        )
    array = grad._data
    if array.shape != shape:
        try:
            fits = np.broadcast_shapes(array.shape, shape) == array.shape
        except ValueError:
            fits = False
        if not fits:
            raise RuntimeError(
                f"Function {name} returned an invalid gradient at index {index} - got "
                f"{list(array.shape)} but expected shape compatible with {list(shape)}"
            )
        array = unbroadcast(now, array, shape)
    return array.astype(dtype, copy=False)


def _no_forward(*args: Any) -> Any:
    raise NotImplementedError("a Function is computed by Function.apply")
