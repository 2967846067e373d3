"""Tensors of random numbers, for one seed the same as PyTorch's (see :mod:`fastnn.random`).

Beside the arguments described in :mod:`fastnn.creation` these take a ``generator``; without
one they draw from the default stream.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from . import _shapes, dtypes, random
from ._factory import Array, Device, Sizes, finish, like_array, options_of, plain, sizes_of
from ._memory import empty_array
from .dtypes import dtype
from .random import Generator
from .tensor import Tensor, wrap


def _checked(function: str, generator: Generator | None) -> Generator:
    if generator is None:
        return random.default_generator
    if not isinstance(generator, Generator):
        raise TypeError(
            f"{function}(): argument 'generator' must be fastnn.Generator, "
            f"not {type(generator).__name__}"
        )
    return generator


def get_rng_state() -> Tensor:
    """Return the state of the default generator, a tensor of bytes."""
    return wrap(random.default_generator.get_state())


def set_rng_state(new_state: Tensor) -> None:
    """Bring the default generator into a state that :func:`get_rng_state` returned.

    Raises
    ------
    RuntimeError
        If it is not such a state.
    """
    state = new_state._data if isinstance(new_state, Tensor) else new_state
    random.default_generator.set_state(state)


# -- uniform and normal ----------------------------------------------------------------------


def rand(
    *sizes: Any,
    size: Sizes | None = None,
    generator: Generator | None = None,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of uniformly distributed numbers from [0, 1)."""
    stream = _checked("rand", generator)
    numpy_dtype = options_of(dtype, device, requires_grad)
    array = empty_array(sizes_of("rand", sizes, size, numpy_dtype), numpy_dtype)
    random.fill_uniform(array, generator=stream)
    return finish(array, requires_grad)


