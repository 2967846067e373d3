"""``save`` and ``load`` when things go wrong: crashes, foreign objects, broken files."""

import io
import json
import os
import pickle
import signal
import stat
import subprocess
import sys
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from fastnn import _archive
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


# -- what cannot be saved --------------------------------------------------------------------


class Opaque:
    pass


class Pair(tuple):
    __slots__ = ()


LOOP = [1]
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ({"a": {"b": Opaque()}}, r"cannot save the object\['a'\]\['b'\]: .*Opaque is not supp"),
        (Opaque(), r"cannot save the object: .*Opaque is not supported"),
        ({"f": len}, r"\['f'\]: builtin_function_or_method is not supported"),
        ([1, {2}], r"cannot save the object\[1\]: set is not supported"),
        ({"z": 1j}, r"\['z'\]: complex is not supported"),
        ({"b": b"x"}, r"\['b'\]: bytes is not supported"),
        ({"p": Pair((1,))}, r"\['p'\]: .*Pair is not supported"),
        ({"o": np.array([Opaque()])}, r"\['o'\]: an array of type object holds Python objects"),
        ({"x": {(1, 2): 3}}, r"cannot save the object\['x'\]: the key \(1, 2\) is a tuple"),
    ],
)
def test_what_cannot_be_saved_leaves_everything_as_it_was(tmp_path, obj, message):
    path = tmp_path / "a.npz"
    save(STATE, path)
    before = path.read_bytes()
    with pytest.raises(TypeError, match=message):
        save(obj, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.npz"]
    stream = io.BytesIO()
    with pytest.raises(TypeError, match=message):
        save(obj, stream)
    assert stream.getvalue() == b""


def test_a_container_that_holds_itself(assert_equal):
    with pytest.raises(ValueError, match=r"the object\[1\]: the container holds itself"):
        save(LOOP, io.BytesIO())
    shared = [1]
    assert_equal(round_trip([shared, shared]), [[1], [1]])


# -- crashes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("where", ["write_array", "fsync", "replace"])
def test_an_exception_leaves_the_old_file(tmp_path, monkeypatch, error, exists, where):
    path = tmp_path / "a.npz"
    if exists:
        save({"old": tensor()}, path)
    before = path.read_bytes() if exists else None
    calls = []

    def fail(*args, **kwargs):
        calls.append(args)
        if where != "write_array" or len(calls) == 3:
            raise error
        return original(*args, **kwargs)

    owner = np.lib.format if where == "write_array" else os
    original = getattr(owner, where)
    with monkeypatch.context() as patch:
        patch.setattr(owner, where, fail)
        with pytest.raises(type(error)):
            save(STATE, path)
    assert calls
    assert os.listdir(tmp_path) == (["a.npz"] if exists else [])
    assert not exists or path.read_bytes() == before


KILLED = """
import os, signal, sys
import numpy as np
from fastnn.serialization import save
from fastnn.tensor import wrap

original, count = np.lib.format.write_array, 0

def write(*args, **kwargs):
    global count
    count += 1
    if count == 2:
        args[0].write(b"half of an array")
        os.kill(os.getpid(), signal.SIGKILL)
    original(*args, **kwargs)

np.lib.format.write_array = write
save({"a": wrap(np.ones(100000)), "b": wrap(np.ones(100000))}, sys.argv[1])
"""


def test_a_kill_leaves_the_old_file(assert_equal, tmp_path):
    path = tmp_path / "a.npz"
    save(STATE, path)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", KILLED, path], env=environment, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert_equal(load(path), STATE)
    left = [name for name in os.listdir(tmp_path) if name != "a.npz"]
    assert len(left) == 1  # it died in the middle, not before
    assert left[0].endswith(".tmp")
    save({"new": 1}, path)
    assert load(path) == {"new": 1}


def test_modes_and_links(tmp_path):
    path, link = tmp_path / "a.npz", tmp_path / "link"
    old = os.umask(0o027)
    try:
        save(1, path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    finally:
        os.umask(old)
    path.chmod(0o604)
    link.symlink_to(path)
    save(2, link)
    assert link.is_symlink()
    assert load(path) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_paths_that_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError):
        save(1, tmp_path / "no" / "a.npz")
    with pytest.raises(IsADirectoryError):
        save(1, tmp_path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "a.npz")
    assert os.listdir(tmp_path) == []


# -- broken and foreign files ----------------------------------------------------------------


class Bomb:
    def __reduce__(self):
        return os._exit, (3,)


def with_structure(structure, **arrays):
    stream = io.BytesIO()
    _archive.write_archive(stream, structure, arrays)
    return stream.getvalue()


def as_value(node, **arrays):
    return with_structure({"format": "fastnn", "version": 1, "value": node}, **arrays)


def zipped(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return stream.getvalue()


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


GOOD = as_value({"tensor": "x"}, x=np.arange(100.0))

BROKEN = {
    "empty": b"",
    "text": b"hello",
    "cut": GOOD[:-30],
    "cut in half": GOOD[: len(GOOD) // 2],
    "pickle": pickle.dumps(Bomb()),
    "npy": npy(np.zeros(3)),
    "pytorch": zipped(archive__data__pkl=pickle.dumps(Bomb()), version="3"),
    "objects": zipped(x__npy=npy(np.array([Bomb()]), allow_pickle=True)),
    "flipped bit": GOOD.replace(np.float64(50).tobytes(), np.float64(51).tobytes()),
    "wrong shape": zipped(x__npy=npy(np.zeros(3))[:-8]),
    "huge shape": zipped(x__npy=npy(np.zeros(3)).replace(b"(3,)", b"(3000000000000000,)")),
    "not an npy": zipped(x__npy=b"hello"),
    "not json": zipped(fastnn__json=b"{"),
    "no structure": with_structure([1]),
    "other format": with_structure({"format": "x", "version": 1, "value": 1}),
    "later version": with_structure({"format": "fastnn", "version": 2, "value": 1}),
    "missing array": as_value({"tensor": "y"}),
    "text as a tensor": as_value({"tensor": "x"}, x=np.array(["a"])),
    "unknown tag": as_value({"call": "os.system"}),
    "two tags": as_value({"list": [], "tuple": []}),
    "no tag": as_value([1, 2]),
    "bad pairs": as_value({"dict": [1]}),
    "bad key": as_value({"dict": [[[1], 2]]}),
    "unknown type": as_value({"dtype": "float128"}),
    "required grad of ints": as_value({"grad tensor": "x"}, x=np.arange(3)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_and_foreign_files(tmp_path, name):
    path = tmp_path / "broken.npz"
    path.write_bytes(BROKEN[name])
    with pytest.raises(RuntimeError, match=r"broken\.npz"):
        load(path)
    with pytest.raises(RuntimeError, match="the file"):
        load(io.BytesIO(BROKEN[name]))


def test_the_version_is_named():
    with pytest.raises(RuntimeError, match="has version 2 of the format; this fastnn reads ver"):
        load(io.BytesIO(BROKEN["later version"]))


def test_any_damage_is_found_or_harmless():
    """Every byte changed in turn: the content comes out right, or an error does."""
    content = {"w": wrap(np.arange(3.0)), "b": 1}
    stream = io.BytesIO()
    save(content, stream)
    good = stream.getvalue()
    refused = 0
    for i in range(len(good)):
        broken = good[:i] + bytes([good[i] ^ 0x55]) + good[i + 1 :]
        try:
            found = load(io.BytesIO(broken))
        except RuntimeError:
            refused += 1
        else:
            # A changed name of a member makes it a plain archive; numbers never change.
            for value in found.values():
                if isinstance(value, Tensor):
                    assert value._data.tolist() == [0, 1, 2]
    assert refused > len(good) / 2


def test_the_structure_is_plain_json(tmp_path):
    save({"w": tensor(), "lr": 0.1, "size": (2, 3)}, tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a") as archive:
        assert json.loads(archive.read("fastnn.json")) == {
            "format": "fastnn",
            "version": 1,
            "value": {"dict": [["w", {"tensor": "w"}], ["lr", 0.1], ["size", {"tuple": [2, 3]}]]},
        }
