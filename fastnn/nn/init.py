"""Ways to fill a parameter with first values, in place; PyTorch's names and formulas.

With equal seeds the uniform ones give PyTorch's values bit for bit.
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..backends import Array
from ..random import Generator, fill_normal, fill_uniform
from ..tensor import Tensor, bump

__all__ = [
    "calculate_gain",
    "constant_",
    "eye_",
    "fan_in_and_fan_out",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_GAINS = {
    **dict.fromkeys(("linear", "conv1d", "conv2d", "conv3d", "sigmoid"), 1.0),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), 1.0),
    "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the recommended gain of the function that follows a layer.

    Parameters
    ----------
    nonlinearity : str
        ``"linear"``, ``"conv2d"``, ``"sigmoid"``, ``"tanh"``, ``"relu"``, ``"selu"``,
        ``"leaky_relu"``.
    param : float, optional
        The negative slope of ``"leaky_relu"``, 0.01 if left out.

    Raises
    ------
    ValueError
        For another function, or a slope that is no number.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return _GAINS[nonlinearity]


def fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """Return how many inputs an output of this weight has, and how many outputs an input.

    Raises
    ------
    ValueError
        If the weight has fewer than two dimensions.
    """
    shape = tensor._data.shape
    if len(shape) < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, "
            f"but got size {list(shape)}"
        )
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


# -- distributions ---------------------------------------------------------------------------


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with values from U(a, b).

    Raises
    ------
    RuntimeError
        If a > b.
    """
    fill_uniform(tensor._data, a, b, generator)
    bump(tensor)
    return tensor


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with values from N(mean, std**2).

    Raises
    ------
    RuntimeError
        If std < 0.
    """
    fill_normal(tensor._data, mean, std, generator)
    bump(tensor)
    return tensor


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with values from N(mean, std**2), drawing again those that fall outside [a, b].

    Raises
    ------
    RuntimeError
        If [a, b] is empty, or lies so far from the mean that drawing is hopeless.
    """
    if not a <= b or a > mean + 5 * std or b < mean - 5 * std:
        raise RuntimeError(
            f"trunc_normal_ expects an interval near the mean, but got [{a}, {b}] "
            f"with mean={mean} and std={std}"
        )
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    values = tensor._data
    flat = np.empty(values.size, values.dtype)
    wanted = np.arange(values.size)
    while wanted.size:
        drawn = np.empty(wanted.size, values.dtype)
        fill_normal(drawn, mean, std, generator)
        flat[wanted] = drawn
        wanted = wanted[(drawn < a) | (drawn > b)]
    values[...] = flat.reshape(values.shape)
    bump(tensor)
    return tensor


# -- constants -------------------------------------------------------------------------------


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with ``val``."""
    tensor._data.fill(val)
    bump(tensor)
    return tensor


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """Make a matrix the identity, cut off where it is not square.

    Raises
    ------
    ValueError
        If it is not a matrix.
    """
    values = tensor._data
    if values.ndim != 2:
        raise ValueError(
            f"Only tensors with 2 dimensions are supported, but got size {list(values.shape)}"
        )
    values[...] = np.eye(*values.shape, dtype=values.dtype)
    bump(tensor)
    return tensor


# -- scaled by the number of connections -----------------------------------------------------


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with U(-b, b), b = gain * sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with N(0, gain**2 * 2 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def _xavier_std(tensor: Tensor, gain: float) -> float:
    fan_in, fan_out = fan_in_and_fan_out(tensor)
    return gain * math.sqrt(2.0 / float(fan_in + fan_out))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill with U(-b, b), b = gain * sqrt(3 / fan) (He et al., 2015).

    Parameters
    ----------
    tensor : Tensor
        Two dimensions or more.
    a : float
        The negative slope that goes into the gain (see :func:`calculate_gain`).
    mode : str
        ``"fan_in"`` keeps the variance of the forward pass, ``"fan_out"`` of the backward.
    nonlinearity : str
        What follows.

    Raises
    ------
    ValueError
        For another mode or function, or a tensor with fewer dimensions.
    """
    if _is_empty(tensor):
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill with N(0, gain**2 / fan) (He et al., 2015); arguments of :func:`kaiming_uniform_`."""
    if _is_empty(tensor):
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    modes = ("fan_in", "fan_out")
    if mode.lower() not in modes:
        raise ValueError(f"Mode {mode.lower()} not supported, please use one of {list(modes)}")
    fan = fan_in_and_fan_out(tensor)[modes.index(mode.lower())]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _is_empty(tensor: Tensor) -> bool:
    if tensor._data.size:
        return False
    warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
    return True


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Make rows (or columns, if they are fewer) orthonormal, times ``gain`` (Saxe et al., 2013).

    Dimensions after the first count as one.

    Raises
    ------
    ValueError
        If there are fewer than two dimensions.
    """
    values = tensor._data
    if values.ndim < 2:
        raise ValueError(
            f"Only tensors with 2 or more dimensions are supported, "
            f"but got size {list(values.shape)}"
        )
    if not values.size:
        return tensor
    rows = values.shape[0]
    columns = values.size // rows
    drawn = np.empty((rows, columns), values.dtype)
    fill_normal(drawn, generator=generator)
    values[...] = gain * _orthonormal(drawn).reshape(values.shape)
    bump(tensor)
    return tensor


def _orthonormal(matrix: Array) -> Array:
    """Q of the QR decomposition whose R has a positive diagonal, so that Q is uniform."""
    wide = matrix.shape[0] < matrix.shape[1]
    q, r = np.linalg.qr(matrix.T if wide else matrix)
    q = q * np.sign(np.diag(r))
    return q.T if wide else q
