"""Tensors from data, against PyTorch's: values, types, sharing and errors."""

import numpy as np
import pytest

from fastnn import creation, dtypes

inf, nan = float("inf"), float("nan")


def data_of(made):
    return made._data


def calls(*table):
    """Parametrise over calls of either package."""
    return pytest.mark.parametrize("call", table, ids=[str(i) for i in range(len(table))])


def test_the_oracle_itself_can_fail(assert_same):
    with pytest.raises(AssertionError):
        assert_same(lambda t: t.tensor([1.0]) if not hasattr(t, "nn") else t.tensor([1.0, 2.0]))
    with pytest.raises(AssertionError):
        assert_same(lambda t: t.tensor([1.0]) if not hasattr(t, "nn") else t.tensor([1]))


# -- tensor, as_tensor, from_numpy -----------------------------------------------------------


@calls(
    lambda t: t.tensor(3),
    lambda t: t.tensor(3.5),
    lambda t: t.tensor(True),
    lambda t: t.tensor([]),
    lambda t: t.tensor([[], []]),
    lambda t: t.tensor([[[]]]),
    lambda t: t.tensor([1, 2.5]),
    lambda t: t.tensor([True, 1]),
    lambda t: t.tensor([True, 2.5]),
    lambda t: t.tensor([1, nan, -inf]),
    lambda t: t.tensor([[1, 2], [3, 4]]),
    lambda t: t.tensor(((1, 2), [3, 4])),
    lambda t: t.tensor(range(4)),
    lambda t: t.tensor(bytearray(b"ab")),
    lambda t: t.tensor([[1.0, 2], [3, 4]], dtype=t.float64),
    lambda t: t.tensor([1, 2], dtype=t.float32),
    lambda t: t.tensor([1.7, -1.7], dtype=t.int64),
    lambda t: t.tensor([2, 0.0], dtype=t.bool),
    lambda t: t.tensor([nan, 0, inf], dtype=t.bool),
    lambda t: t.tensor([True, False], dtype=t.float32),
    lambda t: t.tensor([True, False], dtype=t.uint8),
    lambda t: t.tensor([-1, -255, 255], dtype=t.uint8),
    lambda t: t.tensor([-128, 127], dtype=t.int8),
    lambda t: t.tensor([2**63 - 1, -(2**63)]),
    lambda t: t.tensor([2**63], dtype=t.float32),
    lambda t: t.tensor([2**24 + 1, 2**53 + 1], dtype=t.float64),
    lambda t: t.tensor([1e300, -1e300]),
    lambda t: t.tensor(1.0, requires_grad=True),
    lambda t: t.tensor([1], dtype=t.float64, requires_grad=True),
    lambda t: t.tensor([1], device="cpu"),
    lambda t: t.tensor([1], device=t.device("cpu")),
    lambda t: t.tensor(np.float64(3)),
    lambda t: t.tensor([np.float64(3), 1.5]),
    lambda t: t.tensor([np.float32(3)]),
    lambda t: t.tensor([np.int32(3)]),
    lambda t: t.tensor([np.int32(3), np.int8(4)]),
    lambda t: t.tensor(np.arange(6).reshape(2, 3)),
    lambda t: t.tensor(np.arange(6.0).reshape(2, 3).T),
    lambda t: t.tensor(np.arange(6.0), dtype=t.int32),
    lambda t: t.tensor(np.array([1e300, nan]), dtype=t.float32),
    lambda t: t.tensor(np.broadcast_to(1.0, (3,))),
    lambda t: t.tensor([np.array([1, 2], np.int32), np.array([3, 4], np.int32)]),
    lambda t: t.tensor([np.array([1, 2], np.int32), np.array([3, 4], np.int64)]),
    lambda t: t.tensor([[np.array([1.0, 2.0])], [np.array([3.0, 4.0])]]),
    lambda t: t.tensor([np.zeros(0)]),
    lambda t: t.tensor([np.array([1.0, 2.0]), [3, 4]]),
    lambda t: t.tensor([t.tensor(1.5), 2]),
    lambda t: t.tensor([t.tensor(1), t.tensor(2, dtype=t.int32)]),
    lambda t: t.tensor(t.tensor([1.5, 2])),
    lambda t: t.tensor(t.tensor([1.5, 2]), dtype=t.int64),
    lambda t: t.as_tensor([1.0, 2]),
    lambda t: t.as_tensor(np.arange(3)),
    lambda t: t.as_tensor(np.arange(3), dtype=t.float32),
    lambda t: t.as_tensor(t.tensor([1, 2])),
    lambda t: t.as_tensor(t.tensor([1, 2]), dtype=t.float32),
    lambda t: t.as_tensor(3.5, device="cpu"),
    lambda t: t.from_numpy(np.arange(6.0).reshape(2, 3)[:, ::2]),
    lambda t: t.from_numpy(np.zeros((0, 3), np.int8)),
)
def test_from_data(assert_same, call):
    assert_same(call)


