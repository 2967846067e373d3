"""Switches for whether operations are recorded, local to the context (thread or task)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from ._engine import grad_enabled, modes, set_modes

__all__ = [
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
]

#: ``inspect.CO_GENERATOR``, spelled out because importing inspect takes milliseconds.
_CO_GENERATOR = 0x20

_F = TypeVar("_F", bound=Callable[..., Any])


def is_grad_enabled() -> bool:
    """Whether operations on tensors that require grad are recorded now."""
    return grad_enabled()


def is_inference_mode_enabled() -> bool:
    """Whether :class:`inference_mode` is in force."""
    return modes()[1]


def _set_grad(mode: bool) -> None:
    set_modes((mode, modes()[1]))


class _Mode:
    """A context manager and decorator that sets grad mode and inference mode."""

    __slots__ = ("_before", "_modes")

    _modes: tuple[bool, bool | None]
    _before: list[tuple[bool, bool]]

    def __enter__(self) -> None:
        before = modes()
        self._before.append(before)
        wanted: Any = self._modes
        set_modes((wanted[0], before[1]) if wanted[1] is None else wanted)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        before = self._before.pop()
        set_modes((before[0], modes()[1]) if self._modes[1] is None else before)

    def __call__(self, function: _F) -> _F:
        """Run ``function``, or each step of a generator, in this mode."""
        modes = self._modes

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with _mode(_Mode, *modes):
                return function(*args, **kwargs)

        @functools.wraps(function)
        def generate(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            steps = function(*args, **kwargs)
            sent = None
            while True:
                try:
                    with _mode(_Mode, *modes):
                        value = steps.send(sent)
                except StopIteration as stop:
                    return stop.value
                sent = yield value

        code = getattr(function, "__code__", None)
        is_generator = code is not None and code.co_flags & _CO_GENERATOR
        return generate if is_generator else run  # type: ignore[return-value]


def _mode(cls: type[_Mode], grad: bool, inference: bool | None = None) -> _Mode:
    # all that __init__ would do: calling a class that has both it and __new__ takes a frame more
    self = object.__new__(cls)
    self._modes = (grad, inference)
    self._before = []
    return self


class no_grad(_Mode):  # noqa: N801 - PyTorch's name
    """Record nothing, inside a ``with`` block or a decorated function."""

    __slots__ = ()

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """Decorate ``function``, if used without parentheses."""
        self = _mode(cls, False)
        return self if function is None else self(function)


class enable_grad(_Mode):  # noqa: N801 - PyTorch's name
    """Record again, inside a ``with`` block or a decorated function."""

    __slots__ = ()

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """Decorate ``function``, if used without parentheses."""
        self = _mode(cls, True)
        return self if function is None else self(function)


class set_grad_enabled(_Mode):  # noqa: N801 - PyTorch's name
    """Record or not from now on; as a context manager or decorator, only inside it.

    Parameters
    ----------
    mode : bool
        Whether to record.
    """

    __slots__ = ("_outside",)

    _outside: bool

    def __new__(cls, mode: bool) -> Any:
        """Record or not from now on."""
        self: Any = _mode(cls, bool(mode))
        self._outside = grad_enabled()
        _set_grad(bool(mode))
        return self

    def __init__(self, mode: bool) -> None:
        """Nothing is left to do; here for subclasses that call it."""

    def __enter__(self) -> None:
        super().__enter__()
        self._before[-1] = (self._outside, self._before[-1][1])

    def __call__(self, function: _F) -> _F:
        """Decorate ``function``; outside it, the mode is as it was."""
        _set_grad(self._outside)
        return super().__call__(function)


class inference_mode(_Mode):  # noqa: N801 - PyTorch's name
    """Record nothing, and let layers use what is only valid while parameters stay as they are.

    Parameters
    ----------
    mode : bool
        False leaves inference mode and records again.
    """

    __slots__ = ()

    def __new__(cls, mode: Any = True) -> Any:
        """Decorate a function, if used without parentheses."""
        if mode is True or mode is False:
            return _mode(cls, not mode, mode)
        return _mode(cls, False, True)(mode)
