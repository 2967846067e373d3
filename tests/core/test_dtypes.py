"""Element types, promotion, devices and sizes against PyTorch's."""

import builtins
import copy
import itertools
import operator
import pickle

import numpy as np
import pytest

from fastnn import dtypes
from fastnn.dtypes import ALL, NUMBER, Size, device

BY_NAME = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
PYTHON_NUMBERS = (True, 1, 1.5)


@BY_NAME
def test_attributes_are_pytorchs(torch, kind):
    theirs = getattr(torch, kind.name)
    for name in ("itemsize", "is_floating_point", "is_complex", "is_signed"):
        assert getattr(kind, name) == getattr(theirs, name), name
    assert repr(kind) == repr(theirs).replace("torch.", "fastnn.")


@pytest.mark.parametrize("name", ["float", "double", "short", "int", "long", "bool"])
def test_aliases_are_pytorchs(torch, name):
    assert repr(getattr(dtypes, name)) == repr(getattr(torch, name)).replace("torch.", "fastnn.")


@BY_NAME
def test_each_is_one_object(kind):
    assert copy.deepcopy(kind) is kind
    assert pickle.loads(pickle.dumps(kind)) is kind
    assert dtypes.from_numpy_dtype(dtypes.to_numpy(kind)) is kind
    assert dtypes.as_numpy_dtype(kind) == np.dtype(kind.name)


def test_no_other_can_be_made():
    with pytest.raises(TypeError, match="cannot create"):
        dtypes.dtype()
    with pytest.raises(TypeError, match=r"must be a fastnn\.dtype, not 'float32'"):
        dtypes.to_numpy("float32")


@pytest.mark.parametrize("code", "?bBhilqfd")
def test_every_spelling_of_numpys_types(code):
    kind = dtypes.from_numpy_dtype(np.dtype(code))
    assert dtypes.to_numpy(kind) == np.dtype(code)


@pytest.mark.parametrize("name", ["O", "U3", "S2", "c16", "f2", "u4", "M8[s]", "V4"])
def test_types_no_tensor_holds(torch, name):
    with pytest.raises(TypeError) as found:
        dtypes.from_numpy_dtype(np.dtype(name))
    if name in ("O", "U3", "S2", "M8[s]"):
        with pytest.raises(TypeError) as expected:
            torch.from_numpy(np.zeros(2, name))
        assert str(found.value).split(".")[:2] == str(expected.value).split(".")[:2]


def test_foreign_byte_order(torch):
    swapped = np.dtype(">f4") if np.dtype("<f4").isnative else np.dtype("<f4")
    with pytest.raises(ValueError) as expected:
        torch.from_numpy(np.zeros(2, swapped))
    with pytest.raises(ValueError) as found:
        dtypes.from_numpy_dtype(swapped)
    assert str(found.value).startswith(str(expected.value).rstrip("."))


# -- promotion -----------------------------------------------------------------------------


def test_promotion_is_pytorchs(torch):
    def theirs(kind, rank):
        return torch.zeros((2,) * rank, dtype=getattr(torch, kind.name))

    for a, b in itertools.product(ALL, ALL):
        expected = torch.promote_types(getattr(torch, a.name), getattr(torch, b.name))
        assert getattr(torch, dtypes.promote_types(a, b).name) == expected
        assert dtypes.can_cast(a, b) == torch.can_cast(
            getattr(torch, a.name), getattr(torch, b.name)
        )
        for rank_a, rank_b in itertools.product((0, 1, 3), (0, 1, 2)):
            expected = torch.result_type(theirs(a, rank_a), theirs(b, rank_b))
            found = dtypes.promote(a, rank_a, b, rank_b)
            assert getattr(torch, found.name) == expected, (a, rank_a, b, rank_b)
            assert dtypes.promote_numpy(
                dtypes.to_numpy(a), rank_a, dtypes.to_numpy(b), rank_b
            ) == dtypes.to_numpy(found)


def test_promotion_with_python_numbers_is_pytorchs(torch):
    for kind, number, rank in itertools.product(ALL, PYTHON_NUMBERS, (0, 1)):
        array = np.zeros((2,) * rank, kind.name)
        tensor = torch.from_numpy(array)
        for mine, other in (
            ((array, number), (tensor, number)),
            ((number, array), (number, tensor)),
        ):
            found = dtypes.result_type(*mine)
            assert getattr(torch, found.name) == torch.result_type(*other), mine
    for a, b in itertools.product(PYTHON_NUMBERS, PYTHON_NUMBERS):
        assert getattr(torch, dtypes.result_type(a, b).name) == torch.result_type(a, b)


def test_python_types():
    assert dtypes.from_python_type(builtins.bool) is dtypes.bool
    assert dtypes.from_python_type(builtins.int) is dtypes.int64
    assert dtypes.from_python_type(np.uint8) is dtypes.int64
    assert dtypes.from_python_type(np.float64) is dtypes.float32
    assert dtypes.from_python_type(np.bool_) is dtypes.bool
    with pytest.raises(TypeError, match="str"):
        dtypes.from_python_type(str)
    with pytest.raises(TypeError, match=r"dtypes, not fastnn\.bool and 3"):
        dtypes.promote_types(dtypes.bool, 3)


