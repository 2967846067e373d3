"""Activations: ReLU and its relatives, sigmoid, tanh and the softmax family.

``leaky_relu`` has no C kernel yet and is NumPy for both backends, as is ``relu`` of integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._engine import Op
from ..backends import Array, Settings

__all__ = ["LEAKY_RELU", "LOG_SOFTMAX", "RELU", "RELU_DONE", "SIGMOID", "SOFTMAX", "TANH"]

Needs = tuple[bool, ...]


def _relu(settings: Settings, x: Array) -> tuple[Array, Array]:
    y = settings.backend.relu(x) if x.dtype.kind == "f" else _relu_of_integers(x)
    return y, y


def _relu_of_integers(x: Array) -> Array:
    if x.dtype.kind == "b":
        raise RuntimeError("Boolean inputs not supported for relu")
    return np.asarray(np.maximum(x, 0))


def _relu_done(settings: Settings, y: Array) -> tuple[Array, Array]:
    return y, y


def _relu_backward(settings: Settings, y: Array, grad: Array, needs: Needs) -> tuple[Array]:
    return (settings.backend.relu_backward(grad, y),)


def _relu_gate(settings: Settings, y: Array, grad: Array, needs: Needs) -> tuple[Array]:
    return (settings.backend.relu_backward(grad, y, True),)


def _leaky_relu(settings: Settings, x: Array, slope: float) -> tuple[Array, tuple[Array, float]]:
    factor = x.dtype.type(slope)
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        return np.where(x > 0, x, x * factor), (x, factor)


def _leaky_relu_backward(
    settings: Settings, saved: tuple[Array, Any], grad: Array, needs: Needs
) -> tuple[Array]:
    x, factor = saved
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        return (np.where(x > 0, grad, grad * factor),)


def _sigmoid(settings: Settings, x: Array) -> tuple[Array, Array]:
    y = settings.backend.sigmoid(x)
    return y, y


def _sigmoid_backward(settings: Settings, y: Array, grad: Array, needs: Needs) -> tuple[Array]:
    return (settings.backend.sigmoid_backward(grad, y),)


def _tanh(settings: Settings, x: Array) -> tuple[Array, Array]:
    y = settings.backend.tanh(x)
    return y, y


def _tanh_backward(settings: Settings, y: Array, grad: Array, needs: Needs) -> tuple[Array]:
    return (settings.backend.tanh_backward(grad, y),)


def _at_least_1d(x: Array) -> Array:
    # A scalar has the softmax of a vector with one entry.
    return x if x.ndim else x.reshape(1)


def _softmax(settings: Settings, x: Array, axis: int) -> tuple[Array, tuple[Array, int]]:
    y = settings.backend.softmax(_at_least_1d(x), axis).reshape(x.shape)
    return y, (y, axis)


def _softmax_backward(
    settings: Settings, saved: tuple[Array, int], grad: Array, needs: Needs
) -> tuple[Array]:
    y, axis = saved
    dx = settings.backend.softmax_backward(_at_least_1d(grad), _at_least_1d(y), axis)
    return (dx.reshape(y.shape),)


def _log_softmax(settings: Settings, x: Array, axis: int) -> tuple[Array, tuple[Array, int]]:
    y = settings.backend.log_softmax(_at_least_1d(x), axis).reshape(x.shape)
    return y, (y, axis)


def _log_softmax_backward(
    settings: Settings, saved: tuple[Array, int], grad: Array, needs: Needs
) -> tuple[Array]:
    y, axis = saved
    dx = settings.backend.log_softmax_backward(_at_least_1d(grad), _at_least_1d(y), axis)
    return (dx.reshape(y.shape),)


RELU = Op("Relu", _relu, _relu_backward, saves_output=True, gate=_relu_gate)
#: Of an array that holds its result already, and that nothing else will read.
RELU_DONE = Op("Relu", _relu_done, _relu_backward, saves_output=True, gate=_relu_gate)
LEAKY_RELU = Op("LeakyRelu", _leaky_relu, _leaky_relu_backward, saves=(0,))
SIGMOID = Op("Sigmoid", _sigmoid, _sigmoid_backward, saves_output=True)
TANH = Op("Tanh", _tanh, _tanh_backward, saves_output=True)
SOFTMAX = Op("Softmax", _softmax, _softmax_backward, saves_output=True)
LOG_SOFTMAX = Op("LogSoftmax", _log_softmax, _log_softmax_backward, saves_output=True)
