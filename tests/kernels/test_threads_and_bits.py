"""The same bits for any number of threads, on every instruction set."""

import functools
from collections.abc import Iterator

import numpy as np
import pytest
from compare import same_bits
from forked import needs_fork, workers_used
from kernel_calls import LARGE, calls, several

import fastnn
from fastnn.backends import native as native_module

native = native_module.backend


@pytest.fixture
def threads() -> Iterator[None]:
    """Put the number of threads back."""
    before = fastnn.get_num_threads()
    yield
    fastnn.set_num_threads(before)


@functools.cache
def large_calls(dtype):
    return list(calls(native, dtype, LARGE))


def test_same_bits_for_any_number_of_threads(isa, dtype, threads):
    for name, function, arrays in large_calls(dtype):
        fastnn.set_num_threads(1)
        one = several(function(*arrays))
        for count in (2, 3, 7):
            fastnn.set_num_threads(count)
            for got, want in zip(several(function(*arrays)), one, strict=True):
                assert same_bits(got, want), f"{name} differs between 1 and {count} threads"


def test_same_bits_of_few_pixels_of_all_images(isa, threads):
    """One product of columns, which threads share."""
    rng = np.random.default_rng(8)
    x = rng.standard_normal((2, 48, 8, 8)).astype(np.float32)
    weight = rng.standard_normal((100, 48, 3, 3)).astype(np.float32)
    how = ((2, 2), (1, 1, 1, 1), (1, 1), 1, "im2col", "fast")
    fastnn.set_num_threads(1)
    want = native.conv2d(x, weight, None, *how)
    for count in (2, 3, 7):
        fastnn.set_num_threads(count)
        assert same_bits(native.conv2d(x, weight, None, *how), want)


@needs_fork
def test_large_calls_are_shared_out(threads):
    """Else equal bits for any number of threads would say nothing."""
    fastnn.set_num_threads(3)
    for name, function, arrays in large_calls(np.float32):
        wanted = 0 if name == "matmul vector" else 2  # that one is too little work
        assert workers_used(lambda f=function, a=arrays: f(*a)) == wanted, name


def test_same_bits_each_time(isa, threads):
    """Not only on average: a race would show in one of many runs."""
    fastnn.set_num_threads(7)
    rng = np.random.default_rng(7)
    a, b = (rng.standard_normal((150, 150)).astype(np.float32) for _ in range(2))
    want = native.matmul(a, b)
    for _ in range(200):
        assert same_bits(native.matmul(a, b), want)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_same_bits_wherever_a_result_lies(isa, name):
    """Small results are not on lines: each is kept, so that the next one lies elsewhere."""
    rng = np.random.default_rng(7)
    x, grad = (rng.standard_normal((2, 100)).astype(np.float32) for _ in range(2))
    forward, backward = getattr(native, name), getattr(native, f"{name}_backward")
    kept, places = [], set()
    for size in range(100):
        y = forward(x, 1)
        kept += [y, backward(grad, y, 1), bytearray(size)]
        places.add(kept[-2].ctypes.data % 64)
        assert same_bits(y, kept[0])
        assert same_bits(kept[-2], kept[1])
    assert len(places) > 1
