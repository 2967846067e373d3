"""Native pooling against the reference: maxima exactly, means within the sum's rounding."""

import math

import numpy as np
import pytest
from cases import AVG_POOL, MAX_POOL, PoolCase
from compare import assert_close, assert_exact, assert_sum, eps, in_float64, largest, poison

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
    dx = native.max_pool2d_backward(grad, index, case.x[2:])
    want = reference.max_pool2d_backward(*in_float64(grad), index, case.x[2:])
    assert dx.dtype == dtype
    assert_sum(dx, want, math.prod(case.kernel), grad, "gradient")


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


def test_first_of_equals_and_last_nan(isa, dtype):
    case = PoolCase((1, 1, 3, 48), (3, 3), (3, 3))
    x = np.zeros(case.x, dtype)
    x[0, 0, 1, 4] = x[0, 0, 2, 4] = np.nan
    _, index = native.max_pool2d(x, *how(case), case.dilation, case.out_size)
    want = np.arange(0, 48, 3)
    want[1] = 2 * 48 + 4
    assert index.ravel().tolist() == want.tolist()
