"""Random numbers, equal to PyTorch's on the CPU for equal seeds.

Both draw 32-bit words from the Mersenne Twister MT19937 and, fortunately, seed it alike.
What is made of the words follows PyTorch's CPU code (an x86-64 build on a machine with
fused multiply-add), so that for one seed

* uniform numbers, integers, permutations and Bernoulli masks are equal bit for bit;
* normal numbers are equal up to a few units in the last place, because the logarithm and
  the cosine come from different libraries.

The functions fill NumPy arrays; :mod:`fastnn.creation` makes tensors of them.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._generator import (
    Generator,
    Words,
    default_generator,
    initial_seed,
    manual_seed,
    seed,
)
from .dtypes import from_numpy_dtype

Array = NDArray[Any]

__all__ = [
    "Generator",
    "bernoulli_mask",
    "default_generator",
    "fill_bernoulli",
    "fill_bernoulli_each",
    "fill_normal",
    "fill_randint",
    "fill_uniform",
    "initial_seed",
    "manual_seed",
    "permutation",
    "seed",
]

_LOW_24 = np.uint32((1 << 24) - 1)
_LOW_53 = np.uint64((1 << 53) - 1)
# From this range on PyTorch's randint takes two words a number, to keep the bias of the
# remainder small.
_WIDE_RANGE = 1 << 28
# The same bound for randperm.
_WIDE_PERMUTATION = (2**32 - 1) // 20

# PyTorch's names of element types in error texts: of its scalar types, and of C's types.
_SCALAR_NAMES = {"bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short"}
_SCALAR_NAMES |= {"int32": "Int", "int64": "Long", "float32": "Float", "float64": "Double"}
_C_NAMES = {"bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short"}
_C_NAMES |= {"int32": "int", "int64": "long"}


# -- filling arrays in place ---------------------------------------------------------------


def fill_uniform(
    array: Array, low: float = 0.0, high: float = 1.0, generator: Generator | None = None
) -> None:
    """Fill with numbers from [low, high): ``low + u * (high - low)``, rounded once.

    u has 24 random bits in float32 (one word), 53 in float64 (two words).

    Raises
    ------
    NotImplementedError
        If the array is not of a floating type.
    RuntimeError
        If low > high, or the difference overflows.
    """
    _check_floating(array, "check_uniform_bounds")
    if low > high:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}"
        )
    largest = float(np.finfo(array.dtype).max)
    if high - low > largest:
        raise RuntimeError(
            "uniform_ expects to-from <= std::numeric_limits<Float>::max(), but found "
            f"to={high:g} and from={low:g} which result in to-from to exceed the limit"
        )
    start, stop = array.dtype.type(low), array.dtype.type(high)
    values = _unit(array.dtype, array.size, generator)
    if start != 0 or stop != 1:
        values = _fused_multiply_add(values, stop - start, start)
    _store(array, values)


def fill_normal(
    array: Array, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> None:
    """Fill with normally distributed numbers, by Box and Muller's transform.

    Raises
    ------
    NotImplementedError
        If the array is not of a floating type.
    RuntimeError
        If std < 0.
    """
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    _check_floating(array, "normal_kernel_cpu")
    if array.size >= 16 and array.flags.c_contiguous:
        values = _normal_blocks(array.dtype, array.size, generator)
        values = values * array.dtype.type(std) + array.dtype.type(mean)
        np.copyto(array, values.reshape(array.shape))
    else:
        source = generator or default_generator
        _store(array, source.draw_paired(array.size, _box_muller_pairs) * std + mean)


def fill_randint(array: Array, low: int, high: int, generator: Generator | None = None) -> None:
    """Fill with integers from [low, high), as remainders of one word (two from 2**28 on).

    Raises
    ------
    RuntimeError
        If low >= high, or the array's type cannot hold low or high - 1.
    """
    low, high = operator.index(low), operator.index(high)
    if low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    _check_integer_bounds(array, low, high - 1)
    source = generator or default_generator
    span = high - low
    draw = source.draw_64 if span >= _WIDE_RANGE else source.draw_32
    values = (draw(array.size) % np.uint64(span)).view(np.int64)
    # Wraps around, as it must, where low is negative and the span exceeds 2**63.
    _store(array, values + np.int64(low))


def fill_bernoulli(array: Array, p: float = 0.5, generator: Generator | None = None) -> None:
    """Fill with ones, each with probability ``p``, and zeros.

    Raises
    ------
    RuntimeError
        If p is outside [0, 1].
    """
    _store(array, bernoulli_mask((array.size,), p, generator))


def fill_bernoulli_each(
    array: Array, probabilities: Array, generator: Generator | None = None
) -> None:
    """Fill with ones, with the probability at the same place in ``probabilities``, and zeros.

    Raises
    ------
    NotImplementedError
        If the probabilities are not of a floating type.
    RuntimeError
        If one is outside [0, 1] (or NaN).
    """
    _check_floating(probabilities, "bernoulli_tensor_cpu_p_")
    wrong = probabilities[~((probabilities >= 0) & (probabilities <= 1))]
    if wrong.size:
        raise RuntimeError(
            f"Expected p_in >= 0 && p_in <= 1 to be true, but got false.  First: {wrong[0]}"
        )
    drawn = np.empty_like(array, probabilities.dtype)
    _store(drawn, _unit(probabilities.dtype, array.size, generator))
    np.copyto(array, drawn < probabilities, casting="unsafe")


def bernoulli_mask(
    shape: tuple[int, ...], p: float, generator: Generator | None = None
) -> NDArray[np.bool_]:
    """Return booleans that are True with probability ``p``; dropout keeps with ``1 - p``.

    Raises
    ------
    RuntimeError
        If p is outside [0, 1].
    """
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
    words = (generator or default_generator).draw_64(math.prod(shape))
    words &= _LOW_53
    # u < p for u = word / 2**53, without the conversion to floating point.
    return (words < np.uint64(math.ceil(math.ldexp(p, 53)))).reshape(shape)


def permutation(n: int, generator: Generator | None = None) -> NDArray[np.int64]:
    """Return 0 .. n-1 in random order: Fisher and Yates' shuffle, drawing n - 1 numbers.

    Raises
    ------
    RuntimeError
        If n is 2**31 or more.
    """
    if n >= 1 << 31:
        raise RuntimeError(f"permutation: n must be less than 2**31, got {n}")
    source = generator or default_generator
    draw = source.draw_32 if n < _WIDE_PERMUTATION else source.draw_64
    places = np.arange(n, 1, -1, dtype=np.uint64)
    partners = np.arange(n)
    partners[: max(n - 1, 0)] += (draw(len(places)) % places).view(np.int64)
    return _swapped(partners)


def _swapped(partners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what 0 .. n-1 become when each i in turn is swapped with ``partners[i]`` >= i.

    All at once instead of one by one: let ``before[i]`` be the latest earlier step with the
    same partner as i, and ``into[i]`` the latest earlier step whose partner was i itself.
    Step i finds at place i what step ``into[i]`` found there, and so on back to a place that
    no step had touched, which still holds its own number; call that ``found[i]``.  Step i
    leaves at place i what step ``before[i]`` put at the partner's place: ``found[before[i]]``,
    or the partner itself if it was untouched.
    """
    n = len(partners)
    steps = np.arange(n)
    ordered = np.sort((partners << 32) | steps)
    partner, step = ordered >> 32, ordered & 0xFFFFFFFF
    before = np.full(n, -1)
    same = partner[1:] == partner[:-1]
    before[step[1:][same]] = step[:-1][same]
    into = steps.copy()
    moving = partner != step
    # Where several steps have this partner, the assignment of the last one stays.
    into[partner[moving]] = step[moving]
    found = into
    while not np.array_equal(further := found[found], found):  # halves the way that is left
        found = further
    return np.where(before >= 0, found[before], partners)


