"""Tensors with a series of values: ``arange``, ``linspace``, ``logspace``, ``eye``.

The arguments ``dtype``, ``device`` and ``requires_grad`` are described in
:mod:`fastnn.creation`.
"""

from __future__ import annotations

import math
import operator

import numpy as np
from numpy.typing import NDArray

from . import _shapes, dtypes
from ._factory import Device, Number, finish, options_of, plain
from .dtypes import dtype
from .functions._operands import convert
from .tensor import Tensor


def arange(
    start: Number,
    end: Number | None = None,
    step: Number = 1,
    *,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make ``start, start + step, ...`` up to, not including, ``end``; alone, ``start`` ends.

    The type, unless given, is int64 if all three are integers, else the default floating
    type.  Element i of a floating result is ``start + i * step``, rounded from float64.

    Raises
    ------
    RuntimeError
        If the step is zero or leads away from ``end``, or a bound is not finite.
    """
    first, last = (0, start) if end is None else (start, end)
    low, high, by = plain(first), plain(last), plain(step)
    whole = isinstance(low, int) and isinstance(high, int) and isinstance(by, int)
    kind = dtype or (dtypes.int64 if whole else dtypes.get_default_dtype())
    numpy_dtype = options_of(kind, device, requires_grad)
    if kind is dtypes.bool:
        raise NotImplementedError("\"arange_cpu\" not implemented for 'Bool'")
    if not (math.isfinite(low) and math.isfinite(high) and math.isfinite(by)):
        raise RuntimeError(f"unsupported range: {low} -> {high}, in steps of {by}")
    if kind.is_floating_point:
        _check_step(low, high, by)
        count = math.ceil((high - low) / by)
        _shapes.numel((count,), numpy_dtype.itemsize)
        return finish(convert(low + by * np.arange(count), numpy_dtype), requires_grad)
    low, high, by = int(low), int(high), int(by)
    _check_step(low, high, by)
    _shapes.numel((len(range(low, high, by)),), numpy_dtype.itemsize)
    values = np.arange(low, high, by, dtype=np.int64)
    return finish(convert(values, numpy_dtype), requires_grad)


def _check_step(low: float, high: float, by: float) -> None:
    if by == 0:
        raise RuntimeError(f"step must be nonzero: start={low}, end={high}, step={by}")
    if low != high and (by > 0) == (low > high):
        raise RuntimeError(
            "upper bound and lower bound inconsistent with step sign: "
            f"start={low}, end={high}, step={by}"
        )


def linspace(
    start: Number,
    end: Number,
    steps: int,
    *,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make ``steps`` numbers at equal distances from ``start`` to ``end``, both included.

    As in PyTorch the first half is counted from ``start`` and the second from ``end``,
    which makes the result symmetric; integer types truncate.

    Raises
    ------
    RuntimeError
        If ``steps`` is negative.
    """
    numpy_dtype = options_of(dtype, device, requires_grad)
    return finish(convert(_spaced(start, end, steps), numpy_dtype), requires_grad)


def logspace(
    start: Number,
    end: Number,
    steps: int,
    base: float = 10.0,
    *,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make ``base`` to the powers of :func:`linspace` ``(start, end, steps)``."""
    numpy_dtype = options_of(dtype, device, requires_grad)
    with np.errstate(over="ignore", invalid="ignore"):
        powers = np.power(float(base), _spaced(start, end, steps))
    return finish(convert(powers, numpy_dtype), requires_grad)


def _spaced(start: Number, end: Number, steps: int) -> NDArray[np.float64]:
    count = operator.index(steps)
    if count < 0:
        raise RuntimeError(f"number of steps must be non-negative, got {count}")
    _shapes.numel((count,))
    first, last = float(plain(start)), float(plain(end))
    if count == 1:
        return np.array([first])
    index = np.arange(count)
    step = (last - first) / max(count - 1, 1)
    return np.where(index < count // 2, first + step * index, last - step * (count - 1 - index))


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make an n by m matrix (m is n, if not given) with ones on the diagonal, else zeros.

    Raises
    ------
    RuntimeError
        If a size is negative.
    """
    numpy_dtype = options_of(dtype, device, requires_grad)
    rows = operator.index(n)
    columns = rows if m is None else operator.index(m)
    for name, size in (("n", rows), ("m", columns)):
        if size < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {size}")
    _shapes.numel((rows, columns), numpy_dtype.itemsize)
    return finish(np.eye(rows, columns, dtype=numpy_dtype), requires_grad)
