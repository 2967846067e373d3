"""``fastnn bench`` as a user meets it; small cases, no time is asserted."""

import json
import os
import signal
import subprocess
import sys

import pytest

from fastnn.bench.grid import cells
from fastnn.bench.peer import BenchmarkError, Peer, PeerTimeoutError, present

COMMAND = [sys.executable, "-P", "-m", "fastnn", "bench"]
SHORT = ["--seconds", "0.002", "--rounds", "1", "--minutes", "0"]


def run(*arguments):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=300)


@pytest.fixture
def peer():
    made = Peer("fastnn", "fastnn", 1, {})
    yield made
    made.close()


def test_report_head_table_and_files(tmp_path):
    files = {name: tmp_path / f"out.{name}" for name in ("json", "md")}
    options = ["--json", str(files["json"]), "--markdown", str(files["md"])]
    done = run(
        "--cases", "gemm:8x8x8,elementwise:relu 16 KB", "--against", "numpy", *options, *SHORT
    )
    assert done.returncode == 0, done.stderr
    for part in ("multiply-add peak", "bandwidth", "Losses first", "Noise: fastnn against itself"):
        assert part in done.stdout
    figures = json.loads(files["json"].read_text())
    assert {level["level"] for level in figures["machine"]["bandwidth"]} == {
        "L1", "L2", "L3", "memory"
    }  # fmt: skip
    assert [each["name"] for each in figures["results"]][1:] == ["relu 16 KB"]
    assert set(figures["results"][0]["libraries"]) == {"fastnn", "self", "numpy"}
    assert figures["noise"] >= 0
    assert files["md"].read_text().startswith("| case | min | median |")


@pytest.mark.slow
def test_shards_of_the_grid_merge_to_a_picture(tmp_path):
    torch = "torch" if present("torch") else "none"
    parts = []
    for i in (1, 200):
        parts.append(str(tmp_path / f"{i}.json"))
        shard = ["--cases", "grid", "--shard", f"{i}/{len(cells())}", "--against", torch]
        done = run(*shard, "--json", parts[-1], *SHORT)
        assert done.returncode == 0, done.stderr
        assert str(cells()[i - 1]) in done.stdout
    whole = tmp_path / "whole.json"
    done = run("--merge", *parts, "--json", str(whole))
    assert done.returncode == 0, done.stderr
    assert len(json.loads(whole.read_text())["results"]) == 2
    if torch == "none":
        return
    assert "2 cells against the fastest peer and layout: geometric mean" in done.stdout
    pytest.importorskip("matplotlib")
    done = run("--merge", *parts, "--plot", str(tmp_path / "whole.png"))
    assert (tmp_path / "whole.png").stat().st_size > 10_000, done.stderr


def test_every_algorithm_in_turn():
    last = f"{len(cells())}/{len(cells())}"
    done = run("--cases", "grid", "--shard", last, "--every-algorithm", *SHORT)
    assert done.returncode == 0, done.stderr
    assert "the chosen algorithm is within 10% of the best in" in done.stdout
    assert "of 1 cells" in done.stdout


def test_every_algorithm_leaves_out_what_has_none():
    cases = "gemm:8x8x8,conv:2x32->64@8"
    done = run("--cases", cases, "--every-algorithm", "--against", "none", *SHORT)
    assert done.returncode == 0, done.stderr
    assert "8x8x8" not in done.stdout
    assert "of 3 cells" in done.stdout


def test_what_a_forced_algorithm_cannot_do_is_left_out():
    cases = ["--cases", "conv:LeNet 64x1, conv:few images 2x64@4, train:LeNet"]
    done = run(*cases, "--algorithm", "winograd", "--against", "numpy", *SHORT)
    assert done.returncode == 0, done.stderr
    assert (
        "left out: conv LeNet 64x1->6@28 5x5 forward: RuntimeError: convolution alg" in done.stdout
    )
    assert "left out: train LeNet, batch 64: RuntimeError" in done.stdout
    table = done.stdout[done.stdout.index("Losses first") :]
    assert table.count("conv few images 2x64@4 3x3") == 4
    assert "LeNet" not in table
    assert "Traceback" not in done.stderr


