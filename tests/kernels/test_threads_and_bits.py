"""The same bits for any number of threads, on every instruction set."""

from collections.abc import Iterator

import numpy as np
import pytest
from compare import same_bits
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


def results(dtype, count):
    fastnn.set_num_threads(count)
    return {name: several(function(*a)) for name, function, a in calls(native, dtype, LARGE)}


def test_same_bits_for_any_number_of_threads(isa, dtype, threads):
    one = results(dtype, 1)
    for count in (2, 3, 7):
        for name, got in results(dtype, count).items():
            for g, w in zip(got, one[name], strict=True):
                assert same_bits(g, w), f"{name} differs between 1 and {count} threads"


def test_same_bits_each_time(isa, threads):
    """Not only on average: a race would show in one of many runs."""
    fastnn.set_num_threads(7)
    rng = np.random.default_rng(7)
    a, b = (rng.standard_normal((150, 150)).astype(np.float32) for _ in range(2))
    want = native.matmul(a, b)
    for _ in range(200):
        assert same_bits(native.matmul(a, b), want)
