"""What is built: the sdist is complete, the wheel builds from it alone and holds what it should."""

import importlib.util
import pathlib
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[2]

#: Modules compiled from their Python source, where there is a global interpreter lock.
COMPILED = (
    set() if sysconfig.get_config_var("Py_GIL_DISABLED") else {"fastnn/_engine", "fastnn/tensor"}
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("build") is None, reason="needs build"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """`python -m build` makes the sdist, then the wheel from the unpacked sdist."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-P", "-m", "build", "--outdir", str(out), str(ROOT)],
        check=True,
        cwd=out,
        capture_output=True,
    )
    (sdist,) = out.glob("*.tar.gz")
    (wheel,) = out.glob("*.whl")
    return sdist, wheel


def test_wheel_holds_just_what_it_should(built):
    _, wheel = built
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    sources = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "fastnn").rglob("*")
        if path.suffix in {".py", ".pyi", ".npz", ".typed", ".txt"} or path.name == "py.typed"
    }
    sources.remove("fastnn/datasets/LICENSE-digits.txt")  # stands among the licences
    binaries = [name for name in names if name.endswith(".so")]
    modules = {name.split(".")[0] for name in binaries}
    assert modules == {"fastnn/backends/_native", *COMPILED}
    info = [name for name in names if ".dist-info/" in name]
    assert set(names) - set(binaries) - set(info) == sources
    assert any(name.endswith("licenses/LICENSE") for name in info)
    assert any(name.endswith("LICENSE-digits.txt") for name in info)


def test_wheel_is_small(built):
    _, wheel = built
    assert wheel.stat().st_size <= 1.5e6


def test_metadata(built):
    _, wheel = built
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("METADATA")]
        text = archive.read(name).decode()
    assert "Name: fastnn-cpu\n" in text
    assert "License-Expression: BSD-3-Clause AND CC-BY-4.0\n" in text
    required = re.findall(r"^Requires-Dist: (.*)$", text, re.M)
    assert [line for line in required if "extra ==" not in line] == ["numpy>=2.0"]


def test_sdist_holds_sources_and_nothing_built(built):
    sdist, _ = built
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"csrc/fastnn.h", "csrc/kernels/kernels.def"} <= names
    assert {"fastnn/backends/_native.pyx", "fastnn/tensor.pxd"} <= names
    assert {str(p.relative_to(ROOT)) for p in (ROOT / "csrc").rglob("*.[ch]")} <= names
    assert not [name for name in names if name.endswith((".so", ".o"))]
