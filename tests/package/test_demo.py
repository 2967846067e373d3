"""``fastnn demo`` as a user meets it: in a process of its own, with and without the extras."""

import os
import signal
import subprocess
import sys
import time

import pytest

import fastnn
from fastnn import __main__ as command
from fastnn import demo
from fastnn.backends import CONV_ALGORITHMS

COMMAND = [sys.executable, "-P", "-m", "fastnn", "demo"]
EXTRAS = ("tqdm", "matplotlib")


def without_extras(folder):
    """An environment in which importing any of the extras fails as if it were not installed."""
    for name in EXTRAS:
        (folder / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name} here')\n")
    return {**os.environ, "PYTHONPATH": str(folder)}


def run(*arguments, env=None, cwd=None):
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, env=env, cwd=cwd, timeout=120
    )


def table_of(text):
    """The rows of the table of speeds: backend and instruction set, and the figures."""
    rows = [line.split() for line in text.splitlines()]
    return {tuple(r[:2]): r[2:] for r in rows if r and r[0] in ("native", "reference")}


def test_demo_with_numpy_alone(tmp_path):
    stubs, folder = tmp_path / "stubs", tmp_path / "here"
    stubs.mkdir()
    folder.mkdir()
    done = run("--epochs", "2", env=without_extras(stubs), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    out = done.stdout
    assert f"ISA {fastnn.get_isa()}" in out
    assert "The check is now off" in out
    epochs = [line for line in out.splitlines() if line.startswith("epoch ")]
    assert [line.split()[1] for line in epochs] == ["1/2", "2/2"]
    assert all("loss" in line and "accuracy" in line for line in epochs)
    rows = table_of(out)
    assert set(rows) == {("reference", "NumPy")} | {("native", i) for i in fastnn.isa_available()}
    native = [figures for (backend, _), figures in rows.items() if backend == "native"]
    assert all(len(figures) == 2 * len(CONV_ALGORITHMS) for figures in native)
    assert 'pip install "fastnn-cpu[demo]"' in out
    assert list(folder.iterdir()) == []


def test_demo_saves_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    done = run("--epochs", "2", "--out", "digits.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    picture = (tmp_path / "digits.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000
    assert [path.name for path in tmp_path.iterdir()] == ["digits.png"]


def test_default_settings_learn_the_digits():
    train, test = demo.digits("train"), demo.digits("test")
    fastnn.manual_seed(0)
    model = demo.Classifier()
    history = demo._train(model, train, test, demo.EPOCHS, demo.BATCH_SIZE)
    assert len(history) == demo.EPOCHS
    assert history[-1].test >= demo.GOAL
    assert history[-1].loss < history[0].loss / 100


def test_below_the_goal_fails_with_default_settings_alone(monkeypatch, capsys):
    weak = [demo.Epoch(1.0, 0.5, 0.5)]
    monkeypatch.setattr(demo, "_train", lambda *_: weak)
    monkeypatch.setattr(demo, "_speeds", lambda *_: "")
    monkeypatch.setattr(demo, "_save_picture", lambda *_: True)
    assert command.main(["demo"]) == 1
    assert "50.0%, is below the 97% expected" in capsys.readouterr().out
    assert command.main(["demo", "--epochs", "3"]) == 0
    assert "is below the 97% expected" in capsys.readouterr().out


def test_wrong_gradients_end_the_demo(monkeypatch, capsys):
    right = demo.gradcheck_model

    def biased(model, loss, *arguments, **options):
        # the parameters move the loss by a term that backpropagation does not see
        def hidden(scores, labels):
            return loss(scores, labels) + (scores.detach() ** 2).sum()

        return right(model, hidden, *arguments, **options)

    monkeypatch.setattr(demo, "gradcheck_model", biased)
    assert command.main(["demo"]) == 1
    said = capsys.readouterr()
    assert "fastnn demo: the gradient check failed: Jacobian mismatch" in said.err
    assert "epoch" not in said.out


def test_timing_restores_the_selection():
    before = fastnn.get_isa(), fastnn.backends.settings()
    train = tuple(part[:4] for part in demo.digits("train"))
    demo._speeds(train, 4, rounds=1)
    assert (fastnn.get_isa(), fastnn.backends.settings()) == before


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
@pytest.mark.parametrize("extras", [True, False])
def test_interrupt_ends_it_cleanly(tmp_path, extras):
    env = None if extras else without_extras(tmp_path)
    process = subprocess.Popen(
        [*COMMAND, "--epochs", "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
        # a job in a shell's background ignores interrupts, and what it starts inherits that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        for line in process.stdout:
            if line.startswith("epoch "):
                break
        time.sleep(0.05)  # somewhere within an epoch
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, err
    assert err.strip() == "interrupted"
    assert "Traceback" not in out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--epochs", "0"], 2, "argument --epochs: must be at least 1, got 0"),
        (["--batch-size", "-3"], 2, "argument --batch-size: must be at least 1, got -3"),
        (["--seed", str(2**64)], 2, f"below 2**64, got {2**64}"),
        (["--out", "no/such/folder/x.png"], 2, "no folder for the picture no/such/folder/x.png"),
    ],
)
def test_bad_options(arguments, status, message, capsys):
    try:
        actual = command.main(["demo", *arguments])
    except SystemExit as end:
        actual = end.code
    said = capsys.readouterr()
    assert actual == status
    assert message in said.err
    assert said.out == ""