def test_nothing_but_what_it_cannot_do_is_an_error():
    done = run("--cases", "conv:LeNet", "--algorithm", "winograd", "--against", "none", *SHORT)
    assert done.returncode == 2
    assert (
        done.stderr.splitlines()[-1] == "fastnn bench: fastnn has no figure for any of 'conv:LeNet'"
    )


def test_merged_figures_of_any_cases_are_reported_and_written(tmp_path):
    one, other, page = (tmp_path / name for name in ("1.json", "2.json", "out.md"))
    for path, case in ((one, "gemm:8x8x8"), (other, "gemm:16x16x16")):
        done = run("--cases", case, "--against", "numpy", "--json", str(path), *SHORT)
        assert done.returncode == 0, done.stderr
    merge = ["--merge", str(one), str(other), "--markdown", str(page)]
    done = run(*merge)
    assert done.returncode == 0, done.stderr
    for text in (done.stdout, page.read_text()):
        assert "gemm 8x8x8" in text
        assert "gemm 16x16x16" in text
        assert "Noise: fastnn against itself" in text
    pytest.importorskip("matplotlib")
    done = run(*merge, "--plot", str(tmp_path / "out.png"))
    assert (tmp_path / "out.png").stat().st_size > 10_000, done.stderr
    for each in (one, other):
        figures = json.loads(each.read_text())
        for cell in figures["results"]:
            del cell["libraries"]["numpy"]
        each.write_text(json.dumps(figures))
    done = run(*merge, "--plot", str(tmp_path / "out.png"))
    assert done.returncode == 2
    assert "nothing to draw" in done.stderr


def test_an_interrupt_writes_what_was_measured(tmp_path):
    path = tmp_path / "out.json"
    options = ["--cases", "gemm", "--against", "numpy", "--seconds", "1", "--json", str(path)]
    running = subprocess.Popen(
        [*COMMAND, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        # what a shell starts in the background ignores it, and so does what that starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for line in running.stdout:
        if line.startswith("gemm 8x8x8"):
            break
    os.killpg(running.pid, signal.SIGINT)  # as a terminal's Ctrl-C
    rest, told = running.communicate(timeout=300)
    assert running.returncode == 130
    assert "Losses first" in rest
    assert told.splitlines() == ["stopped: cases with figures: 1", "", "interrupted"]
    figures = json.loads(path.read_text())
    assert [cell["name"] for cell in figures["results"]] == ["8x8x8"]
    assert figures["stopped"] == "KeyboardInterrupt"


def test_a_peer_that_does_not_answer_is_replaced(peer):
    with pytest.raises(PeerTimeoutError, match=r"fastnn took more than 0\.05 s"):
        peer.ask(timeout=0.05, do="peak", seconds=30, dtype="float32")
    assert peer.ask(do="version")["version"] == peer.version


def test_a_restarted_peer_is_another_process_that_answers(peer):
    before = peer._process.pid
    peer.restart()
    assert peer._process.pid != before
    assert peer.ask(do="peak", seconds=0, dtype="float64")["flops"] > 0


def test_a_peer_that_was_killed_is_told_and_can_be_closed(peer):
    peer._process.kill()
    peer._process.wait()
    with pytest.raises(BenchmarkError, match="fastnn ended while asked to"):
        peer.ask(do="version")


def test_a_peer_that_is_interrupted_at_its_start_leaves_no_process(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Peer, "ask", interrupted)
    made = Peer.__new__(Peer)
    with pytest.raises(KeyboardInterrupt):
        made.__init__("fastnn", "fastnn", 1, {})
    assert made._process.poll() is not None


def test_a_peer_that_dies_is_told(peer):
    with pytest.raises(BenchmarkError, match="fastnn ended while asked to"):
        peer.ask(do="time", variant="no case was prepared", seconds=0.1)
