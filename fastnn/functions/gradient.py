"""Running the engine from tensors: ``backward``, ``grad``, and hooks."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from itertools import count
from threading import Lock
from typing import Any

import numpy as np

from .._engine import reaching, run, without_recording
from ..backends import Array, is_alike, settings
from ..ops._arrays import quiet
from ..tensor import Tensor, bump, wrap

__all__ = [
    "CREATE_GRAPH",
    "RemovableHandle",
    "backward",
    "gradients",
    "register_hook",
    "requires_grad_",
    "retain_grad",
    "retains_grad",
    "seed_for",
]

CREATE_GRAPH = (
    "create_graph=True is not supported: backward rules work on arrays, so gradients have no "
    "gradient of their own"
)


def seed_for(t: Tensor, gradient: Tensor | None, index: int = 0) -> Array:
    """Check the gradient that was given for ``t``, or make one."""
    if not t.requires_grad:
        raise RuntimeError(
            f"element {index} of tensors does not require grad and does not have a grad_fn"
        )
    data = t._data
    if gradient is None:
        if data.size != 1:
            raise RuntimeError(
                "grad can be implicitly created only for scalar outputs, "
                f"but output {index} has shape {list(data.shape)}"
            )
        return _ones(data)
    if not isinstance(gradient, Tensor):
        raise TypeError(
            f"gradients can be either Tensors or None, but got {type(gradient).__name__}"
        )
    seed = gradient._data
    if seed.shape != data.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{index}] has a shape of "
            f"fastnn.Size({list(seed.shape)}) and output[{index}] has a shape of "
            f"fastnn.Size({list(data.shape)})."
        )
    return seed if seed.dtype == data.dtype else seed.astype(data.dtype)


def _ones(data: Array) -> Array:
    if data.ndim == 0:
        cached = _SCALAR_ONES.get(data.dtype)
        if cached is not None:
            return cached
    return np.ones_like(data)


_SCALAR_ONES = {np.dtype(kind): np.ones((), kind) for kind in ("float32", "float64")}
for _one in _SCALAR_ONES.values():
    _one.flags.writeable = False


def backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradient of this tensor in every leaf to the leaf's ``grad``.

    Parameters
    ----------
    gradient : Tensor, optional
        The gradient of some scalar in this tensor, of its shape; may be left out for a tensor
        with one element.
    retain_graph : bool, optional
        Keep what was saved, so that backward can run again.
    create_graph : bool
        Must be False: gradients of gradients are not supported.
    inputs : Tensor or sequence of Tensor, optional
        Accumulate into these only.

    Raises
    ------
    RuntimeError
        If the tensor does not require grad, is not a scalar and no ``gradient`` is given, or
        if the graph was freed by an earlier call.
    """
    if create_graph:
        raise RuntimeError(CREATE_GRAPH)
    seed = seed_for(self, gradient)
    if inputs is not None:
        wanted = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if not wanted:
            raise RuntimeError("'inputs' argument to backward() cannot be empty.")
        found = gradients((self,), wanted, (seed,), bool(retain_graph))
        with _storing:
            for t, part in zip(wanted, found, strict=True):
                if part is not None:
                    _store(t, part, True)
        return
    leaves, borrowed = run(
        (self._edge or self,),
        (seed,),
        retain=bool(retain_graph),
        accumulate=settings().backend.add,
    )
    for leaf in [each for each in leaves if each._hooks is not None and each._requires_grad]:
        leaves[leaf], replaced = _run_hooks(leaf, leaves[leaf])
        if replaced:
            borrowed.add(leaf)
    with _storing:
        for leaf, grad in leaves.items():
            if leaf._requires_grad:
                _store(leaf, grad, leaf in borrowed)