# -- from words to numbers -----------------------------------------------------------------


def _unit(numpy_dtype: np.dtype[Any], count: int, generator: Generator | None) -> Array:
    """``count`` uniform numbers from [0, 1), as multiples of 2**-24 or 2**-53."""
    source = generator or default_generator
    if numpy_dtype == np.float32:
        words = source.draw_32(count).astype(np.uint32)
        words &= _LOW_24
        # As signed integers, which processors convert to floats several times faster.
        result = words.view(np.int32).astype(np.float32)
        result *= np.float32(2.0**-24)
        return result
    return _unit_64(source.draw_64(count))


def _unit_64(words: Words) -> NDArray[np.float64]:
    """Turn words, which are overwritten, into uniform numbers from [0, 1)."""
    words &= _LOW_53
    result = words.view(np.int64).astype(np.float64)
    result *= 2.0**-53
    return result


def _normal_blocks(numpy_dtype: np.dtype[Any], count: int, generator: Generator | None) -> Array:
    """PyTorch's order for contiguous arrays: pairs are 8 apart in blocks of 16.

    If 16 does not divide ``count``, the last 16 numbers are drawn anew.
    """
    tail = 16 if count % 16 else 0
    drawn = _unit(numpy_dtype, count + tail, generator)
    result = np.empty(count, numpy_dtype)
    whole = count - count % 16
    result[:whole] = _box_muller_16(drawn[:whole])
    if tail:
        result[-16:] = _box_muller_16(drawn[-16:])
    return result


