"""``save`` and ``load``: what goes in comes out, and nothing else ever happens."""

import io
import os
import stat
import threading
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn import dtypes
from fastnn.dtypes import Size
from fastnn.serialization import load, save
from fastnn.tensor import Tensor, wrap

R = np.random.default_rng(0)


def tensor(shape=(2, 3), dtype="float32"):
    return wrap((R.standard_normal(shape) * 50).astype(dtype))


def round_trip(obj):
    stream = io.BytesIO()
    save(obj, stream)
    stream.seek(0)
    return load(stream)


STATE = OrderedDict(
    [("conv.weight", tensor((8, 1, 3, 3))), ("conv.bias", tensor(8)), ("fc.weight", tensor())]
)

#: What an Adam of ours, or PyTorch's, returns as its state.
OPTIMIZER = {
    "state": {
        0: {"step": tensor(()), "exp_avg": tensor(), "exp_avg_sq": tensor()},
        1: {"step": tensor(()), "exp_avg": tensor(8), "exp_avg_sq": tensor(8)},
    },
    "param_groups": [
        {
            "lr": 1e-3,
            "betas": (0.9, 0.999),
            "eps": 1e-8,
            "weight_decay": 0,
            "amsgrad": False,
            "foreach": None,
            "params": [0, 1],
        }
    ],
}

OBJECTS = {
    "state": STATE,
    "optimizer": OPTIMIZER,
    "both": {"model": STATE, "optimizer": OPTIMIZER, "epoch": 7, "note": "the best\nyet"},
    "nothing": {},
    "none": None,
    "a tensor": tensor(),
    "a number": 3,
    "huge number": 2**100,
    "floats": [0.1, -0.0, float("inf"), float("nan"), 5e-324],
    "texts": ["", "\0", "ü€\U0001f600", "\ud800", '"\\/'],
    "keys": {
        "": tensor(),
        "a/b": tensor(),
        "../up": tensor(),
        "ü.weight": tensor(),
        "\0": tensor(),
    },
    "more keys": {" ": tensor(), "array 0": tensor(), "A" * 300: tensor(), "C:\\x": tensor()},
    "key types": {0: 1, "0": 2, None: 3, 1.5: 4, True: 5, -7: 6},
    "clashes": {"a": {"b": tensor()}, "a.b": tensor(), "fastnn": tensor(), "fastnn.json": tensor()},
    "nested": [[[]], (), ((1,), [tensor(), {"x": (None, tensor())}])],
    "sizes": {"size": Size((2, 3)), "dtype": dtypes.float64, "empty": Size(())},
    "types": {kind.name: tensor(4, kind.name) for kind in dtypes.ALL},
    "zero sizes": [tensor((0, 3)), tensor(0), tensor(())],
    "arrays": [np.arange(3, dtype="u2"), np.array(["ab", "c"]), np.array(1j), np.zeros(2, "f2")],
    "records": np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
    "requires grad": [tensor().requires_grad_(), tensor()],
}


@pytest.mark.parametrize("name", OBJECTS)
def test_round_trip(assert_equal, name):
    assert_equal(round_trip(OBJECTS[name]), OBJECTS[name])


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a.T,
        lambda a: a[::2, ::-1],
        lambda a: np.broadcast_to(a[0], (3, 6)),
        lambda a: np.asfortranarray(a),
    ],
)
def test_views_and_orders_of_memory(view):
    array = view(np.arange(24.0).reshape(4, 6))
    found = round_trip({"x": wrap(array), "y": array})
    np.testing.assert_array_equal(found["x"]._data, array)
    np.testing.assert_array_equal(found["y"], array)


def test_numbers_of_numpy_become_pythons(assert_equal):
    found = round_trip([np.float32(0.5), np.int8(3), np.bool_(True), np.float64(0.1)])
    assert_equal(found, [0.5, 3, True, 0.1])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.lists(inner, max_size=4).map(tuple)
            | st.dictionaries(st.text() | st.integers() | st.none(), inner, max_size=4)
            | st.dictionaries(st.text(), inner, max_size=4).map(OrderedDict)
        ),
        max_leaves=12,
    )
)
def test_any_plain_data(obj):
    # The text tells types and order apart, and NaN from NaN does not differ.
    assert repr(round_trip(obj)) == repr(obj)


# -- what a file is --------------------------------------------------------------------------


def test_numpy_reads_a_state_dict(tmp_path):
    path = tmp_path / "model"  # written exactly here: no suffix is added
    save(STATE, path)
    assert os.listdir(tmp_path) == ["model"]
    with np.load(path, allow_pickle=False) as archive:
        for name, value in STATE.items():
            np.testing.assert_array_equal(archive[name], value._data)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_files_of_numpy_load_as_flat_dicts(tmp_path, write):
    arrays = {"w": R.random((3, 4)), "b": np.arange(3), "text": np.array(["x"])}
    write(tmp_path / "a.npz", **arrays)
    found = load(tmp_path / "a.npz")
    assert list(found) == list(arrays)
    assert isinstance(found["w"], Tensor)
    assert isinstance(found["text"], np.ndarray)
    for name, value in arrays.items():
        array = found[name]._data if isinstance(found[name], Tensor) else found[name]
        np.testing.assert_array_equal(array, value)


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        save(OBJECTS["both"], tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_foreign_byte_order(assert_equal, tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3, dtype=">f4"), y=np.arange(3, dtype="<f4"))
    found = load(tmp_path / "a.npz")
    for name in ("x", "y"):
        assert_equal(found[name], wrap(np.arange(3, dtype=np.float32)))


def test_streams(assert_equal, tmp_path):
    with open(tmp_path / "a", "wb") as stream:
        save(STATE, stream)
    with open(tmp_path / "a", "rb") as stream:
        assert_equal(load(stream), STATE)
    assert_equal(load(str(tmp_path / "a"), map_location="cpu", weights_only=True), STATE)
    with pytest.raises(RuntimeError, match="there is no device 'cuda'"):
        load(tmp_path / "a", "cuda")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes(assert_equal, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=save, args=(STATE, path))
    writer.start()
    with open(path, "rb") as stream:
        assert_equal(load(stream), STATE)
    writer.join()
    assert stat.S_ISFIFO(os.stat(path).st_mode)  # not replaced by a file
