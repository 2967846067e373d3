"""Hypothesis draws convolution and pooling problems; native agrees with the reference."""

import math

import numpy as np
import pytest
from compare import (
    PLAIN,
    WINOGRAD,
    assert_close,
    assert_exact,
    assert_products,
    eps,
    in_float64,
    largest,
)
from hypothesis import HealthCheck, given, settings
from strategies import conv2d_cases, depthwise_cases, pool_cases, winograd_cases

from fastnn import _shapes_window as windows
from fastnn.backends import CONV_PRECISIONS
from fastnn.backends import native as native_module
from fastnn.backends.reference import backend as reference

native = native_module.backend

# The fixtures force a choice for all examples, as intended.
several = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
many = settings(several, max_examples=500)


def check_conv2d(case, dtype, algorithm, precision="fast", rounding=PLAIN):
    x, weight, bias, grad = arrays = case.arrays(dtype)
    wide = in_float64(*arrays)
    got = native.conv2d(x, weight, bias, *case.how, algorithm, precision)
    want = reference.conv2d(*wide[:3], *case.how)
    assert windows.conv2d_output(case.x, case.weight, None, *case.how) == got.shape[2:]
    assert_products(got, want, case.reduction, x, weight, bias, str(case), rounding)
    needs = (True, True, case.bias)
    gots = native.conv2d_backward(grad, x, weight, *case.how, needs, algorithm, precision)
    wants = reference.conv2d_backward(wide[3], *wide[:2], *case.how, needs)
    outputs = case.out[0] * case.out[2] * case.out[3]
    filters = case.k // case.groups * math.prod(case.kernel)
    assert_products(gots[0], wants[0], filters, grad, weight, what=f"{case} dx", rounding=rounding)
    assert_products(gots[1], wants[1], outputs, grad, x, what=f"{case} dweight", rounding=rounding)
    if case.bias:
        assert_products(gots[2], wants[2], outputs, grad, np.ones(1), what=f"{case} dbias")


def check_pool(case, dtype):
    x, grad = case.arrays(dtype)
    how = (case.kernel, case.stride, case.padding)
    out_size = windows.pool2d_output(case.x, *how, ceil_mode=case.ceil_mode)
    assert out_size == case.out_size
    best, index = reference.max_pool2d(x, *how, (1, 1), out_size)
    got, got_index = native.max_pool2d(x, *how, (1, 1), out_size)
    assert_exact(native.max_pool2d_values(x, *how, (1, 1), out_size), best, "maximum alone")
    assert_exact(got, best, f"{case} maximum")
    assert_exact(got_index, index, f"{case} position")
    limit = eps(dtype) * (math.prod(case.kernel) + 1)
    options = (case.count_include_pad, case.divisor)
    want = reference.avg_pool2d(*in_float64(x), *how, out_size, *options)
    got = native.avg_pool2d(x, *how, out_size, *options)
    assert_close(got, want, limit * largest(x), f"{case} mean")
    want = reference.avg_pool2d_backward(*in_float64(grad), case.x[2:], *how, *options)
    got = native.avg_pool2d_backward(grad, case.x[2:], *how, *options)
    assert_close(got, want, limit * largest(grad), f"{case} gradient")


@several
@given(case=conv2d_cases())
def test_conv2d(isa, algorithm, dtype, case):
    check_conv2d(case, dtype, algorithm)


@pytest.mark.slow
@many
@given(case=conv2d_cases(largest_image=40))
def test_many_conv2d(isa, algorithm, dtype, case):
    check_conv2d(case, dtype, algorithm)


@several
@given(case=depthwise_cases())
def test_depthwise(isa, dtype, case):
    check_conv2d(case, dtype, "direct")


@pytest.mark.slow
@many
@given(case=depthwise_cases())
def test_many_depthwise(isa, dtype, case):
    check_conv2d(case, dtype, "direct")


@several
@given(case=winograd_cases())
@pytest.mark.parametrize("precision", CONV_PRECISIONS)
def test_winograd(isa, dtype, precision, case):
    check_conv2d(case, dtype, "winograd", precision, WINOGRAD[precision])


@pytest.mark.slow
@settings(many, max_examples=100)  # the reference takes long for them
@given(case=winograd_cases(largest_image=36, most_channels=50))
@pytest.mark.parametrize("precision", CONV_PRECISIONS)
def test_many_winograd(isa, dtype, precision, case):
    check_conv2d(case, dtype, "winograd", precision, WINOGRAD[precision])


@several
@given(case=pool_cases())
def test_pool(isa, dtype, case):
    check_pool(case, dtype)


@pytest.mark.slow
@many
@given(case=pool_cases())
def test_many_pool(isa, dtype, case):
    check_pool(case, dtype)
