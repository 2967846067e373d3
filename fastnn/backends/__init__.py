"""The selection of backend, convolution algorithm and precision, local to the context.

``settings()`` is one immutable record in one ``ContextVar``, so that an operation reads the
three with a single look-up, and a graph node can keep the record for its backward pass.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import NamedTuple

from . import native, reference
from .interface import Array, Backend, Padding, Pair

__all__ = [
    "Array",
    "Backend",
    "Padding",
    "Pair",
    "Settings",
    "available",
    "conv_algorithm",
    "settings",
    "use_backend",
]


class Settings(NamedTuple):
    """What a forward pass was told to use; a node's backward uses the same."""

    backend: Backend
    algorithm: str
    precision: str


_BACKENDS: dict[str, Backend] = {"native": native.backend, "reference": reference.backend}
_ALGORITHMS = ("auto", "direct", "im2col")

_DEFAULT = Settings(native.backend, "auto", "fast")

_settings: ContextVar[Settings] = ContextVar("fastnn_settings", default=_DEFAULT)
settings = _settings.get


def available() -> tuple[str, ...]:
    """Names that :func:`use_backend` accepts."""
    return tuple(_BACKENDS)


class _Selection:
    """Applies a changed record at once; as a context manager, takes it back on leaving."""

    __slots__ = ("_token",)

    def __init__(self, **change: object) -> None:
        self._token: Token[Settings] = _settings.set(settings()._replace(**change))  # type: ignore[arg-type]

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        _settings.reset(self._token)


def use_backend(name: str) -> _Selection:
    """Select the backend for this context: ``"native"`` or ``"reference"``.

    Takes effect at once; as ``with use_backend(...):`` it is undone on leaving.

    Raises
    ------
    ValueError
        If there is no such backend.
    """
    if name not in _BACKENDS:
        raise ValueError(f"unknown backend {name!r}; choose from {', '.join(_BACKENDS)}")
    return _Selection(backend=_BACKENDS[name])


def conv_algorithm(name: str) -> _Selection:
    """Force an algorithm for convolutions in this context, or ``"auto"`` to let it be chosen.

    Takes effect at once; as ``with conv_algorithm(...):`` it is undone on leaving.

    Raises
    ------
    ValueError
        If there is no such algorithm.
    """
    if name not in _ALGORITHMS:
        raise ValueError(
            f"unknown convolution algorithm {name!r}; choose from {', '.join(_ALGORITHMS)}"
        )
    return _Selection(algorithm=name)
