"""The same bits for any number of threads, on every instruction set."""

import functools
import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from cases import CONV2D, SAME3, SAME5, Conv2dCase, PoolCase
from cases_flat import FLAT
from compare import same_bits
from forked import needs_fork, workers_used
from kernel_calls import LARGE, calls, convolutions, several

import fastnn
from fastnn.backends import CONV_ALGORITHMS, _native
from fastnn.backends import native as native_module

native = native_module.backend

#: Every precision of what is chosen, and every algorithm in every precision that it knows.
CHOSEN = (("auto", "fast"), ("auto", "strict"))
WAYS = (*CHOSEN, *((each, "fast") for each in CONV_ALGORITHMS[1:]), ("winograd", "strict"))
#: Beside LARGE, work for several threads in every way that a convolution is computed.
CONVOLUTIONS = (
    # windows that do not overlap: packed from images; planes as columns, several bands
    Conv2dCase((4, 24, 90, 94), 24, (2, 2), (2, 2)),
    Conv2dCase((3, 64, 60, 62), 160, (2, 2), (2, 2)),
    Conv2dCase((3, 64, 90, 94), 40, (2, 2), (2, 2)),
    Conv2dCase((4, 64, 8, 8), 96, (3, 3), (2, 2), SAME3),
    Conv2dCase((1, 128, 8, 8), 160, (3, 3), (2, 2), SAME3),
    Conv2dCase((3, 32, 33, 35), 48, padding=(12, 12, 12, 12), dilation=(12, 12)),
    Conv2dCase((4, 24, 90, 94), 24, (2, 2), (2, 2), (1, 0, 0, 0)),
    Conv2dCase((4, 64, 90, 94), 64, (2, 2), (2, 2), (1, 0, 0, 0)),
    # groups of few channels: windows in place, strips, short rows, one vector, few places, planes
    # in L1, lanes; three channels
    Conv2dCase((4, 16, 40, 48), 16, padding=SAME3, groups=16),
    Conv2dCase((4, 32, 41, 47), 32, (3, 3), (2, 2), SAME3, groups=32),
    Conv2dCase((16, 40, 14, 14), 40, padding=SAME3, groups=40),
    Conv2dCase((32, 48, 7, 7), 48, padding=SAME3, groups=48),
    Conv2dCase((32, 64, 7, 7), 64, (5, 5), (2, 2), SAME5, groups=64),
    Conv2dCase((40, 90, 7, 7), 90, (5, 5), (2, 2), groups=90),
    Conv2dCase((16, 64, 7, 7), 64, (5, 5), padding=SAME5, groups=64),
    Conv2dCase((4, 32, 90, 90), 32, (3, 3), (2, 2), SAME3, groups=16),
    Conv2dCase((48, 96, 7, 7), 96, (7, 7), (2, 2), groups=96),
    Conv2dCase((6, 32, 20, 20), 32, (5, 5), padding=SAME5, groups=32),
    Conv2dCase((4, 32, 28, 28), 32, (5, 5), padding=SAME5, groups=32),
    Conv2dCase((9, 16, 136, 144), 16, padding=SAME3, groups=16),  # results past the caches
    Conv2dCase((6, 18, 40, 45), 18, (7, 7), (2, 2), (6, 6, 6, 6), (2, 2), 18),
    Conv2dCase((4, 16, 33, 70), 16, (7, 4), padding=(3, 2, 2, 1), groups=16),
    Conv2dCase((9, 48, 16, 17), 48, (1, 7), padding=(0, 0, 3, 3), groups=48),
    Conv2dCase((64, 34, 17, 19), 34, (2, 3), (3, 2), (1, 0, 0, 2), (1, 3), 34),
    Conv2dCase((8, 3, 64, 64), 3, padding=SAME3),
    Conv2dCase((9, 6, 24, 24), 16, (5, 5)),
    Conv2dCase((9, 16, 40, 40), 8, padding=SAME3, stride=(2, 2)),
    Conv2dCase((5, 10, 13, 28), 32, (2, 5), padding=(1, 0, 2, 2), groups=2),
    # windows that cover their planes, patches, images apart or stacked, few outputs
    Conv2dCase((64, 16, 7, 7), 64, (7, 7)),
    Conv2dCase((2, 3, 84, 84), 40, (8, 8), (4, 4)),
    Conv2dCase((5, 50, 14, 14), 61, (1, 1)),
    Conv2dCase((3, 256, 5, 5), 256, (1, 1)),
    Conv2dCase((16, 64, 7, 7), 64, (3, 3), (2, 2), SAME3),
    Conv2dCase((24, 19, 6, 7), 28, padding=(4, 5, 4, 3)),
    Conv2dCase((2, 9, 60, 61), 1, padding=SAME3),
    Conv2dCase((4, 1, 40, 64), 4, padding=SAME3),
    Conv2dCase((4, 4, 40, 64), 4, padding=SAME3),
    # weights by rows of pixels, one block of images and several
    Conv2dCase((5, 80, 9, 11), 160, (5, 5), padding=SAME5),
    Conv2dCase((3, 16, 40, 40), 132, (7, 3), padding=(3, 3, 1, 1)),
    # and by taps, one band of rows and several
    Conv2dCase((5, 40, 9, 11), 96, (5, 5), padding=SAME5),
    Conv2dCase((3, 16, 40, 40), 32, (7, 3), padding=(3, 3, 1, 1)),
    # transforms: shares of blocks, few tiles and four or sixteen, phases of a dilation
    Conv2dCase((4, 8, 64, 64), 8, padding=SAME3),
    Conv2dCase((1, 64, 7, 7), 64, padding=SAME3),
    Conv2dCase((1, 32, 16, 13), 48, padding=SAME3),
    Conv2dCase((2, 32, 28, 28), 32, padding=(2, 2, 2, 2), dilation=(2, 2)),
    Conv2dCase((1, 64, 14, 14), 48, padding=(2, 2, 2, 2), dilation=(2, 2)),
)
PASSES = ("forward", "input", "weight")
#: Windows two by two and three by three, planes in the lanes, whole planes, rows of one plane.
POOLS = (
    PoolCase((16, 17, 29, 31)),
    PoolCase((16, 64, 14, 14), (3, 3), (2, 2), (1, 1)),
    PoolCase((8, 48, 13, 15), (3, 3), (1, 1), (1, 1)),
    PoolCase((4, 32, 28, 28), (5, 5), (3, 3), (2, 2)),
    PoolCase((64, 64, 7, 7), (7, 7), (7, 7)),
    PoolCase((1, 5, 200, 203)),
)

