"""Native elementwise operations and reductions against the float64 reference."""

import numpy as np
import pytest
from cases_pointwise import BINARY, FAR_REDUCTION, REDUCTION, UNARY
from compare import (
    TRANSCENDENTAL,
    assert_close,
    assert_exact,
    assert_relative,
    assert_sum,
    eps,
    in_float64,
    largest,
    poison,
)

from fastnn.backends import native as native_module
from fastnn.backends.reference import backend as reference

native = native_module.backend

ARITHMETIC = ("add", "sub", "mul", "div")
UNARY_NAMES = ("exp", "log", "tanh", "sigmoid", "relu")
ACTIVATIONS = ("tanh", "sigmoid", "relu")


def special_values(dtype):
    info = np.finfo(dtype)
    tiny, small, big = float(info.tiny), float(info.smallest_subnormal), float(info.max)
    points = [0.0, 1.0, 0.5, 1 + float(info.eps), 1e-4, 20.0, 87.0, 88.8, 104.0, 710.0, 746.0]
    points += [tiny, tiny / 2, small, big, np.inf]
    return np.array([*points, *(-p for p in points), np.nan], dtype)


@pytest.mark.parametrize("name", ARITHMETIC)
@pytest.mark.parametrize("case", BINARY, ids=str)
def test_arithmetic_is_exact(case, name, isa, dtype):
    """IEEE: each result is the correctly rounded one, so NumPy's."""
    a, b = case.arrays(dtype)
    want = getattr(reference, name)(a, b)
    poison(native, dtype, want.shape)
    got = getattr(native, name)(a, b)
    assert_exact(got, want)
    assert got.flags.c_contiguous


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_of_special_values(name, isa, dtype):
    x = special_values(dtype)
    assert_exact(getattr(native, name)(x[:, None], x), getattr(reference, name)(x[:, None], x))


@pytest.mark.parametrize("name", UNARY_NAMES)
@pytest.mark.parametrize("shape", UNARY, ids=str)
def test_unary(shape, name, isa, dtype):
    x = np.asarray(np.random.default_rng(3).standard_normal(shape) * 5, dtype)
    x = np.abs(x) if name == "log" else x
    want = getattr(reference, name)(*in_float64(x))
    poison(native, dtype, shape)
    got = getattr(native, name)(x)
    assert got.dtype == dtype
    assert_relative(got, want, 0 if name == "relu" else TRANSCENDENTAL)


@pytest.mark.parametrize("name", UNARY_NAMES)
def test_unary_over_the_whole_range(name, isa, dtype):
    """Random bit patterns reach every exponent, subnormals and NaN too."""
    bits = np.random.default_rng(4).integers(-(2**63), 2**63, 20000, np.int64)
    x = np.concatenate([bits.view(dtype), special_values(dtype)])
    x[np.isnan(x)] = np.nan  # signalling ones raise a flag wherever NumPy converts them
    with np.errstate(all="ignore"):
        want = getattr(reference, name)(*in_float64(x))
        want = np.where(np.abs(want) > np.finfo(dtype).max, np.sign(want) * np.inf, want)
    assert_relative(getattr(native, name)(x), want, 0 if name == "relu" else TRANSCENDENTAL)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("shape", UNARY, ids=str)
def test_backward_of_activations(shape, name, isa, dtype):
    rng = np.random.default_rng(5)
    x, grad = (np.asarray(rng.standard_normal(shape), dtype) for _ in range(2))
    y = getattr(reference, name)(x)
    want = getattr(reference, f"{name}_backward")(*in_float64(grad, y))
    poison(native, dtype, shape)
    got = getattr(native, f"{name}_backward")(grad, y)
    assert got.dtype == dtype
    # tanh' = 1 - y*y loses up to eps of y*y <= 1, whatever is left of the difference.
    limit = 0.0 if name == "relu" else 3 * eps(dtype) * np.abs(grad)
    assert_close(got, want, limit)


def test_relu_backward_of_special_values(isa, dtype):
    """Where the output is NaN the gradient passes, as in PyTorch."""
    y = np.maximum(special_values(dtype), 0)
    grad = np.arange(1, y.size + 1).astype(dtype)
    got = native.relu_backward(grad, y)
    assert_exact(got, np.where((y > 0) | np.isnan(y), grad, dtype(0)))


@pytest.mark.parametrize("case", [*REDUCTION, *FAR_REDUCTION], ids=str)
def test_sum_and_mean(case, isa, dtype):
    (x,) = case.arrays(dtype)
    count = case.reduction
    arguments = (case.axes, case.keepdims)
    want = reference.sum(*in_float64(x), *arguments)
    poison(native, dtype, want.shape)
    got = native.sum(x, *arguments)
    assert got.dtype == dtype
    assert got.flags.c_contiguous
    assert_sum(got, want, count, x, "sum")
    got = native.mean(x, *arguments)
    assert got.dtype == dtype
    want = reference.mean(*in_float64(x), *arguments)
    assert_close(got, want, 2 * eps(dtype) * largest(x), "mean")


@pytest.mark.parametrize("axes", [(3,), (0, 0), (1, 2, 1)])
@pytest.mark.parametrize("name", ["sum", "mean"])
def test_axes_are_there_and_named_once(name, axes):
    x = np.ones((2, 3, 4), np.float32)
    for backend in (native, reference):
        with pytest.raises(ValueError, match="axis"):
            getattr(backend, name)(x, axes)


def test_long_sums_are_not_naive(isa, dtype):
    """One running total over 2**20 ones would lose nothing, over 1.1 it drifts by thousands."""
    x = np.full(2**20, 1.1, dtype)
    want = float(x[0]) * 2**20
    assert abs(float(native.sum(x, (0,))) - want) <= 64 * eps(dtype) * want
