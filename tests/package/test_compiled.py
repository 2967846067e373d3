"""The modules that setup.py compiles from Python: in use, and the same without."""

import importlib
import importlib.machinery
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

import pytest

import fastnn

PACKAGE = pathlib.Path(fastnn.__file__).parent
NAMES = ("_engine", "tensor")
SUFFIXES = tuple(importlib.machinery.EXTENSION_SUFFIXES)

needs_compiled = pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")), reason="not compiled for free threading"
)

TRAINING = """
import sys
import fastnn as torch
from fastnn import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
x, y = torch.randn(8, 6), torch.randint(0, 3, (8,))
for _ in range(5):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
view = x[1:]
x.add_(1)
print(loss.item().hex(), (view.relu() @ net[0].weight.T).sum().item().hex())
print(*sorted(sys.modules[f"fastnn.{name}"].__file__ for name in sys.argv[1:]))
"""


def train(folder: pathlib.Path) -> tuple[str, list[str]]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", TRAINING, *NAMES],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    figures, files = done.stdout.splitlines()
    return figures, files.split()


@needs_compiled
def test_the_compiled_form_is_in_use():
    _, files = train(PACKAGE.parent)
    assert [name for name in files if not name.endswith(SUFFIXES)] == []


@needs_compiled
def test_the_source_computes_the_same(tmp_path):
    compiled = {str(PACKAGE / name.replace(".", "/")) for name in NAMES}

    def left_out(folder: str, names: list[str]) -> set[str]:
        stems = {n: f"{folder}/{n.split('.')[0]}" for n in names if n.endswith(SUFFIXES)}
        return {n for n, stem in stems.items() if stem in compiled}

    shutil.copytree(PACKAGE, tmp_path / "fastnn", ignore=left_out)
    figures, files = train(tmp_path)
    assert [name for name in files if not name.endswith(".py")] == []
    assert figures == train(PACKAGE.parent)[0]