#: What is cut for threads hardly depends on the instruction set: the fast suite runs the fast ones.
each_isa = pytest.mark.parametrize(
    "isa",
    [
        pytest.param(isa, marks=[pytest.mark.slow] if isa in ("scalar", "sse2") else [])
        for isa in _native.isa_compiled()
    ],
    indirect=True,
)


@pytest.fixture
def threads() -> Iterator[None]:
    """Put the number of threads back."""
    before = fastnn.get_num_threads()
    yield
    fastnn.set_num_threads(before)


@functools.cache
def large_calls(dtype):
    return list(calls(native, dtype, LARGE))


@functools.cache
def wide_calls(dtype):
    """Few long rows where LARGE has many short ones, and other windows of pooling."""
    kinds = ("sum", "mean", "softmax", "log_softmax", "cross_entropy", "max_pool", "avg_pool")
    sizes = replace(LARGE, conv=(), pool=POOLS, rows=7, length=60011)
    return [call for call in calls(native, dtype, sizes) if call[0].startswith(kinds)]


def check(name, function, arrays):
    fastnn.set_num_threads(1)
    one = several(function(*arrays))
    for count in (2, 3, 7):
        fastnn.set_num_threads(count)
        for got, want in zip(several(function(*arrays)), one, strict=True):
            assert same_bits(got, want), f"{name} differs between 1 and {count} threads"


def test_same_bits_for_any_number_of_threads(isa, dtype, threads):
    for call in large_calls(dtype):
        check(*call)


@each_isa
def test_same_bits_of_long_rows_and_windows(isa, dtype, threads):
    for call in wide_calls(dtype):
        check(*call)


@each_isa
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_same_bits_of_every_way_of_a_convolution(case, isa, threads):
    for call in convolutions(native, np.float32, case, WAYS):
        check(*call)


@pytest.mark.parametrize("case", FLAT, ids=str)
def test_same_bits_of_wide_windows(case, isa, threads):
    if isa in ("avx2", "avx512"):  # by algorithms that the other cases try
        for call in convolutions(native, np.float32, case, CHOSEN[:1]):
            check(*call)


def told(case, way, which):
    """What a pass is computed by: kernel, pass and the names of sizes."""
    how = (case.x, case.weight, *case.how, which, "float32", *way)
    plan = _native.conv2d_plan(*how)
    return (plan["kernel"], which, *sorted(plan["sizes"])) if plan["kernel"] else None


def all_told(cases):
    return {told(*each) for each in itertools.product(cases, WAYS, PASSES)}


def test_every_way_of_a_convolution_is_among_them(isa):
    assert not all_told((*CONV2D, *FLAT)) - all_told((*LARGE.conv, *CONVOLUTIONS, *FLAT))


@pytest.mark.slow
@needs_fork
def test_every_way_of_a_convolution_is_shared_out(threads):
    fastnn.set_num_threads(3)
    shared = set()
    for case, way, which in itertools.product((*LARGE.conv, *CONVOLUTIONS, *FLAT), WAYS, PASSES):
        key = told(case, way, which)
        if key is None or key in shared:
            continue
        x, weight, bias, grad = case.arrays(np.float32)
        if which == "forward":
            call = functools.partial(native.conv2d, x, weight, bias, *case.how, *way)
        else:
            needs = (which == "input", which == "weight", False)
            call = functools.partial(
                native.conv2d_backward, grad, x, weight, *case.how, needs, *way
            )
        if workers_used(call):
            shared.add(key)
    assert not all_told((*CONV2D, *FLAT)) - shared - {None}


@needs_fork
def test_large_calls_are_shared_out(threads):
    """Else equal bits for any number of threads would say nothing."""
    fastnn.set_num_threads(3)
    for name, function, arrays in (*large_calls(np.float32), *wide_calls(np.float32)):
        wanted = 0 if "vector" in name else 2  # those are too little work
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
