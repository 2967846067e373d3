"""The selection of backend, convolution algorithm and precision, local to the context.

``settings()`` is one immutable record in one ``ContextVar``, so that an operation reads the
three with a single look-up, and a graph node can keep the record for its backward pass.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import NamedTuple

from . import native, reference
from .interface import CONV_ALGORITHMS, CONV_PRECISIONS, Array, Backend, Padding, Pair
from .native import (
    empty_array,
    is_alike,
    is_batch_product,
    is_classification,
    is_conv2d,
    is_dot,
    is_linear,
    is_matvec,
    is_pair,
    is_product,
)

__all__ = [
    "CONV_ALGORITHMS",
    "CONV_PRECISIONS",
    "Array",
    "Backend",
    "Padding",
    "Pair",
    "Settings",
    "available",
    "conv_algorithm",
    "empty_array",
    "get_conv_algorithm",
    "get_conv_precision",
    "is_alike",
    "is_batch_product",
    "is_classification",
    "is_conv2d",
    "is_dot",
    "is_linear",
    "is_matvec",
    "is_pair",
    "is_product",
    "set_conv_precision",
    "settings",
    "use_backend",
]


class Settings(NamedTuple):
    """What a forward pass was told to use; a node's backward uses the same."""

    backend: Backend
    algorithm: str
    precision: str


_BACKENDS: dict[str, Backend] = {"native": native.backend, "reference": reference.backend}

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

    Takes effect at once; as ``with conv_algorithm(...):`` it is undone on leaving. ``"direct"`` and
    ``"im2col"`` do every convolution; a convolution that ``"winograd"`` cannot do (windows other
    than 3x3, a stride, two different dilations) raises RuntimeError when it is computed.

    Raises
    ------
    ValueError
        If there is no such algorithm.
    """
    _check("algorithm", name, CONV_ALGORITHMS)
    return _Selection(algorithm=name)


def get_conv_algorithm() -> str:
    """What :func:`conv_algorithm` forces in this context, or ``"auto"``."""
    return settings().algorithm


def get_conv_precision() -> str:
    """What :func:`set_conv_precision` says in this context: ``"fast"`` or ``"strict"``."""
    return settings().precision


def set_conv_precision(name: str) -> _Selection:
    """Say how exact convolutions are in this context: ``"fast"`` (the default) or ``"strict"``.

    Takes effect at once; as ``with set_conv_precision(...):`` it is undone on leaving. It matters
    to float32 only, where 3x3 windows are computed by Winograd's algorithm [1]_: ``"fast"`` by
    F(4x4, 3x3), whose error (root mean square, against float64) is about 1 to 3 times that of
    ``conv_algorithm("direct")``, ``"strict"`` by F(2x2, 3x3), or where sums have at least 32
    channels by F(3x3, 3x3), with 0.2 to 1.3 times. In gradients of the weights, where ``"direct"``
    splits its sums, up to 8 and 2.2 times were measured, of few channels or pixels. float64 takes
    neither unless ``conv_algorithm("winograd")`` asks for it. ``"fast"`` may also compute windows
    of at least four columns by F(4, 4) along rows, with twice the error of a plain sum. An infinity
    or a NaN spoils the whole tile of outputs (4x4, 3x3, 2x2 or four of a row) whose window holds
    it, not only those that read it.

    Raises
    ------
    ValueError
        If there is no such precision.

    References
    ----------
    .. [1] A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", 2015.
    """
    _check("precision", name, CONV_PRECISIONS)
    return _Selection(precision=name)


def _check(what: str, name: str, choices: tuple[str, ...]) -> None:
    if name not in choices:
        raise ValueError(f"unknown convolution {what} {name!r}; choose from {', '.join(choices)}")
