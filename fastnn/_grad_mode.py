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

    def __init__(self, grad: bool, inference: bool | None = None) -> None:
        self._modes = (grad, inference)
        self._before: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        before = modes()
        self._before.append(before)
        grad, inference = self._modes
        set_modes((grad, before[1] if inference is None else inference))

    def __exit__(self, *exc: object) -> None:
        before = self._before.pop()
        set_modes((before[0], modes()[1]) if self._modes[1] is None else before)

    def __call__(self, function: _F) -> _F:
        """Run ``function``, or each step of a generator, in this mode."""
        modes = self._modes

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with _Mode(*modes):
                return function(*args, **kwargs)

        @functools.wraps(function)
        def generate(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            steps = function(*args, **kwargs)
            sent = None
            while True:
                try:
                    with _Mode(*modes):
                        value = steps.send(sent)
                except StopIteration as stop:
                    return stop.value
                sent = yield value

        code = getattr(function, "__code__", None)
        is_generator = code is not None and code.co_flags & _CO_GENERATOR
        return generate if is_generator else run  # type: ignore[return-value]


class no_grad(_Mode):  # noqa: N801 - PyTorch's name
    """Record nothing, inside a ``with`` block or a decorated function."""

    __slots__ = ()

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """Decorate ``function``, if used without parentheses."""
        self = object.__new__(cls)
        if function is None:
            return self
        self.__init__()  # type: ignore[misc]
        return self(function)

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(_Mode):  # noqa: N801 - PyTorch's name
    """Record again, inside a ``with`` block or a decorated function."""

    __slots__ = ()

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """Decorate ``function``, if used without parentheses."""
        self = object.__new__(cls)
        if function is None:
            return self
        self.__init__()  # type: ignore[misc]
        return self(function)

    def __init__(self) -> None:
        super().__init__(True)


class set_grad_enabled(_Mode):  # noqa: N801 - PyTorch's name
    """Record or not from now on; as a context manager or decorator, only inside it.

    Parameters
    ----------
    mode : bool
        Whether to record.
    """

    __slots__ = ("_outside",)

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        self._outside = grad_enabled()
        _set_grad(bool(mode))

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
        self = object.__new__(cls)
        if mode is True or mode is False:
            return self
        self.__init__()  # type: ignore[misc]
        return self(mode)

    def __init__(self, mode: bool = True) -> None:
        # as _Mode does; a frame less, of a call that surrounds small nets
        self._modes = (not mode, mode)
        self._before = []
