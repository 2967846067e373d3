"""Rounding errors of Winograd's algorithms, measured against those of the direct kernels.

The root mean square error against float64 is at most so many times that of ``direct`` on the same
data and instruction set. The sources of the errors, and all figures, are in
csrc/notes/conv2d_winograd.md.
"""

import functools

import numpy as np
import pytest
from cases import SAME3, Conv2dCase
from cases_flat import FLAT

from fastnn.backends import _native
from fastnn.backends import native as native_module

native = native_module.backend

#: Of outputs and gradients of the input: what csrc/notes/conv2d_winograd.md promises for F(4,3),
#: and for F(2,3) and F(3,3).
BOUND = {"fast": 4.0, "strict": 1.5}
#: Gradients of the weights are sums over pixels, of which `direct` adds a vector or more apart: of
#: small maps and few channels its error is half to a tenth of that of a sum in order, with which
#: the transforms compare. Strictly, from sums of as many pixels as LONG on, BOUND holds.
WEIGHT_BOUND = {"fast": 6.5, "strict": 2.5}
LONG = 512

CASES = [
    # few channels on one side or both; one image and several
    Conv2dCase((1, 16, 28, 28), 64, padding=SAME3),
    Conv2dCase((1, 8, 64, 64), 64, padding=SAME3),
    Conv2dCase((1, 10, 45, 56), 32, padding=SAME3),
    Conv2dCase((1, 64, 14, 14), 8, padding=SAME3),
    Conv2dCase((8, 16, 15, 13), 16),
    # many
    Conv2dCase((2, 64, 28, 28), 48, padding=SAME3),
    Conv2dCase((1, 192, 14, 14), 64, padding=SAME3),
    Conv2dCase((2, 64, 20, 22), 64, padding=SAME3, groups=2),
    # small maps: few tiles in all
    Conv2dCase((1, 128, 7, 7), 128, padding=SAME3),
    Conv2dCase((1, 128, 8, 8), 64, padding=SAME3),
    Conv2dCase((3, 64, 4, 4), 64, padding=SAME3),
    Conv2dCase((8, 64, 4, 4), 32, padding=SAME3),
    # tiles that are shorter, in both directions and in one: by one result and by more
    Conv2dCase((5, 64, 7, 7), 64, padding=SAME3),
    Conv2dCase((3, 96, 10, 13), 48, padding=SAME3),
    Conv2dCase((4, 64, 6, 12), 80),
    # strict by F(3,3): sums of few channels, and windows that reach far past a small plane
    Conv2dCase((2, 32, 20, 17), 40, padding=SAME3),
    Conv2dCase((4, 33, 8, 8), 32, padding=(2, 2, 2, 2)),
    Conv2dCase((4, 32, 5, 5), 64),
    # phases
    Conv2dCase((2, 32, 28, 28), 48, padding=(2, 2, 2, 2), dilation=(2, 2)),
]
PASSES = ("forward", "input", "weight")


def rms(x):
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


def compute(case, dtype, algorithm, precision="fast"):
    x, weight, _, grad = (a if a is None else a.astype(dtype) for a in case.arrays(np.float32))
    y = native.conv2d(x, weight, None, *case.how, algorithm, precision)
    wish = ((True, True, False), algorithm, precision)
    return y, *native.conv2d_backward(grad, x, weight, *case.how, *wish)[:2]


@functools.cache
def truth(case):
    """In float64, by the fastest instruction set."""
    before = _native.get_isa()
    _native.set_isa(_native.isa_available()[-1])
    try:
        return compute(case, np.float64, "direct")
    finally:
        _native.set_isa(before)


def errors(case, algorithm, precision="fast"):
    """Of the output and of the gradients of the input and the weights."""
    got = compute(case, np.float32, algorithm, precision)
    return [rms(a - b) for a, b in zip(got, truth(case), strict=True)]


@pytest.mark.parametrize("precision", list(BOUND))
@pytest.mark.parametrize("case", CASES, ids=str)
def test_errors_beside_direct(case, precision, isa):
    bound = BOUND[precision]
    direct, got = errors(case, "direct"), errors(case, "winograd", precision)
    for which, of_direct, error in zip(PASSES[:2], direct, got, strict=False):
        assert error <= bound * of_direct, f"{which}: {error / of_direct:.2f} times direct's"
    pixels = case.out[0] * case.out[2] * case.out[3]
    more = bound if precision == "strict" and pixels >= LONG else WEIGHT_BOUND[precision]
    assert got[2] <= more * direct[2], f"weight: {got[2] / direct[2]:.2f} times direct's"


@pytest.mark.parametrize("case", FLAT[::4], ids=str)
def test_errors_along_rows(case, isa):
    """F(4, 4), of which the choice makes use: no forced algorithm does."""
    if isa not in ("avx2", "avx512"):
        return  # by algorithms that the other cases try
    direct, got = errors(case, "direct"), errors(case, "auto")
    for which, of_direct, error in zip(PASSES[:2], direct, got, strict=False):
        how = (case.x, case.weight, *case.how, which, "float32", "auto", "fast")
        if _native.conv2d_plan(*how)["algorithm"] == "winograd":
            assert error <= BOUND["fast"] * of_direct, f"{which}: {error / of_direct:.2f}"
