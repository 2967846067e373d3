"""The probes do the work that they report."""

import numpy as np
import pytest

from fastnn.backends import _native


def test_multiply_adds_are_proportional_to_rounds_and_lanes(isa, dtype):
    is_f64 = dtype == np.float64
    once = _native.fma_work(1, is_f64)
    assert _native.fma_work(7, is_f64) == 7 * once
    lanes = {"scalar": 1, "avx2": 32 // np.dtype(dtype).itemsize, "avx512": 64}.get(isa)
    if isa == "avx512":
        lanes //= np.dtype(dtype).itemsize
    assert lanes is None or once / lanes == once // lanes
    assert once > 0


@pytest.mark.parametrize("count", [0, 1, 127, 128, 1000, 4096])
def test_streams_touch_what_they_count(isa, dtype, count):
    size = np.dtype(dtype).itemsize
    memory = np.arange(count + 2, dtype=dtype) + 1
    inside = memory[1:-1]
    before = memory.copy()
    assert _native.stream_work("read", inside, 3) == 3 * _native.stream_work("read", inside, 1)
    assert np.array_equal(memory, before)

    moved = _native.stream_work("copy", inside, 1)
    half = int(moved) // (2 * size)
    assert moved == 2 * half * size <= inside.nbytes
    assert np.array_equal(inside[half : 2 * half], before[1:-1][:half])
    assert np.array_equal(inside[2 * half :], before[1:-1][2 * half :])

    for stream, times in (("double", 2), ("quadruple", 4)):
        memory[:] = before
        moved = _native.stream_work(stream, inside, 1)
        part = int(moved) // ((1 + times) * size)
        assert moved == (1 + times) * part * size <= inside.nbytes
        assert count - (1 + times) * part < (1 + times) * 8 * 64 // size
        source, copies = before[1:-1][:part], inside[part : (1 + times) * part]
        assert np.array_equal(inside[:part], source)
        assert np.array_equal(np.sort(copies), np.repeat(source, times)), "rising numbers"
        assert np.array_equal(inside[(1 + times) * part :], before[1:-1][(1 + times) * part :])

    memory[:] = before
    written = int(_native.stream_work("write", inside, 1)) // size
    assert count - written < 8 * 64 // size
    assert not inside[:written].any()
    assert np.array_equal(inside[written:], before[1:-1][written:])
    assert (memory[0], memory[-1]) == (1, count + 2)


def test_bad_buffers_are_told():
    with pytest.raises(
        ValueError, match="unknown stream 'triad'; choose from read, write, copy, double, quadruple"
    ):
        _native.stream_work("triad", np.zeros(8), 1)
    with pytest.raises(ValueError, match=r"dense, writable array, got strides \(16,\)"):
        _native.stream_work("read", np.zeros(8)[::2], 1)
    with pytest.raises(TypeError, match="int32"):
        _native.stream_work("read", np.zeros(8, np.int32), 1)
