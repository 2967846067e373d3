"""The comparisons catch what a broken kernel would give."""

import numpy as np
import pytest
from cases import CONV2D, Conv2dCase
from cases_products import GemmCase
from compare import (
    LAYOUTS,
    Guarded,
    assert_close,
    assert_exact,
    assert_products,
    assert_relative,
    in_float64,
    poison,
    same_bits,
)

from fastnn.backends.reference import backend as reference

CASE = Conv2dCase((2, 3, 6, 17), 7, padding=(1, 1, 1, 1))


def last_column_missing(out):
    out[..., -1] = 0


def one_element_unwritten(out):
    out[-1, -1, -1, -1] = np.nan


def shifted(out):
    out[...] = np.roll(out, 1, axis=-1)


def two_channels_swapped(out):
    out[:, [0, 1]] = out[:, [1, 0]]


def last_tap_twice(out):
    out[0, 0, 0, 0] += 0.01


def low_precision(out):
    out[...] = np.asarray(out.astype(np.float16), out.dtype)


def biased_rounding(out):
    out *= 1 + 2e-6


@pytest.mark.parametrize(
    "fault",
    [
        last_column_missing,
        one_element_unwritten,
        shifted,
        two_channels_swapped,
        last_tap_twice,
        low_precision,
        biased_rounding,
    ],
)
def test_fault_in_convolution_is_caught(fault):
    x, weight, bias, _ = CASE.arrays(np.float32)
    want = reference.conv2d(*in_float64(x, weight, bias), *CASE.how)
    got = reference.conv2d(x, weight, bias, *CASE.how)
    assert_products(got, want, CASE.reduction, x, weight, bias)
    fault(got)
    with pytest.raises(AssertionError, match=r"elements differ|rms error"):
        assert_products(got, want, CASE.reduction, x, weight, bias)


@pytest.mark.parametrize("name", ["stride", "padding", "dilation", "groups", "kernel"])
def test_table_has_every_argument(name):
    """A kernel that ignores one, or mixes up its two axes, meets a case that shows it."""
    values = {getattr(case, name) for case in CONV2D}
    assert len(values) > 3
    if name in ("stride", "dilation", "kernel"):
        assert any(a < b for a, b in values)
        assert any(a > b for a, b in values)


def test_large_products_allow_no_half_precision_in_float64():
    case = GemmCase(9, 9, 400)
    a, b = case.arrays(np.float64)
    want = reference.matmul(a, b)
    got = reference.matmul(a.astype(np.float32), b.astype(np.float32)).astype(np.float64)
    with pytest.raises(AssertionError):
        assert_products(got, want, case.k, a, b)


def test_exact_means_exact():
    x = np.array([1.0, np.nan, -0.0], np.float32)
    assert_exact(x, np.array([1.0, np.nan, 0.0], np.float32))
    for other in (np.nextafter(x, np.float32(2)), x.astype(np.float64), x[:2]):
        with pytest.raises(AssertionError):
            assert_exact(x, other)
    assert not same_bits(x, np.array([1.0, np.nan, 0.0], np.float32))


@pytest.mark.parametrize(("got", "want"), [(np.inf, 1.0), (1.0, np.inf), (np.nan, 1.0)])
def test_special_values_are_not_close_to_numbers(got, want):
    for limit in (1.0, np.inf):
        with pytest.raises(AssertionError):
            assert_close(np.array([got]), np.array([want]), limit)


def test_relative_counts_last_places():
    x = np.array([1e-30, 3.0, 1e30], np.float32)
    off = x * np.float32(1 + 3 * np.finfo(np.float32).eps)
    assert_relative(off, x.astype(np.float64), 4)
    with pytest.raises(AssertionError):
        assert_relative(off, x.astype(np.float64), 2)


def test_guard_sees_a_write_beside_the_array():
    guarded = Guarded(np.ones((3, 5), np.float32))
    guarded.array[...] = 2
    guarded.check()
    beside = np.lib.stride_tricks.as_strided(guarded.array.reshape(-1), (16,), (4,))
    beside[15] = 2
    with pytest.raises(AssertionError, match="written outside"):
        guarded.check()


def test_layouts_are_what_they_say():
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    made = {name: make(x) for name, make in LAYOUTS.items()}
    assert all((a == x).all() for a in made.values())
    assert made["aligned"].ctypes.data % 64 == 0
    assert made["element-aligned"].ctypes.data % 64 == 4
    assert not made["byte-misaligned"].flags.aligned
    assert not made["strided"].flags.c_contiguous
    assert made["reversed"].strides[0] < 0
    assert made["fortran"].flags.f_contiguous
    assert not made["read-only"].flags.writeable
    first = made["aligned"].reshape(-1)[:1]
    assert np.isnan(np.lib.stride_tricks.as_strided(first, (25,), (4,))[24])
    assert np.isnan(np.lib.stride_tricks.as_strided(first, (2,), (-4,))[1])


def test_poison_uses_the_backends_own_results():
    class Recorder:
        def add(self, a, b):
            seen.append(a.shape)
            assert np.isnan(a).all()
            return a + b

    seen = []
    poison(Recorder(), np.float32, (2, 3), (4,))
    assert sorted(seen) == [(2, 3), (2, 3), (4,), (4,)]
