"""The text of tensors against PyTorch's."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fastnn import _formatting as formatting
from fastnn import dtypes

inf, nan = np.inf, np.nan
R = np.random.default_rng(0)

#: name -> array; float32, int64 and bool print without their type.
ARRAYS = {
    "scalar": np.float32(3.14159265),
    "scalar whole": np.float32(3),
    "scalar nan": np.float32(nan),
    "scalar -inf": np.float64(-inf),
    "scalar int": np.int64(-5),
    "scalar bool": np.bool_(True),
    "scalar tiny": np.float32(1e-30),
    "scalar zero": np.float32(-0.0),
    "fixed": R.random((2, 3), dtype=np.float32),
    "signs": R.standard_normal((3, 4)).astype(np.float32),
    "whole": np.float32([1, 2, 3, -100]),
    "whole with nan": np.float32([1, nan, inf, -inf]),
    "fixed with nan": np.float32([1.5, nan, inf, -inf]),
    "nan alone": np.float32([nan, inf]),
    "-inf alone": np.float32([[0.0, -inf], [nan, -0.0]]),
    "zeros": np.zeros((2, 3), np.float32),
    "ones": np.ones(4, np.float32),
    "far apart": np.float32([1e-3, 1.5, 10.0]),
    "1000 apart": np.float32([0.5, 500.0]),
    "more than 1000 apart": np.float32([0.5, 501.0]),
    "large whole": np.float32([1e8, 1e7]),
    "too large whole": np.float32([2e8, 1e7]),
    "small": np.float32([1e-4, 2e-4]),
    "too small": np.float32([0.9e-4, 2e-4]),
    "scientific negative": np.float32([-1e-5, 1.0, nan, inf]),
    "extreme": np.array([5e-324, 1.7e308]),
    "rounds up": np.float32([0.99999, 9.99999]),
    "ints": np.array([[1, -20], [300, 4]]),
    "int32": np.array([1, 2], np.int32),
    "int8": np.array([-128, 127], np.int8),
    "uint8": np.arange(60, dtype=np.uint8),
    "bool": np.array([[True, False]]),
    "float64": R.random((2, 2)),
    "row wraps": R.random(25, dtype=np.float32),
    "rows wrap": R.standard_normal((3, 17)).astype(np.float32),
    "three": R.random((2, 2, 3), dtype=np.float32),
    "four": R.random((2, 1, 2, 2), dtype=np.float32),
    "long int row": np.arange(40),
    "wide ints": np.array([2**62, -(2**62), 1]),
    "1000 elements": np.arange(1000.0, dtype=np.float32),
    "1001 elements": np.arange(1001.0, dtype=np.float32),
    "summary": R.random((100, 100), dtype=np.float32),
    "summary of few rows": R.random((5, 300), dtype=np.float32),
    "summary of few columns": R.random((300, 5), dtype=np.float32),
    "summary 3": R.standard_normal((8, 20, 30)).astype(np.float32),
    "summary 4": R.random((2, 7, 9, 10)),
    "summary hides": np.where(np.arange(2000) == 1000, 1e9, 0.5).astype(np.float32),
    "summary bool": np.zeros(2000, bool),
    "strided": R.random((4, 6), dtype=np.float32).T[::2],
    "empty": np.zeros(0, np.float32),
    "empty 2": np.zeros((0, 3), np.float32),
    "empty 3": np.zeros((2, 0, 3), np.float64),
    "empty int": np.zeros(0, np.int64),
    "empty bool": np.zeros((0, 1), bool),
}

OPTIONS = [
    {},
    {"precision": 2},
    {"precision": 0},
    {"precision": 9, "linewidth": 60},
    {"threshold": 5, "edgeitems": 1},
    {"threshold": 10, "edgeitems": 2, "linewidth": 30},
    {"threshold": 5, "edgeitems": 0},
    {"sci_mode": True},
    {"sci_mode": False, "precision": 6},
    {"profile": "short"},
    {"profile": "short", "precision": 7},
    {"profile": "full"},
    {"linewidth": 1},
]


def printed(array, requires_grad=False, grad_fn_name=None):
    return formatting.format_tensor(
        np.asarray(array), requires_grad=requires_grad, grad_fn_name=grad_fn_name
    )


def as_theirs(text):
    """Rename our types; as their names are shorter, forget line breaks around a type."""
    text = text.replace("fastnn.", "torch.")
    return re.sub(r",\s+(dtype=|requires_grad=)", r", \1", text)


def tensor(torch, array):
    return torch.from_numpy(np.array(array))  # a copy: from_numpy warns of read-only arrays


def assert_prints_alike(torch, array):
    assert as_theirs(printed(array)) == as_theirs(repr(tensor(torch, array)))


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_print_as_in_pytorch(torch, name):
    assert_prints_alike(torch, ARRAYS[name])


@pytest.mark.parametrize("options", OPTIONS[1:], ids=str)
def test_options_are_pytorchs(torch, options):
    torch.set_printoptions(**options)
    try:
        with formatting.printoptions(**options):
            for name in ARRAYS:
                # torch.set_printoptions(profile="full") prints whole arrays: keep it short.
                if np.size(ARRAYS[name]) <= 2000:
                    assert_prints_alike(torch, ARRAYS[name])
    finally:
        torch.set_printoptions(profile="default")


@pytest.mark.parametrize("columns", range(1, 26))
def test_suffixes_break_lines_as_in_pytorch(torch, columns):
    array = R.random((2, columns), dtype=np.float32)
    theirs = tensor(torch, array)
    assert printed(array, grad_fn_name="AddmmBackward0", requires_grad=True) == repr(
        torch.nn.functional.linear(
            theirs, torch.eye(columns), torch.zeros(columns, requires_grad=True)
        )
    )
    assert printed(array, requires_grad=True) == repr(theirs.requires_grad_())
    wide = array.astype(np.float64)
    found = printed(wide, requires_grad=True)
    assert as_theirs(found) == as_theirs(repr(tensor(torch, wide).requires_grad_()))


@settings(max_examples=150)
@given(
    npst.arrays(
        st.sampled_from(["float32", "float64", "int64", "uint8", "bool"]),
        npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6),
    )
)
def test_any_array_prints_as_in_pytorch(torch, array):
    assert_prints_alike(torch, array)


def test_the_default_type_is_not_shown():
    assert printed(np.zeros(1)) == "tensor([0.], dtype=fastnn.float64)"
    dtypes.set_default_dtype(dtypes.float64)
    try:
        assert printed(np.zeros(1)) == "tensor([0.])"
        assert printed(np.zeros(0)) == "tensor([])"
        assert printed(np.zeros(1, np.float32)) == "tensor([0.], dtype=fastnn.float32)"
    finally:
        dtypes.set_default_dtype(dtypes.float32)


def test_the_notebooks_line():
    row = np.array([[0.6386, -0.0123]], np.float32)
    text = "tensor([[ 0.6386, -0.0123]], grad_fn=<AddmmBackward0>)"
    assert printed(row, True, "AddmmBackward0") == text
    assert formatting.format_tensor(row, requires_grad=True, grad_fn_name=None, name="Image") == (
        "Image([[ 0.6386, -0.0123]], requires_grad=True)"
    )


def test_options_come_back():
    before = formatting.get_printoptions()
    assert before == {
        "precision": 4,
        "threshold": 1000,
        "edgeitems": 3,
        "linewidth": 80,
        "sci_mode": None,
    }
    with formatting.printoptions(precision=1, sci_mode=True):
        assert formatting.get_printoptions()["precision"] == 1
    assert formatting.get_printoptions() == before
    with pytest.raises(ValueError, match="unknown profile 'tall'"):
        formatting.set_printoptions(profile="tall")
    assert formatting.get_printoptions() == before