def _run_hooks(leaf: Tensor, grad: Array) -> tuple[Array, bool]:
    """Pass ``grad`` through the hooks of ``leaf``; also say whether one replaced it."""
    replaced = False
    for hook in list((leaf._hooks or {}).values()):
        result = without_recording(hook, wrap(grad))
        if result is not None:
            grad, replaced = result._data, True
    return grad, replaced


# Held to store: two threads may come to one leaf, and NumPy lets go of the interpreter's lock.
_storing = Lock()


def _store(t: Tensor, grad: Array, borrowed: bool) -> None:
    """Add ``grad`` to ``t.grad``; a ``borrowed`` array may be in use elsewhere."""
    old = t._grad
    if old is None:
        if borrowed or not is_alike(grad, t._data):  # contiguous, aligned and writeable
            grad = grad.copy()
        t._grad = wrap(grad)
    else:
        with quiet():
            np.add(old._data, grad, out=old._data)
        bump(old)


def gradients(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], seeds: Sequence[Array], retain: bool
) -> list[Array | None]:
    """Gradients of ``outputs`` in ``inputs``, touching no ``grad``; None for one not reached."""
    goals: list[Any] = []
    for t in inputs:
        if not t.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
        goals.append(t._edge or t)
    edges = [t._edge or t for t in outputs]
    capture = {goal: None for goal in goals if not isinstance(goal, Tensor)}
    leaves, _ = run(
        edges,
        seeds,
        retain=retain,
        accumulate=settings().backend.add,
        wanted=reaching(edges, set(goals)),
        capture=capture,
    )
    found: list[Array | None] = []
    for goal in goals:
        grad = capture.get(goal) if goal in capture else leaves.get(goal)
        if grad is not None and isinstance(goal, Tensor):
            grad = _run_hooks(goal, grad)[0]
        found.append(grad)
    return found


_hook_ids = count()


class RemovableHandle:
    """Undoes the registration of a hook."""

    def __init__(self, hooks: dict[int, Any], entry: Any) -> None:
        self.id = next(_hook_ids)
        self._hooks = hooks
        hooks[self.id] = entry

    def remove(self) -> None:
        """Remove the hook; a second call does nothing."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call ``hook(grad)`` whenever a gradient of this tensor is computed.

    What it returns, if not None, takes the gradient's place.

    Raises
    ------
    RuntimeError
        If the tensor does not require grad.
    """
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    node = self.grad_fn
    if node is None:
        if self._hooks is None:
            self._hooks = {}
        return RemovableHandle(self._hooks, hook)

    def on_array(grad: Array) -> Array | None:
        result = hook(wrap(grad))
        return None if result is None else result._data

    if node.hooks is None:
        node.hooks = {}
    handle = RemovableHandle(node.hooks, (self.output_nr, on_array))
    for key in [key for key in node.hooks if key < 0]:  # retain_grad sees what hooks made
        node.hooks[key] = node.hooks.pop(key)
    return handle


def retain_grad(self: Tensor) -> None:
    """Make ``backward`` fill ``grad`` of this tensor although it is not a leaf.

    Raises
    ------
    RuntimeError
        If the tensor does not require grad.
    """
    if not self.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    node = self.grad_fn
    if node is None:
        return
    reference = weakref.ref(self)

    def keep(grad: Array) -> None:
        t = reference()
        if t is not None:
            t._grad = wrap(grad.copy() if t._grad is None else t._grad._data + grad)

    if node.hooks is None:
        node.hooks = {}
    node.hooks[-1 - self.output_nr] = (self.output_nr, keep)


def retains_grad(self: Tensor) -> bool:
    """Whether ``retain_grad`` was called on this tensor; False for a leaf, as in PyTorch."""
    node = self.grad_fn
    return node is not None and node.hooks is not None and -1 - self.output_nr in node.hooks


def requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Start (or stop) recording operations on this leaf; return it.

    Raises
    ------
    RuntimeError
        For a tensor of integers, or to stop recording on a tensor that was computed.
    """
    self.requires_grad = requires_grad
    return self