def test_default_type():
    assert dtypes.get_default_dtype() is dtypes.float32
    dtypes.set_default_dtype(dtypes.float64)
    try:
        assert dtypes.promote(dtypes.int32, 1, dtypes.from_python_type(float), NUMBER) is (
            dtypes.float64
        )
        assert dtypes.as_numpy_dtype(None) == np.float64
        assert dtypes.as_numpy_dtype(None, np.zeros(1, np.int8)) == np.int8
        assert dtypes.finfo().dtype == "float64"
    finally:
        dtypes.set_default_dtype(dtypes.float32)


@pytest.mark.parametrize("wrong", [dtypes.int64, np.float32, "float32", None])
def test_wrong_default_types(wrong):
    with pytest.raises(TypeError, match="only floating-point types are supported"):
        dtypes.set_default_dtype(wrong)
    assert dtypes.get_default_dtype() is dtypes.float32


@BY_NAME
def test_limits_are_pytorchs(torch, kind):
    theirs = getattr(torch, kind.name)
    if kind.is_floating_point:
        mine, other = dtypes.finfo(kind), torch.finfo(theirs)
        names = ("bits", "eps", "max", "min", "tiny", "smallest_normal", "resolution", "dtype")
    elif kind is dtypes.bool:
        with pytest.raises(TypeError, match=r"Got fastnn\.bool"):
            dtypes.iinfo(kind)
        return
    else:
        mine, other = dtypes.iinfo(kind), torch.iinfo(theirs)
        names = ("bits", "max", "min", "dtype")
    assert {name: getattr(mine, name) for name in names} == {
        name: getattr(other, name) for name in names
    }
    assert repr(mine) == repr(other)


def test_limits_of_the_wrong_kind():
    with pytest.raises(TypeError, match=r"Got fastnn\.int8"):
        dtypes.finfo(dtypes.int8)
    with pytest.raises(TypeError, match=r"Got fastnn\.float32"):
        dtypes.iinfo(dtypes.float32)


# -- device --------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [("cpu",), ("cpu:0",), ("cpu", 0)])
def test_devices_print_as_pytorchs(torch, arguments):
    mine, theirs = device(*arguments), torch.device(*arguments)
    assert (repr(mine), str(mine), mine.type, mine.index) == (
        repr(theirs),
        str(theirs),
        theirs.type,
        theirs.index,
    )
    assert pickle.loads(pickle.dumps(mine)) == mine == device(mine)
    assert hash(device(mine)) == hash(mine)


def test_devices_compare():
    assert device("cpu") != device("cpu:0")
    assert device("cpu") != "cpu"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cuda",), "there is no device 'cuda'"),
        (("cuda:1",), "there is no device 'cuda:1'"),
        (("mps", 0), "there is no device 'mps:0'"),
        (("cpu:1",), "there is no device 'cpu:1'"),
        (("cpu:x",), "Invalid device string: 'cpu:x'"),
        (("cpu:0", 0), "type .string. must not include an index because index was passed: cpu:0"),
    ],
)
def test_other_devices_are_refused(arguments, message):
    with pytest.raises(RuntimeError, match=message):
        device(*arguments)


def test_check_device():
    for accepted in (None, "cpu", "cpu:0", dtypes.CPU, device("cpu")):
        dtypes.check_device(accepted)
    with pytest.raises(RuntimeError, match="cuda"):
        dtypes.check_device("cuda")
    with pytest.raises(TypeError, match="not 3"):
        dtypes.check_device(3)


# -- Size ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda size: size((2, 3, 4)),
        lambda size: size(),
        lambda size: size((2, 3, 4))[1:],
        lambda size: size((2, 3, 4))[::-1],
        lambda size: operator.add(size((2, 3)), (4,)),
        lambda size: operator.add((4,), size((2, 3))),
        lambda size: size((2, 3)) + size((1,)),
        lambda size: size((2, 3)) * 2,
        lambda size: 2 * size((2, 3)),
    ],
)
def test_sizes_are_pytorchs(torch, use):
    mine, theirs = use(Size), use(torch.Size)
    assert repr(mine) == repr(theirs).replace("torch.", "fastnn.")
    assert mine == tuple(theirs)
    assert type(mine) is Size
    assert mine.numel() == theirs.numel()
    assert type(copy.deepcopy(mine)) is type(pickle.loads(pickle.dumps(mine))) is Size


def test_size_is_a_tuple():
    rows, columns = size = Size((2, 3))
    assert (rows, columns) == (2, 3) == size
    assert type(size[0]) is builtins.int
    assert hash(size) == hash((2, 3))
    assert np.zeros(size).shape == size
