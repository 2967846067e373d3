"""Where tensors lie: large ones start on a line, whatever made them."""

import numpy as np
import pytest

import fastnn
from fastnn import _memory

SIZE = (40, 40)  # 6,400 bytes: blocks are aligned from 4 KB on
ARRAY = np.arange(1600, dtype=np.float32).reshape(SIZE)

MAKERS = {
    "empty": lambda: fastnn.empty(SIZE),
    "zeros": lambda: fastnn.zeros(SIZE),
    "ones": lambda: fastnn.ones(SIZE),
    "full": lambda: fastnn.full(SIZE, 2.5),
    "zeros_like": lambda: fastnn.zeros_like(fastnn.from_numpy(ARRAY)),
    "rand": lambda: fastnn.rand(SIZE),
    "randn": lambda: fastnn.randn(SIZE),
    "tensor": lambda: fastnn.tensor(ARRAY),
    "clone": lambda: fastnn.from_numpy(ARRAY).clone(),
    "contiguous": lambda: fastnn.from_numpy(ARRAY).t().contiguous(),
    "double": lambda: fastnn.from_numpy(ARRAY).double(),
    "cat": lambda: fastnn.cat([fastnn.from_numpy(ARRAY)] * 2),
    "stack": lambda: fastnn.stack([fastnn.from_numpy(ARRAY)] * 2, 1),
    "parameter": lambda: fastnn.nn.Linear(40, 40).weight,
    "result": lambda: fastnn.from_numpy(ARRAY) + 1,
}


@pytest.mark.parametrize("maker", MAKERS)
def test_a_large_tensor_starts_on_a_line(maker):
    for _ in range(3):
        assert MAKERS[maker]().data_ptr() % 64 == 0


@pytest.mark.parametrize("dtype", ["float32", "int64"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_arrays_are_joined_as_by_numpy(axis, dtype):
    arrays = [each.astype(dtype) for each in (ARRAY, ARRAY[:, ::-1], ARRAY.T)]
    pairs = [(_memory.stacked(arrays, axis), np.stack(arrays, axis))]
    if axis < 2:
        pairs.append((_memory.concatenated(arrays, axis), np.concatenate(arrays, axis)))
    for got, want in pairs:
        assert got.dtype == want.dtype
        assert np.array_equal(got, want)


@pytest.mark.parametrize("array", [ARRAY, ARRAY.T, ARRAY[::2, 1:], ARRAY[:0], ARRAY[0, 0:1]])
def test_arrays_are_copied_as_by_numpy(array):
    for got, want in (
        (_memory.copied(array), array.copy()),
        (_memory.converted(array, np.dtype(np.int64)), array.astype(np.int64)),
        (_memory.converted(array, np.dtype(np.float32)), array.astype(np.float32)),
        (_memory.filled(array.shape, array.dtype, 7), np.full(array.shape, 7, array.dtype)),
    ):
        assert got.dtype == want.dtype
        assert got.strides == want.strides
        assert np.array_equal(got, want)
        assert not np.shares_memory(got, array)


def test_an_array_has_at_most_64_dimensions():
    with pytest.raises(ValueError, match="not 65"):
        _memory.empty_array((1,) * 65, np.dtype(np.float32))
