"""Ten thousand convolutions of random shapes leave the process as large as the first thousand."""

import os

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn.backends import CONV_ALGORITHMS, _native

STATM = "/proc/self/statm"
SHAPES, WARM_UP = 10_000, 1_000
#: Blocks that wait for reuse: some of each size class up to the largest array here.
ROOM = 16 << 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.path.exists(STATM), reason="needs Linux's /proc"),
]


def resident() -> int:
    with open(STATM) as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def convolve(rng: np.random.Generator) -> None:
    """One small convolution, forward and backward, with arguments drawn anew."""
    groups = int(rng.choice([1, 1, 1, 2, 4]))
    channels, filters = (groups * int(rng.integers(1, 13)) for _ in range(2))
    kernel = tuple(map(int, rng.integers(1, 4, 2)))
    size = tuple(map(int, rng.integers(5, 25, 2)))
    dtype = np.dtype(rng.choice(["float32", "float64"]))

    def leaf(*shape: int) -> fastnn.Tensor:
        values = rng.standard_normal(shape).astype(dtype)
        return fastnn.from_numpy(values).requires_grad_()

    x = leaf(int(rng.integers(1, 4)), channels, *size)
    weight, bias = leaf(filters, channels // groups, *kernel), leaf(filters)
    stride, padding = (tuple(map(int, rng.integers(i, 3, 2))) for i in (1, 0))
    dilation = tuple(
        int(rng.integers(1, min(3, (n + 2 * p - 1) // max(k - 1, 1)) + 1))
        for n, p, k in zip(size, padding, kernel, strict=True)
    )
    suits = kernel == (3, 3) and stride == (1, 1) and dilation[0] == dilation[1]
    algorithms = CONV_ALGORITHMS if suits else CONV_ALGORITHMS[:-1]
    with fastnn.conv_algorithm(str(rng.choice(algorithms))):
        F.conv2d(x, weight, bias, stride, padding, dilation, groups).sum().backward()
    assert x.grad.shape == x.shape
    assert weight.grad.shape == weight.shape


def test_no_growth_over_many_shapes() -> None:
    rng = np.random.default_rng(11)
    fastnn.release_memory()
    with fastnn.threads(2):
        for _ in range(WARM_UP):
            convolve(rng)
        before, most_cached = resident(), 0
        for _ in range(SHAPES - WARM_UP):
            convolve(rng)
            most_cached = max(most_cached, _native.cached_bytes())
    assert 0 < most_cached <= ROOM
    assert resident() - before <= ROOM
    fastnn.release_memory()
    assert _native.cached_bytes() == 0
