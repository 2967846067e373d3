"""The C driver: the core without Python, over the tables of cases, between guard pages."""

import pathlib
import shutil
import subprocess
import sys

import pytest

DRIVER = pathlib.Path(__file__).parents[1] / "cdriver"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's linker"),
    pytest.mark.skipif(
        not any(map(shutil.which, ("gcc", "cc", "clang"))) or not shutil.which("nm"),
        reason="needs a compiler and nm",
    ),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the program and the cases that ``run.py`` made, and what it said."""
    folder = tmp_path_factory.mktemp("cdriver")
    done = subprocess.run(
        [sys.executable, "-P", str(DRIVER / "run.py"), "--sanitize", "plain", "--out", str(folder)],
        capture_output=True,
        text=True,
        timeout=1200,
    )
    return folder, done


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A file of few cases."""
    path = tmp_path_factory.mktemp("few") / "cases.bin"
    code = (
        "import pathlib, sys; sys.path[:0] = sys.argv[1:3]; import dump;"
        "dump.dump(pathlib.Path(sys.argv[3]), every=20, emulated=True)"
    )
    arguments = [sys.executable, "-P", "-c", code, *map(str, (DRIVER, DRIVER.parent, path))]
    subprocess.run(arguments, check=True)
    return path


def run(program, *arguments):
    return subprocess.run(
        [str(program), *map(str, arguments)], capture_output=True, text=True, timeout=600
    )


def test_every_case_passes(built):
    _, done = built
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failures" in done.stdout


def test_a_wrong_result_is_found(built, few, tmp_path):
    program = built[0] / "driver"
    data = bytearray(few.read_bytes())
    assert run(program, few).returncode == 0
    data[-2] ^= 1  # the last case's last expected element, within its exponent
    (tmp_path / "wrong.bin").write_bytes(data)
    done = run(program, tmp_path / "wrong.bin")
    assert done.returncode == 1
    assert "differs at" in done.stdout


def test_a_broken_file_is_refused(built, few, tmp_path):
    program, data = built[0] / "driver", few.read_bytes()
    (tmp_path / "short.bin").write_bytes(data[: len(data) // 2])
    assert run(program, tmp_path / "short.bin").returncode == 2
    (tmp_path / "other.bin").write_bytes(b"X" + data[1:1000])
    assert run(program, tmp_path / "other.bin").returncode == 2
    assert run(program, few, "--isa", "none").returncode == 2


@pytest.mark.parametrize(("helper", "accepted"), [("static inline", True), ("", False)])
def test_a_second_export_of_a_unit_of_kernels_is_found(helper, accepted, tmp_path):
    compiler = next(filter(None, map(shutil.which, ("gcc", "cc", "clang"))))
    source, unit = tmp_path / "unit.c", tmp_path / "isa_avx2.o"
    source.write_text(f"int fnn_kernels_avx2; {helper} int f(void) {{ return 1; }}\n")
    subprocess.run([compiler, "-c", str(source), "-o", str(unit)], check=True)
    code = (
        "import pathlib, sys; sys.path.insert(0, sys.argv[1]); import build;"
        "build.check_exports(pathlib.Path(sys.argv[2]))"
    )
    arguments = [sys.executable, "-P", "-c", code, str(DRIVER), str(unit)]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert (done.returncode == 0) is accepted
    assert accepted or "isa_avx2.o exports" in done.stderr