def randn(
    *sizes: Any,
    size: Sizes | None = None,
    generator: Generator | None = None,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of normally distributed numbers with mean 0 and variance 1."""
    stream = _checked("randn", generator)
    numpy_dtype = options_of(dtype, device, requires_grad)
    array = empty_array(sizes_of("randn", sizes, size, numpy_dtype), numpy_dtype)
    random.fill_normal(array, generator=stream)
    return finish(array, requires_grad)


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of ``input``'s shape and type, uniformly distributed in [0, 1)."""
    stream = _checked("rand_like", generator)
    array = like_array("rand_like", input, dtype, device, requires_grad)
    random.fill_uniform(array, generator=stream)
    return finish(array, requires_grad)


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of ``input``'s shape and type, normal with mean 0 and variance 1."""
    stream = _checked("randn_like", generator)
    array = like_array("randn_like", input, dtype, device, requires_grad)
    random.fill_normal(array, generator=stream)
    return finish(array, requires_grad)


def normal(
    mean: Tensor | float,
    std: Tensor | float = 1.0,
    size: Sizes | None = None,
    *,
    generator: Generator | None = None,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of normally distributed numbers.

    Parameters
    ----------
    mean, std : Tensor or float
        Mean and standard deviation, of each element or of all.  The result has the shape
        that tensors broadcast to, and the type of the first.
    size : tuple of int, optional
        The sizes, if both are numbers.

    Raises
    ------
    RuntimeError
        If a standard deviation is negative.
    """
    stream = _checked("normal", generator)
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        numpy_dtype = options_of(dtype, device, requires_grad)
        array = empty_array(sizes_of("normal", (), size, numpy_dtype), numpy_dtype)
        random.fill_normal(array, plain(mean), plain(std), stream)
        return finish(array, requires_grad)
    if size is not None:
        raise TypeError(f"normal(): size={size} only goes with numbers as mean and std")
    return _normal_around(mean, std, stream)


def _normal_around(mean: Tensor | float, std: Tensor | float, stream: Generator) -> Tensor:
    center, width = (
        each._data if isinstance(each, Tensor) else np.asarray(plain(each)) for each in (mean, std)
    )
    if not (width >= 0).all():
        raise RuntimeError(f"normal expects all elements of std >= 0.0, found {width.min()}")
    first = center if isinstance(mean, Tensor) else width
    array = np.empty(_shapes.broadcast(center.shape, width.shape), first.dtype)
    random.fill_normal(array, generator=stream)
    # In the result's own precision, as PyTorch computes it.
    array *= width.astype(array.dtype)
    array += center.astype(array.dtype)
    return wrap(array)


# -- integers --------------------------------------------------------------------------------


def randint(
    *bounds: Any,
    low: int = 0,
    high: int | None = None,
    size: Sizes | None = None,
    generator: Generator | None = None,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of integers from [low, high).

    Called as ``randint(high, size)`` or ``randint(low, high, size)``, by position or name.
    The type is int64 unless given.

    Raises
    ------
    RuntimeError
        If low >= high, or the type cannot hold the numbers.
    """
    stream = _checked("randint", generator)
    values = list(bounds)
    if size is None and values and not isinstance(values[-1], int):
        size = values.pop()
    if values and high is None:
        high = values.pop()
    if values:
        low = values.pop()
    if values or high is None or not isinstance(size, list | tuple):
        raise TypeError(
            "randint() takes (high, size) or (low, high, size) with a tuple as size, got "
            f"{bounds}, low={low}, high={high}, size={size}"
        )
    numpy_dtype = options_of(dtype, device, requires_grad, dtypes.int64)
    array = empty_array(sizes_of("randint", (), size, numpy_dtype), numpy_dtype)
    random.fill_randint(array, low, high, stream)
    return finish(array, requires_grad)


def randint_like(
    input: Tensor,
    *bounds: int,
    low: int = 0,
    high: int | None = None,
    generator: Generator | None = None,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of ``input``'s shape and type with integers from [low, high).

    Called as ``randint_like(input, high)`` or ``randint_like(input, low, high)``.
    """
    stream = _checked("randint_like", generator)
    values = list(bounds)
    if values and high is None:
        high = values.pop()
    if values:
        low = values.pop()
    if values or high is None:
        raise TypeError(f"randint_like() takes (input, high) or (input, low, high), got {bounds}")
    array = like_array("randint_like", input, dtype, device, requires_grad)
    random.fill_randint(array, low, high, stream)
    return finish(array, requires_grad)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of 0 .. n-1 in random order; int64 unless ``dtype`` is given.

    Raises
    ------
    RuntimeError
        If ``n`` is negative, or the type cannot hold n - 1.
    """
    stream = _checked("randperm", generator)
    try:
        count = operator.index(n)
    except TypeError:
        raise TypeError(
            f"randperm(): argument 'n' (position 1) must be int, not {type(n).__name__}"
        ) from None
    numpy_dtype = options_of(dtype, device, requires_grad, dtypes.int64)
    _shapes.numel((count,))
    if numpy_dtype.kind in "iu" and count - 1 > np.iinfo(numpy_dtype).max:
        raise RuntimeError(
            f"value cannot be converted to type {numpy_dtype} without overflow: {count - 1}"
        )
    return finish(random.permutation(count, stream).astype(numpy_dtype), requires_grad)


# -- choices ---------------------------------------------------------------------------------


def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Make a tensor of ``input``'s shape and type with ones and zeros.

    Parameters
    ----------
    input : Tensor
        The probability of each one, unless ``p`` is given.
    p : float, optional
        The probability of all.

    Raises
    ------
    RuntimeError
        If a probability is outside [0, 1].
    """
    stream = _checked("bernoulli", generator)
    array = like_array("bernoulli", input, None, None, False)
    if p is None:
        random.fill_bernoulli_each(array, input._data, stream)
    else:
        random.fill_bernoulli(array, plain(p), stream)
    return wrap(array)


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Draw indices with the probabilities that each row of ``input`` is proportional to.

    The draws are well distributed but not PyTorch's for the same seed, as that takes
    exponential numbers from a library of its own.

    Parameters
    ----------
    input : Tensor
        Weights (n,) or (rows, n), floating, finite and not negative, not all zero in a row.
    num_samples : int
        How many to draw from each row.
    replacement : bool
        Whether an index may come up twice.

    Returns
    -------
    Tensor
        int64, (num_samples,) or (rows, num_samples).

    Raises
    ------
    RuntimeError
        If the weights are invalid, or fewer than ``num_samples`` without replacement.
    """
    stream = _checked("multinomial", generator)
    weights = _weights(input)
    if num_samples <= 0:
        raise RuntimeError(f"cannot sample n_sample <= 0 samples, got {num_samples}")
    if not replacement and num_samples > weights.shape[-1]:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement: "
            f"{num_samples} > {weights.shape[-1]}"
        )
    rows = weights.reshape(-1, weights.shape[-1])
    draw = _with_replacement if replacement else _without_replacement
    chosen = draw(rows, num_samples, stream).reshape(*weights.shape[:-1], num_samples)
    return wrap(np.ascontiguousarray(chosen))


def _with_replacement(rows: Array, count: int, stream: Generator) -> Array:
    """Look uniform numbers up in each row's sums."""
    chosen = np.empty((len(rows), count), np.int64)
    uniform = np.empty(chosen.shape)
    random.fill_uniform(uniform, generator=stream)
    for total, numbers, picks in zip(rows.cumsum(axis=1), uniform, chosen, strict=True):
        picks[:] = np.searchsorted(total, numbers * total[-1], side="right")
    return chosen


def _without_replacement(rows: Array, count: int, stream: Generator) -> Array:
    """Take the smallest of exponential times, with the weights as rates.

    Efraimidis and Spirakis, Weighted random sampling with a reservoir, 2006.
    """
    uniform = np.empty(rows.shape)
    random.fill_uniform(uniform, generator=stream)
    with np.errstate(divide="ignore", invalid="ignore"):
        times = np.where(rows > 0, -np.log1p(-uniform) / rows, np.inf)
    return np.argsort(times, axis=1, kind="stable")[:, :count]


def _weights(input: Tensor) -> Array:
    if not isinstance(input, Tensor):
        raise TypeError(
            "multinomial(): argument 'input' (position 1) must be Tensor, "
            f"not {type(input).__name__}"
        )
    weights = input._data
    if weights.dtype.kind != "f":
        raise RuntimeError(
            "multinomial only supports floating-point dtypes for input, "
            f"got: {dtypes.from_numpy_dtype(weights.dtype)!r}"
        )
    if weights.ndim not in (1, 2) or not weights.shape[-1]:
        raise RuntimeError(f"prob_dist must be 1 or 2 dim, got shape {list(weights.shape)}")
    wide = weights.astype(np.float64)
    if not (np.isfinite(wide) & (wide >= 0)).all():
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if not (wide.sum(axis=-1) > 0).all():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    return wide


__all__ = [
    "bernoulli",
    "get_rng_state",
    "multinomial",
    "normal",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "set_rng_state",
]
