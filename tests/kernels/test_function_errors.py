"""The largest errors of exp, log, tanh, sigmoid and softmax, found by sweeps over dense arguments.

An ulp is the distance of neighbours at the exact result (of normal numbers, at least).
"""

import numpy as np
import pytest

from fastnn.backends import native as native_module

native = native_module.backend

#: Beside what csrc/notes/elementwise.md lists, over every 13th float32, rounded up.
LIMITS = {"exp": 1.01, "log": 0.85, "tanh": 1.7, "sigmoid": 1.9}
#: Beyond them functions overflow, end in 0 or are 1.
RANGES = {
    "exp": [(2.0**-30, 88.7), (-104.0, -(2.0**-30))],
    "log": [(2.0**-149, 3.4e38)],
    "tanh": [(2.0**-30, 10.0)],
    "sigmoid": [(2.0**-30, 20.0), (-104.0, -(2.0**-30))],
}


def exactly(name, x):
    if name != "sigmoid":
        return getattr(np, name)(x)
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def largest_error(name, x, exact):
    """In ulps, and where."""
    info = np.finfo(x.dtype)
    exponent = np.maximum(np.frexp(exact)[1] - 1, info.minexp)
    off = np.abs(getattr(native, name)(x) - exact) / np.ldexp(exact.dtype.type(info.eps), exponent)
    worst = int(off.argmax())
    return float(off[worst]), float(x[worst])


def sweep(name, step):
    """Every step-th float32 of the ranges, two million at a time."""
    for ends in RANGES[name]:
        first, last = sorted(int(np.float32(end).view(np.uint32)) for end in ends)
        for start in range(first, last, step << 21):
            patterns = np.arange(start, min(last, start + (step << 21)), step, np.uint32)
            x = patterns.view(np.float32)
            yield x, exactly(name, x.astype(np.float64))


@pytest.mark.parametrize("step", [997, pytest.param(13, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", list(LIMITS))
def test_of_float32(name, step, isa):
    for x, exact in sweep(name, step):
        error, where = largest_error(name, x, exact)
        assert error <= LIMITS[name], f"{error:.3f} ulp at {where!r}"


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="needs a wider truth")
@pytest.mark.parametrize("name", list(LIMITS))
def test_of_float64(name, isa):
    rng = np.random.default_rng(1)
    for least, most in RANGES[name]:
        x = rng.uniform(least, most, 1 << 16) / rng.choice([1, 10, 100], 1 << 16)
        x = np.exp(rng.uniform(-2, 2, 1 << 16)) if name == "log" else x
        error, where = largest_error(name, x, exactly(name, x.astype(np.longdouble)))
        assert error <= LIMITS[name], f"{error:.3f} ulp at {where!r}"


@pytest.mark.parametrize("axis", [0, 1])
def test_softmax_of_two(axis, isa):
    """AVX-512 rounds the exponent's product with log2(e) as well as the exponent itself."""
    x = np.stack([np.zeros(200001), np.linspace(-85, 85, 200001)], 1).astype(np.float32)
    got = native.softmax(np.ascontiguousarray(x if axis else x.T), axis)
    second = exactly("sigmoid", x[:, 1].astype(np.float64))
    off = np.abs((got if axis else got.T)[:, 1] - second) / second / np.finfo(np.float32).eps
    assert (off - 0.6 * np.abs(x[:, 1])).max() <= 2
