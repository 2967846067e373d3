"""Native pooling against the reference: maxima exactly, means within the sum's rounding."""

import itertools
import math

import numpy as np
import pytest
from cases import AVG_POOL, MAX_POOL, PoolCase
from compare import assert_close, assert_exact, assert_sum, eps, in_float64, largest, poison

from fastnn import runtime
from fastnn.backends import native as native_module
from fastnn.backends.reference import backend as reference

native = native_module.backend


def how(case):
    return case.kernel, case.stride, case.padding


@pytest.mark.parametrize("special", [None, np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize("case", MAX_POOL, ids=str)
def test_max_pool2d(case, special, isa, dtype):
    x, grad = case.arrays(dtype)
    if special is not None:
        x.reshape(-1)[::3] = special
    arguments = (*how(case), case.dilation, case.out_size)
    best, index = reference.max_pool2d(x, *arguments)
    poison(native, dtype, best.shape, x.shape)
    got, got_index = native.max_pool2d(x, *arguments)
    assert_exact(got, best, "maximum")
    assert_exact(got_index, index, "position")
    poison(native, dtype, best.shape, x.shape)
    assert_exact(native.max_pool2d_values(x, *arguments), best, "maximum alone")
    poison(native, dtype, best.shape, x.shape)
    got, recorded = native.max_pool2d_recorded(x, *arguments)
    assert_exact(got, best, "maximum that is recorded")
    want = reference.max_pool2d_backward(*in_float64(grad), index, case.x[2:])
    for told in (recorded, index):
        dx = native.max_pool2d_backward(grad, told, case.x[2:])
        assert dx.dtype == dtype
        assert_sum(dx, want, math.prod(case.kernel), grad, "gradient")
        joined = native.max_pool2d_backward(grad, told, case.x[2:], x)
        assert_exact(joined, native.relu_backward(dx, x), "a ReLU's gradient joined to it")


@pytest.mark.parametrize("case", AVG_POOL, ids=str)
def test_avg_pool2d(case, isa, dtype):
    x, grad = case.arrays(dtype)
    options = (case.count_include_pad, case.divisor)
    want = reference.avg_pool2d(*in_float64(x), *how(case), case.out_size, *options)
    poison(native, dtype, want.shape, x.shape)
    got = native.avg_pool2d(x, *how(case), case.out_size, *options)
    assert got.dtype == dtype
    taps = math.prod(case.kernel)
    assert_close(got, want, eps(dtype) * (taps + 1) * largest(x), "mean")
    arguments = (case.x[2:], *how(case), *options)
    dx = native.avg_pool2d_backward(grad, *arguments)
    want = reference.avg_pool2d_backward(*in_float64(grad), *arguments)
    assert dx.dtype == dtype
    assert_close(dx, want, eps(dtype) * (taps + 1) * largest(grad), "gradient")


@pytest.mark.parametrize("width", [2, 9, 20, 34])
@pytest.mark.parametrize("where", ["anywhere", "in the windows", "nowhere"])
def test_maxima_go_where_the_indices_say(where, width, isa, dtype):
    """The sizes look like 2x2 windows; the indices need not."""
    rng = np.random.default_rng(0)
    size, out = (6, width), (3, width // 2)
    grad = np.round(rng.standard_normal((2, 3, *out)), 2).astype(dtype)
    corner = 2 * width * np.arange(3)[:, None] + 2 * np.arange(out[1])
    shape = grad.shape
    index = corner + rng.integers(0, 2, shape) + width * rng.integers(0, 2, shape)
    if where != "in the windows":  # the last plane only, and only its end
        others = rng.integers(0, 6 * width, out[1]) if where == "anywhere" else -1
        index[-1, -1, -1] = others
    grad[0, 0, 0, 0] = -0.0
    want = np.zeros((6, 6 * width), dtype)
    for plane, at, g in zip(want, index.reshape(6, -1), grad.reshape(6, -1), strict=True):
        for i, v in zip(at, g, strict=True):
            if i >= 0:
                plane[i] += v
    dx = native.max_pool2d_backward(grad, index.astype(np.int32), size)
    assert_exact(dx.reshape(want.shape), want, "gradient")
    assert not np.signbit(dx[0, 0]).ravel()[index[0, 0, 0, 0]], "0 + -0 is 0"
    bad = index.astype(np.int32)
    bad[1, 2, 0, 0] = 6 * width
    with pytest.raises(IndexError):
        native.max_pool2d_backward(grad, bad, size)


def bits_cases():
    """Every width from one vector of windows to a few, with rows, vectors and planes that end."""
    for height, width, pad in itertools.product((1, 2, 3, 7, 38), range(22, 70), (0, 1)):
        if height + 2 * pad >= 3:
            yield PoolCase((2, 2, height, width), (3, 3), (2, 2), (pad, pad))
    for width in (1023, 1024, 1025, 1026, 1027):
        yield PoolCase((1, 2, 4, width), (3, 3), (2, 2), (1, 1))
    for pad in (0, 1):  # rows of a plane are tasks
        yield PoolCase((1, 2, 200, 203), (3, 3), (2, 2), (pad, pad))


@pytest.mark.parametrize("special", [None, 0, np.nan, np.inf, -np.inf], ids=str)
def test_bits_stand_for_positions(special):
    """Gradients that are exact, so that the order of sums does not matter; of zeros, +0."""
    rng = np.random.default_rng(0)
    told = set()
    for case in bits_cases():
        x, _ = case.arrays(np.float32)
        x = np.round(x)
        if special is not None:
            x.reshape(-1)[rng.integers(0, x.size, x.size // 3)] = special
        arguments = (*how(case), case.dilation, case.out_size)
        best, index = reference.max_pool2d(x, *arguments)
        grad = rng.integers(-2, 3, best.shape).astype(np.float32)
        grad[grad == 0] = -0.0
        poison(native, np.float32, best.shape, x.shape)
        got, recorded = native.max_pool2d_recorded(x, *arguments)
        told.add(recorded.dtype.name)
        assert_exact(got, best, f"maximum, {case}")
        want = reference.max_pool2d_backward(grad, index, case.x[2:])
        best_isa = runtime.get_isa()
        for isa in (best_isa, "scalar"):  # which bits were not told on
            runtime.set_isa(isa)
            try:
                poison(native, np.float32, x.shape)
                dx = native.max_pool2d_backward(grad, recorded, case.x[2:])
            finally:
                runtime.set_isa(best_isa)
            assert_exact(dx, want, f"gradient on {isa}, {case}")
            assert not np.signbit(dx[dx == 0]).any()
    assert told == ({"uint16", "int32"} if runtime.get_isa() == "avx512" else {"int32"})


def test_bits_of_other_sizes(isa):
    case = PoolCase((2, 2, 9, 33), (3, 3), (2, 2))
    x, grad = case.arrays(np.float32)
    _, recorded = native.max_pool2d_recorded(x, *how(case), case.dilation, case.out_size)
    if recorded.dtype != np.uint16:
        pytest.skip("positions are recorded")
    for gradient, told, size in (
        (grad, recorded[:-1], (9, 33)),
        (grad[:1], recorded, (9, 33)),
        (grad, recorded, (9, 35)),
        (grad[..., :8], recorded, (9, 33)),
        (grad[..., :2], recorded, (9, 5)),
        (grad[..., :2], recorded[:0], (9, 5)),
    ):
        with pytest.raises(ValueError, match="words of bits are not those of grad's shape"):
            native.max_pool2d_backward(gradient, told, size)


def test_first_of_equals_and_last_nan(isa, dtype):
    case = PoolCase((1, 1, 3, 48), (3, 3), (3, 3))
    x = np.zeros(case.x, dtype)
    x[0, 0, 1, 4] = x[0, 0, 2, 4] = np.nan
    _, index = native.max_pool2d(x, *how(case), case.dilation, case.out_size)
    want = np.arange(0, 48, 3)
    want[1] = 2 * 48 + 4
    assert index.ravel().tolist() == want.tolist()


# 2x2 windows over maps whose rows go several a vector, across planes.
SHORT = [
    PoolCase((7, 5, height, width), (2, 2), (2, 2))
    for width in (2, 3, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17)
    for height in (2, 5, 8)
]


def short_map(case, dtype):
    rng = np.random.default_rng(case.x[3])
    return rng, np.round(rng.standard_normal(case.x), 1).astype(dtype)


@pytest.mark.parametrize("case", SHORT, ids=str)
def test_short_rows(case, isa, dtype):
    """Here and there is a NaN."""
    rng, x = short_map(case, dtype)
    arguments = (*how(case), case.dilation, case.out_size)
    for place in (None, 0, x.size // 2, x.size - 1):
        if place is not None:
            x.reshape(-1)[place] = np.nan
        best, index = reference.max_pool2d(x, *arguments)
        got, got_index = native.max_pool2d(x, *arguments)
        assert_exact(got, best, "maximum")
        assert_exact(got_index, index, "position")
        assert_exact(native.max_pool2d_values(x, *arguments), best, "maximum alone")
    grad = rng.standard_normal(best.shape).astype(dtype)
    dx = native.max_pool2d_backward(grad, index, case.x[2:])
    want = reference.max_pool2d_backward(*in_float64(grad), index, case.x[2:])
    assert_exact(dx, want.astype(dtype), "gradient")


@pytest.mark.parametrize("case", SHORT, ids=str)
def test_averages_of_short_rows(case, isa, dtype):
    """A sum starts from 0, so that no average of zeros is -0, wherever it is."""
    rng, x = short_map(case, dtype)
    x[::2] = -0.0
    y = native.avg_pool2d(x, *how(case), case.out_size, True, None)
    want = reference.avg_pool2d(*in_float64(x), *how(case), case.out_size, True, None)
    np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-6)
    assert not np.signbit(y[::2]).any()
    grad = np.round(rng.standard_normal(y.shape), 1).astype(dtype)
    dx = native.avg_pool2d_backward(grad, case.x[2:], *how(case), True, None)
    want = reference.avg_pool2d_backward(*in_float64(grad), case.x[2:], *how(case), True, None)
    assert_exact(dx, want.astype(dtype), "gradient")


def scattered(grad, index, size):
    """What every position of every plane is given, in the order of the windows."""
    want = np.zeros((grad.shape[0], size[0] * size[1]), grad.dtype)
    rows = len(want)
    for plane, at, g in zip(want, index.reshape(rows, -1), grad.reshape(rows, -1), strict=True):
        np.add.at(plane, at[at >= 0], g[at >= 0])
    return want.reshape(rows, 1, *size)


OVERLAPPING = [(7, 25), (12, 56), (9, 65), (8, 30), (3, 16382), (4, 16383)]


@pytest.mark.parametrize(
    ("size", "pad"), [(size, pad) for size in OVERLAPPING for pad in (0, 1)] + [((1, 27), 1)]
)
@pytest.mark.parametrize(
    "where", ["anywhere", "in the windows", "nowhere", "beyond a border", "beside a window"]
)
def test_maxima_of_overlapping_windows_go_where_the_indices_say(where, size, pad, isa, dtype):
    """The sizes look like 3x3 windows of stride 2, padded or not; the indices need not."""
    rng = np.random.default_rng(0)
    height, width = size
    out = ((height + 2 * pad - 3) // 2 + 1, (width + 2 * pad - 3) // 2 + 1)
    grad = rng.standard_normal((3, 1, *out)).astype(dtype)
    row = 2 * np.arange(out[0])[:, None] - pad + rng.integers(0, 3, grad.shape)
    column = 2 * np.arange(out[1]) - pad + rng.integers(0, 3, grad.shape)
    index = row.clip(0, height - 1) * width + column.clip(0, width - 1)
    if where == "anywhere":  # the second plane only, and only its end
        index[1, 0, -1, -1] = 0
    elif where == "nowhere":
        index[1, 0, -1, -1] = -1
    elif where == "beyond a border":  # the ends of other rows
        index[1, 0, :, 0] = np.maximum(2 * np.arange(out[0]) * width - 1, 0)
        index[2, 0, :-1, -1] = (2 * np.arange(out[0] - 1) + 2) * width
    elif where == "beside a window":  # the columns next to the first and the last, on the inside
        index[1, 0, -1, 0] = (height - 1) * width + 3 - pad
        index[2, 0, -1, -1] = (height - 1) * width + 2 * out[1] - 3 - pad
    dx = native.max_pool2d_backward(grad, index.astype(np.int32), size)
    assert_exact(dx, scattered(grad, index, size), "gradient")
    below = height * width + (width - 2) % 2
    for place, position in (((-1, -2), below), ((0, 1), -2), ((0, 0), -width), ((0, -1), -2)):
        bad = index.astype(np.int32)
        bad[(2, 0, *place)] = position
        with pytest.raises(IndexError):
            native.max_pool2d_backward(grad, bad, size)


@pytest.mark.parametrize("scale", [1e-41, 1e37])
@pytest.mark.parametrize("width", [25, 65, 70])
def test_maxima_of_the_smallest_and_the_largest_numbers(width, scale, isa):
    """Sums of them, by which rows are searched for NaNs, may be infinite."""
    case = PoolCase((2, 2, 9, width), (3, 3), (2, 2))
    x, _ = case.arrays(np.float32)
    x *= np.float32(scale)
    arguments = (*how(case), case.dilation, case.out_size)
    best, index = reference.max_pool2d(x, *arguments)
    got, got_index = native.max_pool2d(x, *arguments)
    assert_exact(got, best, "maximum")
    assert_exact(got_index, index, "position")
    assert_exact(native.max_pool2d_values(x, *arguments), best, "maximum alone")


@pytest.mark.parametrize("width", [25, 65, 70])
def test_averages_of_overlapping_windows_start_from_zero(width, isa, dtype):
    case = PoolCase((2, 2, 9, width), (3, 3), (2, 2))
    x = np.full(case.x, -0.0, dtype)
    y = native.avg_pool2d(x, *how(case), case.out_size, True, None)
    assert not y.any()
    assert not np.signbit(y).any()