@calls(
    lambda t: t.tensor("a"),
    lambda t: t.tensor(b"a"),
    lambda t: t.tensor(["a"]),
    lambda t: t.tensor([1, "a"]),
    lambda t: t.tensor(None),
    lambda t: t.tensor([None]),
    lambda t: t.tensor([1, None]),
    lambda t: t.tensor({1: 2}),
    lambda t: t.tensor([object()]),
    lambda t: t.tensor([[1, 2], [3]]),
    lambda t: t.tensor([[1], [2, 3]]),
    lambda t: t.tensor([[[1]], [[2, 3]]]),
    lambda t: t.tensor([np.zeros(2), np.zeros(3)]),
    lambda t: t.tensor([[1, 2], 3]),
    lambda t: t.tensor([t.tensor([1.0, 2.0])]),
    lambda t: t.tensor(np.array([object()])),
    lambda t: t.tensor(np.array(["a"])),
    lambda t: t.tensor(np.zeros(3, ">f4")),
    lambda t: t.tensor(2**63),
    lambda t: t.tensor([1, 10**400]),
    lambda t: t.tensor([1.0, 10**400]),
    lambda t: t.tensor([300], dtype=t.uint8),
    lambda t: t.tensor([-256], dtype=t.uint8),
    lambda t: t.tensor([-1.0], dtype=t.uint8),
    lambda t: t.tensor([255.5], dtype=t.uint8),
    lambda t: t.tensor([128], dtype=t.int8),
    lambda t: t.tensor([2**31], dtype=t.int32),
    lambda t: t.tensor([nan], dtype=t.int64),
    lambda t: t.tensor([1], requires_grad=True),
    lambda t: t.tensor([1.0], dtype=t.int64, requires_grad=True),
    lambda t: t.tensor(np.zeros(2, int), requires_grad=True),
    lambda t: t.from_numpy([1]),
    lambda t: t.from_numpy(np.float32(1)),
    lambda t: t.from_numpy(np.zeros(2, "O")),
    lambda t: t.from_numpy(np.zeros(2, ">i4")),
)
def test_bad_data_fails_as_in_pytorch(assert_fails_alike, call):
    assert_fails_alike(call)


def test_what_only_we_accept():
    """PyTorch stumbles over these, or makes nonsense of them."""
    assert data_of(creation.tensor([np.bool_(True), 2])).tolist() == [1, 2]
    assert data_of(creation.tensor([np.array(1.5), 2])).tolist() == [1.5, 2]
    assert data_of(creation.tensor(np.arange(3)[::-1])).tolist() == [2, 1, 0]
    with pytest.raises(RuntimeError, match="value cannot be converted to type int64"):
        creation.tensor([2.0**63], dtype=dtypes.int64)
    with pytest.raises(RuntimeError, match="step must be nonzero: start=0, end=5, step=0"):
        creation.arange(0, 5, 0.5, dtype=dtypes.int64)


def test_tensor_copies_and_the_others_share():
    array = np.zeros(3, np.float32)
    copied, shared = creation.tensor(array), creation.from_numpy(array)
    same, other = creation.as_tensor(array), creation.as_tensor(array, dtype=dtypes.float64)
    array[0] = 7
    assert copied._data.tolist() == other._data.tolist() == [0, 0, 0]
    assert shared._data is same._data is array
    assert creation.as_tensor(shared) is shared
    assert creation.as_tensor(shared, dtype=dtypes.float32) is shared
    with pytest.warns(UserWarning, match="To copy construct from a tensor"):
        copy = creation.tensor(shared)
    array[1] = 8
    assert copy._data.tolist() == [7, 0, 0]


@pytest.mark.parametrize("make", [creation.from_numpy, creation.as_tensor])
def test_read_only_arrays_are_shared_with_a_warning(make):
    array = np.zeros(3, np.float32)
    array.flags.writeable = False
    with pytest.warns(UserWarning, match="The given NumPy array is not writable") as caught:
        made = make(array)
    assert caught[0].filename == __file__
    assert made._data is array
    assert creation.tensor(array)._data.flags.writeable
    assert not np.shares_memory(creation.tensor(array.copy())._data, array)


def test_element_types_must_be_ours(torch):
    for wrong in (np.float32, "float32"):
        with pytest.raises(TypeError, match=r"dtype must be a fastnn\.dtype"):
            creation.tensor([1], dtype=wrong)
        with pytest.raises(TypeError, match=r"dtype must be a fastnn\.dtype"):
            creation.zeros(2, dtype=wrong)
