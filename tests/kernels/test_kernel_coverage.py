"""Every kernel of every usable instruction set is run by what the other tests compare.

Each kernel in turn is replaced by one that does nothing but count its calls
(``stand_in_for``); then the calls and the tables of cases, which the tests of this folder
check against the reference, run until it was met.  A kernel that nothing reaches is tested
by nothing, and fails here by its name.
"""

import contextlib
import functools
import pathlib
import re
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from cases import CONV2D
from cases_flat import FLAT
from cases_products import GEMM, LINEAR
from kernel_calls import SMALL, calls

from fastnn.backends import CONV_ALGORITHMS, _native
from fastnn.backends import native as native_module
from fastnn.bench.machine import STREAMS

native = native_module.backend

ALGORITHMS = CONV_ALGORITHMS[1:]
LIST = pathlib.Path(__file__).parents[2] / "csrc" / "kernels" / "kernels.def"
EVERYTHING = (True, True, True)
#: Squares are turned in registers where a vector is a whole line, and elements of A are brought to
#: few columns where lanes can be permuted. With one lane the costs always
#: favour another form, the outer product and planes in place; tables of vectors shorter than 32
#: bytes hold no kernels of windows, of runs of taps or of Winograd's products, and of these
#: float64 has only runs; with 16 registers four tiles of Winograd's, and sixteen, go the way of
#: more.
WINDOWS = (
    "window",
    "spread",
    "window_weight",
    "short",
    "short_weight",
    "few",
    "few_spread",
    "near",
)
TRANSFORMS = ("product", "depth", "flat_input", "flat_output")
NEVER_CHOSEN = {("scalar", "conv2d_dot3"), ("scalar", "conv2d_lanes")}
NEVER_CHOSEN |= {
    (isa, f"conv2d_{name}")
    for isa in ("scalar", "sse2", "neon")
    for name in ("outer_runs", *WINDOWS)
}
NEVER_CHOSEN |= {(isa, "gemm_squares") for isa in ("scalar", "sse2", "avx2", "neon")}
NEVER_CHOSEN |= {(isa, "gemm_few") for isa in ("scalar", "sse2", "neon")}
NEVER_CHOSEN |= {(isa, "winograd_four") for isa in ("scalar", "sse2", "avx2")}
NEVER_CHOSEN |= {(isa, "winograd_sixteen") for isa in ("scalar", "sse2", "avx2", "neon")}
NEVER_CHOSEN |= {(isa, "conv2d_three_weight") for isa in ("scalar", "sse2", "avx2", "neon")}
NEVER_CHOSEN |= {
    (isa, f"winograd_{name}") for isa in ("scalar", "sse2", "neon") for name in TRANSFORMS
}
NEVER_CHOSEN |= {(isa, "max_pool_bits_backward") for isa in ("scalar", "sse2", "avx2", "neon")}
FLOAT32_ONLY = {f"winograd_{name}" for name in (*TRANSFORMS, "sixteen")}
FLOAT32_ONLY |= {f"conv2d_{name}" for name in (*WINDOWS, "three_weight")}
FLOAT32_ONLY |= {"max_pool_bits_backward"}
#: What works on integers of 64 bits stands in the table of numbers as wide.
FLOAT64_ONLY = {"labels_outside"}


def convolutions(dtype, algorithm) -> Iterator[Callable[[], object]]:
    for case in CONV2D:
        if not case.suits(algorithm):
            continue
        x, weight, bias, grad = case.arrays(dtype)
        how = (*case.how, algorithm)
        yield lambda a=(x, weight, bias), how=how: native.conv2d(*a, *how)
        yield lambda a=(grad, x, weight), how=how: native.conv2d_backward(
            *a, *how[:-1], EVERYTHING, how[-1]
        )
        if algorithm == "winograd":
            yield lambda a=(x, weight, bias), how=how: native.conv2d(*a, *how, "strict")


def products(dtype) -> Iterator[Callable[[], object]]:
    for case in GEMM:
        yield functools.partial(native.matmul, *case.arrays(dtype))
    for case in LINEAR:
        x, weight, bias, grad = case.arrays(dtype)
        yield lambda a=(x, weight, bias): native.linear(*a)
        yield lambda a=(grad, x, weight): native.linear_backward(*a, EVERYTHING)


def compared(dtype) -> Iterator[Callable[[], object]]:
    """Every call that some test compares with the reference, the quickest first."""
    for _, function, arrays in CALLS[dtype]:
        yield lambda f=function, a=arrays: f(*a)
    yield from products(dtype)
    for algorithm in ALGORITHMS:
        yield from convolutions(dtype, algorithm)
    x, weight, bias, _ = FLAT[0].arrays(dtype)
    yield lambda: native.conv2d(x, weight, bias, *FLAT[0].how)
    yield lambda: _native.fma_work(1, dtype == "float64")
    for stream in STREAMS:
        yield lambda s=stream: _native.stream_work(s, np.ones(1024, dtype), 1)


# made beforehand: making them runs kernels too
CALLS = {name: list(calls(native, np.dtype(name), SMALL)) for name in ("float32", "float64")}


def is_reached(dtype, kernel, runs) -> bool:
    _native.stand_in_for(dtype, kernel)
    for run in runs:
        # what a kernel leaves undone may lead the rest astray
        with contextlib.suppress(IndexError, RuntimeError):
            run()
        if _native.stand_in_calls():
            return True
    return False


def is_never_chosen(isa, dtype, kernel) -> bool:
    of_the_other = FLOAT32_ONLY if dtype == "float64" else FLOAT64_ONLY
    return (isa, kernel) in NEVER_CHOSEN or kernel in of_the_other


def kernels_of(isa) -> list[tuple[str, str]]:
    return [(dtype, kernel) for name, dtype, kernel in _native.kernel_names() if name == isa]


@pytest.mark.slow  # each of them needs every run
def test_what_is_never_chosen_is_not_exercised(isa):
    never = [each for each in kernels_of(isa) if is_never_chosen(isa, *each)]
    assert not [each for each in never if is_reached(*each, compared(each[0]))]


@pytest.mark.slow  # what it looks after are the other tests, not the library
def test_every_kernel_is_exercised(isa):
    kernels = kernels_of(isa)
    chosen = [each for each in kernels if not is_never_chosen(isa, *each)]
    assert not [each for each in chosen if not is_reached(*each, compared(each[0]))]
    assert len(kernels) == len(set(kernels)) >= 80
    if LIST.is_file():
        listed = re.findall(r"^KERNEL\((\w+)\)", LIST.read_text("utf-8"), re.M)
        assert sorted(kernels) == sorted((dtype, name) for dtype in CALLS for name in listed)


@pytest.mark.slow
def test_each_algorithm_uses_its_own_kernels(isa, dtype):
    """Forcing one has an effect: each reaches kernels that the other never calls."""
    name = np.dtype(dtype).name
    own = {
        "direct": ("conv2d_rows", "conv2d_outer"),
        "im2col": ("conv2d_columns", "conv2d_add_columns"),
        "batch": ("conv2d_pixels",),
        "winograd": ("winograd_input", "winograd_taps"),
    }
    for algorithm, kernels in own.items():
        for kernel in kernels:
            for each in ALGORITHMS:
                reached = is_reached(name, kernel, convolutions(name, each))
                assert reached == (each == algorithm), (each, kernel)


def test_a_kernel_that_nothing_calls_is_told(isa):
    assert not is_reached("float32", "relu", products("float32"))
    with pytest.raises(ValueError, match="no kernel 'fft_f32'"):
        _native.stand_in_for("float32", "fft")
