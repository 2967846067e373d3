"""Native convolution, each algorithm on each instruction set, against the float64 reference."""

import functools
import math

import numpy as np
import pytest
from cases import CONV2D, Conv2dCase
from compare import assert_products, in_float64, poison, same_bits

from fastnn.backends import native as native_module
from fastnn.backends.reference import backend as reference

native = native_module.backend


@functools.cache
def truth(case, dtype):
    """Inputs, output and gradients; the latter two in float64."""
    x, weight, bias, grad = arrays = case.arrays(dtype)
    x64, weight64, bias64, grad64 = in_float64(*arrays)
    out = reference.conv2d(x64, weight64, bias64, *case.how)
    grads = reference.conv2d_backward(grad64, x64, weight64, *case.how, (True, True, case.bias))
    return (x, weight, bias, grad), out, grads


def check_forward(case, dtype, algorithm):
    (x, weight, bias, _), out, _ = truth(case, dtype)
    poison(native, dtype, case.out)
    got = native.conv2d(x, weight, bias, *case.how, algorithm)
    assert got.dtype == dtype
    assert got.flags.c_contiguous
    assert_products(got, out, case.reduction, x, weight, bias, "output")


def check_backward(case, dtype, algorithm):
    (x, weight, _, grad), _, (dx, dweight, dbias) = truth(case, dtype)
    poison(native, dtype, case.x, case.weight)
    needs = (True, True, case.bias)
    got = native.conv2d_backward(grad, x, weight, *case.how, needs, algorithm)
    assert all(g is None or (g.dtype == dtype and g.flags.c_contiguous) for g in got)
    outputs = case.out[0] * case.out[2] * case.out[3]
    filters = case.k // case.groups * math.prod(case.kernel)
    assert_products(got[0], dx, filters, grad, weight, what="gradient of the input")
    assert_products(got[1], dweight, outputs, grad, x, what="gradient of the weight")
    assert (got[2] is None) == (dbias is None)
    if dbias is not None:
        assert_products(got[2], dbias, outputs, grad, np.ones(1), what="gradient of the bias")


@pytest.mark.parametrize("case", CONV2D, ids=str)
def test_conv2d(case, isa, algorithm, dtype):
    check_forward(case, dtype, algorithm)


@pytest.mark.parametrize("case", CONV2D, ids=str)
def test_conv2d_backward(case, isa, algorithm, dtype):
    check_backward(case, dtype, algorithm)


@pytest.mark.parametrize("case", CONV2D, ids=str)
def test_chosen_algorithm(case, dtype):
    check_forward(case, dtype, "auto")
    check_backward(case, dtype, "auto")


def test_backward_gives_what_is_needed(isa, algorithm, dtype):
    case = Conv2dCase((2, 3, 5, 9), 4, padding=(1, 1, 1, 1))
    (x, weight, _, grad), _, _ = truth(case, dtype)
    every = native.conv2d_backward(grad, x, weight, *case.how, (True, True, True), algorithm)
    for needs in np.ndindex(2, 2, 2):
        wanted = tuple(map(bool, needs))
        got = native.conv2d_backward(grad, x, weight, *case.how, wanted, algorithm)
        assert tuple(g is not None for g in got) == wanted
        for one, full in zip(got, every, strict=True):
            assert one is None or same_bits(one, full)


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_special_values_reach_their_outputs(special, isa, algorithm, dtype):
    """NaN and infinity in the input reach each output whose window holds them, and no other."""
    case = Conv2dCase((1, 2, 6, 19), 3, padding=(1, 1, 1, 1), bias=False)
    x, weight, _, _ = case.arrays(dtype)
    x[0, 1, 2, 16] = special
    got = native.conv2d(x, weight, None, *case.how, algorithm)
    touched = np.zeros(case.out, bool)
    touched[:, :, 1:4, 15:18] = True
    assert (np.isfinite(got) == ~touched).all()


def test_unknown_algorithm():
    x, weight, bias, _ = Conv2dCase((1, 2, 3, 4), 3, (1, 1)).arrays(np.float32)
    with pytest.raises(ValueError, match="fft"):
        native.conv2d(x, weight, bias, (1, 1), (0, 0, 0, 0), (1, 1), 1, "fft")
