"""DLPack, in both directions and without copies."""

import numpy as np
import pytest

from fastnn import _dlpack
from fastnn.creation import from_dlpack, from_numpy
from fastnn.tensor import Tensor, wrap

#: Before, NumPy could neither say nor hear that memory is read-only.
numpy_2_1 = pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="NumPy 2.0 knows DLPack's first version"
)

KINDS = ["bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64"]


class Exporter:
    """An array that speaks DLPack by our helpers, as Tensor does."""

    def __init__(self, array, requires_grad=False, device=_dlpack.CPU_DEVICE):
        self.array, self.requires_grad, self.device = array, requires_grad, device

    def __dlpack__(self, **wishes):
        return _dlpack.to_capsule(self.array, requires_grad=self.requires_grad, **wishes)

    def __dlpack_device__(self):
        return self.device


ARRAYS = {
    **{kind: np.array([[1, 0, 3], [4, 5, 1]]).astype(kind) for kind in KINDS},
    "strided": np.arange(24.0).reshape(4, 6)[::2, 1::2],
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "scalar": np.array(3.5),
    "empty": np.zeros((0, 3), np.float32),
}


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("name", ARRAYS)
def test_to_pytorch_and_back(torch, name):
    array = ARRAYS[name].copy() if ARRAYS[name].ndim == 0 else ARRAYS[name]
    theirs = torch.from_dlpack(Exporter(array))
    np.testing.assert_array_equal(theirs.numpy(), array, strict=True)
    back = from_dlpack(theirs)
    assert isinstance(back, Tensor)
    np.testing.assert_array_equal(back._data, array, strict=True)
    if array.size:
        assert np.shares_memory(theirs.numpy(), array)
        assert np.shares_memory(back._data, array)
        assert back._data.strides == array.strides


@numpy_2_1
def test_writes_are_seen_on_the_other_side(torch):
    array = np.zeros(3, np.float32)
    theirs = torch.from_dlpack(Exporter(array))
    back = from_dlpack(theirs)
    array[0] = 1
    theirs[1] = 2
    back._data[2] = 3
    for each in (array, theirs.numpy(), back._data):
        assert each.tolist() == [1, 2, 3]


@pytest.mark.parametrize("name", ARRAYS)
def test_to_numpy_and_back(name):
    array = ARRAYS[name]
    theirs = np.from_dlpack(Exporter(array))
    np.testing.assert_array_equal(theirs, array, strict=True)
    np.testing.assert_array_equal(from_dlpack(array)._data, array, strict=True)
    assert not array.size or np.shares_memory(theirs, array)


def test_the_memory_outlives_its_first_owner(torch):
    back = from_dlpack(torch.arange(1000.0))
    theirs = torch.from_dlpack(Exporter(np.arange(1000.0)))
    junk = [np.full(1000, -1.0) for _ in range(50)]
    assert back._data.sum() == theirs.sum().item() == 499500
    assert len(junk) == 50


@numpy_2_1
def test_read_only_arrays():
    array = read_only(np.arange(3.0))
    found = from_dlpack(array)
    assert not found._data.flags.writeable
    assert np.shares_memory(found._data, array)
    with pytest.raises(BufferError, match="readonly"):
        _dlpack.to_capsule(array, requires_grad=False)  # a consumer of the first version
    modern = np.from_dlpack(Exporter(array))
    assert not modern.flags.writeable


@numpy_2_1
def test_copies_are_made_when_asked_for():
    array = read_only(np.arange(3.0))
    found = np.from_dlpack(Exporter(array), copy=True)
    assert not np.shares_memory(found, array)
    assert found.tolist() == [0, 1, 2]


def test_a_tensor_that_requires_grad_is_not_exported(torch):
    with pytest.raises(BufferError) as expected:
        torch.ones(2, requires_grad=True).__dlpack__()
    with pytest.raises(BufferError) as found:
        _dlpack.to_capsule(np.ones(2), requires_grad=True)
    assert str(found.value) == str(expected.value)
    with pytest.raises(BufferError, match="Can't export tensors that require gradient"):
        from_dlpack(torch.ones(2, requires_grad=True))


def test_streams_and_devices(torch):
    with pytest.raises(AssertionError) as expected:
        torch.ones(2).__dlpack__(stream=1)
    with pytest.raises(AssertionError) as found:
        _dlpack.to_capsule(np.ones(2), requires_grad=False, stream=1)
    assert str(found.value).startswith(str(expected.value).rstrip("."))
    assert tuple(map(int, torch.ones(2).__dlpack_device__())) == _dlpack.CPU_DEVICE
    with pytest.raises(BufferError, match=r"cannot be exported to device \(2, 0\)"):
        _dlpack.to_capsule(np.ones(2), requires_grad=False, dl_device=(2, 0))
    with pytest.raises(BufferError, match=r"not of device \(2, 1\)"):
        from_dlpack(Exporter(np.ones(2), device=(2, 1)))


@pytest.mark.parametrize("name", ["complex64", "float16", "uint16"])
def test_types_no_tensor_holds(name):
    with pytest.raises(TypeError, match=r"can't convert np\.ndarray of type"):
        from_dlpack(np.ones(2, name))


@pytest.mark.parametrize("wrong", [3, [1.0], None])
def test_what_does_not_speak_dlpack(wrong):
    with pytest.raises(TypeError, match=f"not {type(wrong).__name__}"):
        from_dlpack(wrong)


def test_tensors_themselves(torch):
    array = np.arange(6.0).reshape(2, 3)
    made = from_numpy(array)
    assert np.shares_memory(torch.from_dlpack(made).numpy(), array)
    assert np.shares_memory(np.from_dlpack(made), array)
    assert np.shares_memory(from_dlpack(made)._data, array)
    assert tuple(map(int, made.__dlpack_device__())) == _dlpack.CPU_DEVICE
    with pytest.raises(BufferError, match="Can't export tensors that require gradient"):
        torch.from_dlpack(wrap(array).requires_grad_())
