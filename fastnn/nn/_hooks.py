"""Hooks of modules: functions called before and after forward, and after backward."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .._engine import Op
from ..backends import Array, Settings
from ..functions.gradient import RemovableHandle
from ..tensor import Tensor, apply, wrap

if TYPE_CHECKING:
    from .module import Module

__all__ = ["Hook", "call_with_hooks"]


class Hook:
    """A function, and whether it also gets the keyword arguments of the call."""

    __slots__ = ("always", "function", "with_kwargs")

    def __init__(
        self, function: Callable[..., Any], with_kwargs: bool = False, always: bool = False
    ) -> None:
        self.function = function
        self.with_kwargs = with_kwargs
        self.always = always


def register_forward_pre_hook(
    self: Module, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args)`` before forward; what it returns replaces the arguments.

    With ``with_kwargs`` it is ``hook(module, args, kwargs)``, which returns None or both.
    """
    return _add_hook(self, self._forward_pre_hooks, Hook(hook, with_kwargs), prepend)


def register_forward_hook(
    self: Module,
    hook: Callable[..., Any],
    *,
    prepend: bool = False,
    with_kwargs: bool = False,
    always_call: bool = False,
) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after forward; what it returns is the new output.

    With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``; with
    ``always_call`` it also runs, with output None, if the forward raised.
    """
    entry = Hook(hook, with_kwargs, always_call)
    return _add_hook(self, self._forward_hooks, entry, prepend)


def register_full_backward_pre_hook(
    self: Module, hook: Callable[..., Any], prepend: bool = False
) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` once the gradients of the outputs are known.

    What it returns replaces ``grad_output``.
    """
    return _add_hook(self, self._backward_pre_hooks, Hook(hook), prepend)


def register_full_backward_hook(
    self: Module, hook: Callable[..., Any], prepend: bool = False
) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` once both are known.

    What it returns replaces ``grad_input``.
    """
    return _add_hook(self, self._backward_hooks, Hook(hook), prepend)


def _add_hook(
    self: Module, hooks: OrderedDict[int, Hook], hook: Hook, prepend: bool
) -> RemovableHandle:
    handle = RemovableHandle(hooks, hook)
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    self.__dict__["_hooked"] = True
    return handle


def call_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run the module's forward, with every hook around it."""
    for hook in list(module._forward_pre_hooks.values()):
        args, kwargs = _call_pre_hook(module, hook, args, kwargs)
    watched = module._backward_hooks or module._backward_pre_hooks
    backward = _BackwardHooks(module) if watched else None
    if backward is not None:
        args = backward.watch_inputs(args)
    waiting = dict(module._forward_hooks)
    try:
        result = module.forward(*args, **kwargs)
        for key in list(waiting):
            result = _call_forward_hook(module, waiting.pop(key), args, kwargs, result)
        return result if backward is None else backward.watch_outputs(result)
    except Exception:
        for hook in waiting.values():
            if hook.always:
                _call_forward_hook(module, hook, args, kwargs, None)
        raise


def _call_pre_hook(
    module: Module, hook: Hook, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if hook.with_kwargs:
        changed = hook.function(module, args, kwargs)
        if changed is None:
            return args, kwargs
        if isinstance(changed, tuple) and len(changed) == 2:
            return changed
        raise RuntimeError(
            "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
            f"but got {changed}."
        )
    changed = hook.function(module, args)
    if changed is None:
        return args, kwargs
    return changed if isinstance(changed, tuple) else (changed,), kwargs


def _call_forward_hook(
    module: Module, hook: Hook, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> Any:
    if hook.with_kwargs:
        changed = hook.function(module, args, kwargs, result)
    else:
        changed = hook.function(module, args, result)
    return result if changed is None else changed


Gradients = tuple[Array | None, ...]


class _BackwardHooks:
    """Two identities in the graph, around one call of a module.

    The one at the output learns ``grad_output``, the one at the input ``grad_input``, which
    is when the hooks run.
    """

    def __init__(self, module: Module) -> None:
        self._module = module
        self._grad_output: tuple[Tensor | None, ...] = ()
        self._input_count: int | None = None
        self._input_places: list[int] = []

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Put the identity on the arguments that require grad."""
        self._input_count = len(args)
        self._input_places = [
            i for i, arg in enumerate(args) if isinstance(arg, Tensor) and arg.requires_grad
        ]
        return _replaced(args, self._input_places, self._at_input)

    def watch_outputs(self, result: Any) -> Any:
        """Put the identity on the results that require grad."""
        results = result if isinstance(result, tuple) else (result,)
        for each in results:
            if not isinstance(each, Tensor):
                raise RuntimeError(
                    "For backward hooks to be called, module output should be a Tensor or a "
                    f"tuple of Tensors but received {type(each)}"
                )
        places = [i for i, each in enumerate(results) if each.requires_grad]
        watched = _replaced(results, places, self._at_output)
        return watched if isinstance(result, tuple) else watched[0]

    def _at_output(self, grads: Gradients) -> Gradients:
        module = self._module
        grad_output = tuple(None if g is None else wrap(g) for g in grads)
        for hook in list(module._backward_pre_hooks.values()):
            changed = hook.function(module, grad_output)
            if changed is not None:
                grad_output = changed if isinstance(changed, tuple) else (changed,)
        self._grad_output = grad_output
        if not self._input_places:
            # No gradient will arrive at the input: now is the time.
            self._call_hooks((None,) * (self._input_count or 0))
        return _arrays(grad_output)

    def _at_input(self, grads: Gradients) -> Gradients:
        grad_input: list[Tensor | None] = [None] * (self._input_count or 0)
        for place, grad in zip(self._input_places, grads, strict=True):
            grad_input[place] = None if grad is None else wrap(grad)
        changed = self._call_hooks(tuple(grad_input))
        return _arrays(tuple(changed[place] for place in self._input_places))

    def _call_hooks(self, grad_input: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        for hook in list(self._module._backward_hooks.values()):
            changed = hook.function(self._module, grad_input, self._grad_output)
            if changed is not None:
                changed = changed if isinstance(changed, tuple) else (changed,)
                if len(changed) != len(grad_input):
                    raise RuntimeError(
                        "Backward hook returned an invalid number of grad_input, "
                        f"got {len(changed)}, but expected {len(grad_input)}"
                    )
                grad_input = changed
        return grad_input


def _arrays(tensors: tuple[Tensor | None, ...]) -> Gradients:
    return tuple(None if t is None else t._data for t in tensors)


def _replaced(
    values: tuple[Any, ...], places: list[int], hook: Callable[[Gradients], Gradients]
) -> tuple[Any, ...]:
    """Pass the tensors at ``places`` through an identity whose gradients ``hook`` sees."""
    if not places:
        return values

    def forward(settings: Settings, *arrays: Array) -> tuple[Any, None]:
        # Copies: a change in place on one side must not reach what the other has saved.
        copies = tuple(np.array(array) for array in arrays)
        return copies if len(copies) > 1 else copies[0], None

    def backward(settings: Settings, saved: None, grad: Any, needs: tuple[bool, ...]) -> Gradients:
        return hook(tuple(grad) if len(places) > 1 else (grad,))

    identity = Op(
        "BackwardHookFunction",
        forward,
        backward,
        fresh=False,
        frees=False,
        node_name="BackwardHookFunctionBackward",
    )
    watched: Any = apply(identity, tuple(values[i] for i in places))
    out = list(values)
    for i, tensor in zip(places, watched if len(places) > 1 else (watched,), strict=True):
        out[i] = tensor
    return tuple(out)
