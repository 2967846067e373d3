"""What ``fastnn bench`` refuses before it measures, with the value and the choices."""

import pytest

from fastnn import __main__ as command
from fastnn import runtime
from fastnn.bench import cli


@pytest.fixture(autouse=True)
def nothing_is_measured(monkeypatch):
    monkeypatch.setattr(cli, "Peer", lambda *_: pytest.fail("a peer was started"))


def refused(capsys, *arguments):
    """What is told of a command line that is refused with status 2."""
    try:
        status = command.main(["bench", *arguments])
    except SystemExit as error:
        status = error.code
    assert status == 2
    told = capsys.readouterr()
    assert told.out == ""
    return told.err


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["--cases", "gird"], ["unknown cases 'gird'", "gemm, conv"]),
        (["--cases", "gemm:8x8,covn"], ["no case matches 'gemm:8x8,covn'"]),
        (["--against", "tensorflow"], ["unknown peer 'tensorflow'", "numpy, torch"]),
        (["--cases", "gemm", "--every-algorithm"], ["no convolution's pass is in 'gemm'"]),
        (["--cases", "grid", "--shard", "9/4"], ["shard i/n", "'9/4'"]),
        (["--merge", "/nowhere.json"], ["cannot read figures from /nowhere.json"]),
        (["--threads", "0"], ["--threads", "at least 1", "'0'"]),
        (["--threads", "two"], ["--threads", "integer", "'two'"]),
        (["--isa", "foo"], ["--isa", "'foo'", *runtime.isa_available()]),
        (["--algorithm", "foo"], ["--algorithm", "'foo'", "direct", "winograd"]),
        (["--backend", "foo"], ["--backend", "'foo'", "native", "reference"]),
        (["--algorithm", "direct", "--every-algorithm"], ["not allowed with"]),
        (["--cases", "memory", "--algorithm", "direct"], ["--algorithm direct", "whole nets"]),
        (["--seconds", "-1"], ["--seconds", "above 0", "'-1'"]),
        (["--seconds", "0"], ["--seconds", "above 0", "'0'"]),
        (["--seconds", "inf"], ["--seconds", "above 0", "'inf'"]),
        (["--rounds", "0"], ["--rounds", "at least 1", "'0'"]),
        (["--minutes", "-1"], ["--minutes", "at least 0", "'-1'"]),
        (["--minutes", "nan"], ["--minutes", "at least 0", "'nan'"]),
        (["--noise", "-0.1"], ["--noise", "at least 0", "'-0.1'"]),
    ],
)
def test_mistakes_are_told(capsys, arguments, texts):
    told = refused(capsys, *arguments)
    assert "fastnn bench: " in told
    for text in texts:
        assert text in told


@pytest.mark.parametrize("option", ["--json", "--markdown", "--plot"])
def test_a_file_that_cannot_be_written_is_told(capsys, tmp_path, option):
    there = tmp_path / "there.png"
    there.write_text("kept")
    for path in (tmp_path / "no" / "out.png", tmp_path):
        told = refused(capsys, "--json", str(there), option, str(path))
        assert told.startswith(f"fastnn bench: cannot write {path}: ")
    assert there.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [there]


def test_pictures_need_a_known_kind_and_a_peer(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("out.txt", "out"):
        told = refused(capsys, "--plot", str(tmp_path / name))
        assert f"cannot draw {tmp_path / name}" in told
        assert "png" in told
    for how in (["--against", "none"], ["--cases", "grid", "--every-algorithm"]):
        told = refused(capsys, "--plot", str(tmp_path / "out.png"), *how)
        assert "nothing to draw into" in told
