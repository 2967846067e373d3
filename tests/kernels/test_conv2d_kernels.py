"""Native convolution, each algorithm on each instruction set, against the float64 reference."""

import functools
import math

import numpy as np
import pytest
from cases import CONV2D, Conv2dCase
from cases_flat import FLAT
from compare import PLAIN, WINOGRAD, assert_products, in_float64, poison, same_bits

from fastnn.backends import _native
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


def check_forward(case, dtype, algorithm="auto", precision="fast", rounding=PLAIN):
    (x, weight, bias, _), out, _ = truth(case, dtype)
    poison(native, dtype, case.out)
    got = native.conv2d(x, weight, bias, *case.how, algorithm, precision)
    assert got.dtype == dtype
    assert got.flags.c_contiguous
    assert_products(got, out, case.reduction, x, weight, bias, "output", rounding)
    joined = native.conv2d(x, weight, bias, *case.how, algorithm, precision, relu=True)
    assert same_bits(joined, native.relu(got)), "a ReLU joined to it"


def check_backward(case, dtype, algorithm="auto", precision="fast", rounding=PLAIN):
    (x, weight, _, grad), _, (dx, dweight, dbias) = truth(case, dtype)
    poison(native, dtype, case.x, case.weight)
    needs = (True, True, case.bias)
    got = native.conv2d_backward(grad, x, weight, *case.how, needs, algorithm, precision)
    assert all(g is None or (g.dtype == dtype and g.flags.c_contiguous) for g in got)
    outputs = case.out[0] * case.out[2] * case.out[3]
    filters = case.k // case.groups * math.prod(case.kernel)
    what = "gradient of the {}".format
    assert_products(got[0], dx, filters, grad, weight, what=what("input"), rounding=rounding)
    assert_products(got[1], dweight, outputs, grad, x, what=what("weight"), rounding=rounding)
    assert (got[2] is None) == (dbias is None)
    if dbias is not None:
        assert_products(got[2], dbias, outputs, grad, np.ones(1), what=what("bias"))
    gate = np.where(x > 1, dtype(np.finfo(dtype).smallest_subnormal), x)  # as open as any
    wish = ((True, False, False), algorithm, precision)
    joined, *_ = native.conv2d_backward(grad, x, weight, *case.how, *wish, gate=gate)
    assert same_bits(joined, native.relu_backward(got[0], gate)), "a ReLU's gradient joined to it"


def rounding(algorithm, precision):
    return WINOGRAD[precision] if algorithm == "winograd" else PLAIN


@pytest.mark.parametrize("case", CONV2D, ids=str)
def test_conv2d(case, isa, way, dtype):
    if case.suits(way[0]):
        check_forward(case, dtype, *way, rounding(*way))
    else:
        x, weight, bias, _ = case.arrays(dtype)
        refused(lambda: native.conv2d(x, weight, bias, *case.how, *way))


@pytest.mark.parametrize("case", CONV2D, ids=str)
def test_conv2d_backward(case, isa, way, dtype):
    if case.suits(way[0]):
        check_backward(case, dtype, *way, rounding(*way))
    else:
        x, weight, _, grad = case.arrays(dtype)
        for needs in ((True, False, False), (False, True, False)):
            refused(lambda n=needs: native.conv2d_backward(grad, x, weight, *case.how, n, *way))


def refused(function):
    with pytest.raises(RuntimeError, match="convolution algorithm 'winograd' cannot do input"):
        function()


@pytest.mark.parametrize("case", CONV2D, ids=str)
def test_chosen_algorithm(case, dtype):
    # float64 takes no approximate algorithm unless it is forced
    allowed = WINOGRAD["fast"] if dtype == np.float32 else PLAIN
    check_forward(case, dtype, rounding=allowed)
    check_backward(case, dtype, rounding=allowed)


