"""docs/tutorial.ipynb runs, with a kernel and without, and its networks follow PyTorch's."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

import fastnn

DOCS = Path(__file__).resolve().parents[2] / "docs"
NOTEBOOK = DOCS / "tutorial.ipynb"

if not NOTEBOOK.is_file():
    pytest.skip("needs the source tree", allow_module_level=True)


def code_cells():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def source(*words):
    """The one cell that holds all these words."""
    texts = ["".join(cell["source"]) for cell in code_cells()]
    (found,) = [text for text in texts if all(word in text for word in words)]
    return found


def test_it_is_stored_without_outputs():
    cells = code_cells()
    assert len(cells) > 25
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells)


def run_script(*arguments):
    return subprocess.run(
        [sys.executable, "-P", str(DOCS / "run_tutorial.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_it_runs_in_a_kernel(tmp_path):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    done = run_script("--out", str(tmp_path / "done.ipynb"))
    assert done.returncode == 0, done.stderr
    executed = (tmp_path / "done.ipynb").read_text(encoding="utf-8")
    assert "accuracy on held-out digits: 9" in executed


@pytest.mark.slow
def test_a_failing_cell_fails_the_script(tmp_path):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    notebook["cells"] = code_cells()[:1]
    notebook["cells"][0]["source"] = "assert 1 + 1 == 3, 'a wrong sum'"
    (tmp_path / "broken.ipynb").write_text(json.dumps(notebook))
    done = run_script(str(tmp_path / "broken.ipynb"))
    assert done.returncode == 1
    assert "a wrong sum" in done.stderr


@pytest.mark.slow
def test_it_runs_with_numpy_alone(tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError('no matplotlib here')\n")
    script = tmp_path / "cells.py"
    script.write_text("\n".join("".join(cell["source"]) for cell in code_cells()))
    done = subprocess.run(
        [sys.executable, "-P", str(script)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "accuracy on held-out digits: 9" in done.stdout


def namespace(library):
    """Run the cells that define the networks, with fastnn or PyTorch as ``torch``."""
    names = {"torch": library, "nn": library.nn, "F": library.nn.functional}
    for cell in (
        source("class MLP"),
        source("class ConvNet"),
        source("class Classifier"),
        source("class DigitClassifier"),
    ):
        with redirect_stdout(io.StringIO()):
            exec(cell, names)
    return names


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("MLP", (5, 2)),
        ("ConvNet", (2, 3, 32, 32)),
        ("ConvNet", (1, 3, 7, 50)),
        ("Classifier", (1, 3, 32, 32)),
        ("DigitClassifier", (4, 1, 8, 8)),
    ],
)
def test_networks_print_what_pytorch_prints(torch, name, shape):
    torch.manual_seed(3)
    theirs, ours = namespace(torch)[name](), namespace(fastnn)[name]()
    assert repr(ours) == repr(theirs)
    state = {k: fastnn.from_numpy(v.numpy().copy()) for k, v in theirs.state_dict().items()}
    ours.load_state_dict(state)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(4))
    expected, actual = theirs(x), ours(fastnn.from_numpy(x.numpy()))
    assert tuple(actual.shape) == tuple(expected.shape)
    assert actual.grad_fn.name() == expected.grad_fn.name()
    expected.sum().backward()
    actual.sum().backward()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert fastnn.allclose(one.grad, fastnn.from_numpy(other.grad.numpy()), 1e-3, 1e-4)
    # four digits are printed; values so near to a tie that rounding may turn them are left out
    values = expected.detach().double()
    steady = (((values * 1e4 - 0.5) % 1 - 0.5).abs() < 0.45).flatten().tolist()
    assert sum(steady) > len(steady) / 2
    for want, got, sure in zip(
        values.flatten().tolist(), actual.flatten().tolist(), steady, strict=True
    ):
        assert not sure or f"{want:.4f}" == f"{got:.4f}"


def test_the_small_image_is_refused_with_pytorchs_words(torch):
    cell = source("mat1 and mat2 shapes cannot be multiplied (1x768 and 3072x10)")
    for library in (torch, fastnn):
        names = namespace(library)
        with redirect_stdout(io.StringIO()) as said:
            exec(cell, names)
        assert said.getvalue() == "mat1 and mat2 shapes cannot be multiplied (1x768 and 3072x10)\n"