def _box_muller_16(uniform: Array) -> Array:
    number = uniform.dtype.type
    pairs = uniform.reshape(-1, 2, 8)
    radius = np.sqrt(number(-2) * np.log(number(1) - pairs[:, 0]))
    angle = number(2 * math.pi) * pairs[:, 1]
    result = np.empty_like(pairs)
    np.multiply(radius, np.cos(angle), out=result[:, 0])
    np.multiply(radius, np.sin(angle), out=result[:, 1])
    return result.reshape(-1)


def _box_muller_pairs(words: Words) -> NDArray[np.float64]:
    """PyTorch's way for few or scattered numbers: in double precision, pairs side by side."""
    uniform = _unit_64(words)
    radius = np.sqrt(-2.0 * np.log1p(-uniform[1::2]))
    angle = 2.0 * math.pi * uniform[0::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)


def _fused_multiply_add(x: Array, scale: Any, offset: Any) -> Array:
    """``x * scale + offset``, rounded once, as compilers contract PyTorch's expression."""
    if x.dtype == np.float32:
        # A product of two 24-bit significands is exact in float64.
        return (x.astype(np.float64) * float(scale) + float(offset)).astype(np.float32)
    # Dekker's product and Knuth's sum (TAOCP 2, 4.2.2) give the two roundings' errors.
    product = x * scale
    x_high, x_low = _split(x)
    scale_high, scale_low = _split(scale)
    product_error = x_low * scale_low - (
        ((product - x_high * scale_high) - x_low * scale_high) - x_high * scale_low
    )
    total = product + offset
    part = total - product
    total_error = (product - (total - part)) + (offset - part)
    result: Array = total + (total_error + product_error)
    return result


def _split(x: Any) -> tuple[Any, Any]:
    """``x`` as a sum of two float64 with 26 bits each (Dekker 1971)."""
    shifted = x * 134217729.0  # 2**27 + 1
    high = shifted - (shifted - x)
    return high, x - high


# -- helpers -------------------------------------------------------------------------------


def _store(array: Array, values: Array) -> None:
    """Copy flat ``values`` into ``array`` in the order of its memory, as PyTorch's loops go."""
    if not array.flags.c_contiguous:
        axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        array = array.transpose(axes)
    np.copyto(array, values.reshape(array.shape), casting="unsafe")


def _check_floating(array: Array, kernel: str) -> None:
    kind = from_numpy_dtype(array.dtype)
    if not kind.is_floating_point:
        raise NotImplementedError(
            f"\"{kernel}\" not implemented for '{_SCALAR_NAMES[kind.name]}': "
            "only floating types hold such numbers"
        )


def _check_integer_bounds(array: Array, smallest: int, largest: int) -> None:
    kind = from_numpy_dtype(array.dtype)
    if kind.is_floating_point:
        return
    low, high = (
        (0, 1)
        if kind.name == "bool"
        else (
            int(np.iinfo(array.dtype).min),
            int(np.iinfo(array.dtype).max),
        )
    )
    for name, value in (("from", smallest), ("to - 1", largest)):
        if not low <= value <= high:
            raise RuntimeError(
                f"{name} is out of bounds for {_C_NAMES[kind.name]}: "
                f"{value} is outside [{low}, {high}]"
            )