@pytest.mark.parametrize("case", FLAT, ids=str)
def test_wide_windows(case, isa):
    """Fewer multiplications where that is allowed, which no forced algorithm does."""
    for which in ("forward", "input") if case.stride == (1, 1) else ("forward",):
        how = (case.x, case.weight, *case.how, which, "float32", "auto")
        fast, strict = (_native.conv2d_plan(*how, each)["algorithm"] for each in ("fast", "strict"))
        assert (fast == "winograd") == (isa in ("avx2", "avx512"))
        assert strict != "winograd"
    if isa not in ("avx2", "avx512"):
        return  # by algorithms that the other cases try
    check_forward(case, np.float32, rounding=WINOGRAD["fast"])
    check_forward(case, np.float32, precision="strict")
    check_backward(case, np.float32, rounding=WINOGRAD["fast"])


@pytest.mark.parametrize(("c", "k"), [(16, 8), (17, 11), (16, 16), (33, 13), (40, 24), (33, 47)])
def test_pointwise_beyond_l2(c, k, isa, dtype):
    case = Conv2dCase((2, c, 97, 93), k, kernel=(1, 1))
    check_forward(case, dtype)
    check_backward(case, dtype)


def test_backward_gives_what_is_needed(isa, way, dtype):
    """The same bits whatever else is wanted; the bias's sums have an order of their own alone."""
    case = Conv2dCase((2, 3, 5, 9), 4, padding=(1, 1, 1, 1))
    (x, weight, _, grad), _, (_, _, dbias) = truth(case, dtype)
    every = native.conv2d_backward(grad, x, weight, *case.how, (True, True, True), *way)
    for needs in np.ndindex(2, 2, 2):
        wanted = tuple(map(bool, needs))
        got = native.conv2d_backward(grad, x, weight, *case.how, wanted, *way)
        assert tuple(g is not None for g in got) == wanted
        if wanted[2] and not wanted[1]:
            assert_products(got[2], dbias, 2 * 5 * 9, grad, np.ones(1), what="bias alone")
            got = got[:2]
        for one, full in zip(got, every, strict=False):
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


@pytest.mark.parametrize("special", [np.nan, np.inf])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [3, 5, 7])
@pytest.mark.parametrize("at", [(0, 0), (4, 17), (10, 18), (0, 18), (10, 0)])
def test_special_values_reach_their_taps(at, size, stride, special, isa, algorithm, dtype):
    """Depthwise, where vectors end beside pixels that no window holds: in x and in dy."""
    for c, width, pad in (
        (2, 19, (1, 0, 1, 0)),
        (2, 19, (0, 0, 0, 0)),
        (2, 34, (0, 2, 0, 2)),
        (17, 19, (1, 2, 1, 2)),
    ):
        case = Conv2dCase((2, c, 11, width), c, (size,) * 2, (stride,) * 2, pad, groups=c)
        x, weight, bias, grad = case.arrays(dtype)
        x[(1, 1, *at)] = special
        wanted = reference.conv2d(x, weight, bias, *case.how)
        got = native.conv2d(x, weight, bias, *case.how, algorithm)
        assert (np.isfinite(got) == np.isfinite(wanted)).all()
        needs = (True, True, False)
        wanted = reference.conv2d_backward(grad, x, weight, *case.how, needs)
        got = native.conv2d_backward(grad, x, weight, *case.how, needs, algorithm)
        assert (np.isfinite(got[0]) == np.isfinite(wanted[0])).all()
        assert (np.isfinite(got[1]) == np.isfinite(wanted[1])).all()


def test_unknown_algorithm():
    x, weight, bias, _ = Conv2dCase((1, 2, 3, 4), 3, (1, 1)).arrays(np.float32)
    with pytest.raises(ValueError, match="fft"):
        native.conv2d(x, weight, bias, (1, 1), (0, 0, 0, 0), (1, 1), 1, "fft")
    with pytest.raises(ValueError, match="unknown convolution precision 'exact'; choose from fast"):
        native.conv2d(x, weight, bias, (1, 1), (0, 0, 0, 0), (1, 1), 1, "auto", "exact")
