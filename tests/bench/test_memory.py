"""The greatest resident set of a call, and the command that compares it."""

import json
import subprocess
import sys

import numpy as np
import pytest

from fastnn.bench import memory, nets, workloads
from fastnn.bench.peer import present
from fastnn.bench.runner import Effort, measure
from fastnn.bench.select import select

pytestmark = pytest.mark.skipif(not memory.CLEAR.exists(), reason="Linux alone tells")
MEGABYTES = 40


def take(megabytes):
    """Memory that is written to, and given back."""
    np.ones(megabytes << 20, np.uint8)


def test_growth_is_the_most_that_was_held_and_not_what_was_held_before():
    take(4 * MEGABYTES)
    grown = memory.growth(lambda: take(MEGABYTES))
    assert 0.95 < grown / (MEGABYTES << 20) < 1.5
    assert memory.growth(lambda: None) < 1 << 20


def test_every_net_is_a_case_and_trains():
    cases = select("memory")
    assert [case.params["net"] for case in cases] == list(nets.NETS)
    assert {case.unit for case in cases} == {"bytes"}
    prepared = workloads.prepare("fastnn", cases[0])
    assert memory.growth(prepared.variants[""]) >= 0  # this process may have had as much before


class Counted:
    """A peer that remembers what it was asked, and when it began anew."""

    def __init__(self, label):
        self.label, self.asked = label, []

    def restart(self):
        self.asked.append("restart")

    def ask(self, timeout=None, **request):
        self.asked.append(request["do"])
        if request["do"] == "prepare":
            assert not request["verify"]  # it would compute
            return {"supported": True, "variants": [""]}
        return {"times": [1e7], "flops": 1e9}


def test_memory_is_measured_once_in_a_fresh_process():
    peers = [Counted("fastnn"), Counted("self")]
    run = measure(select("memory")[:2], peers, Effort(turns=3), lambda _: None, lambda _: None)
    assert run.stopped is None
    assert peers[1].asked == ["restart", "prepare", "time"] * 2


def test_command_compares_memory(tmp_path):
    path = tmp_path / "out.json"
    peer = "torch" if present("torch") else "none"
    command = [sys.executable, "-P", "-m", "fastnn", "bench", "--cases", "memory:MLP 10-5"]
    options = ["--against", peer, "--minutes", "0", "--json", str(path)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (cell,) = json.loads(path.read_text())["results"]
    own = cell["libraries"]["fastnn"]
    assert f"{own['min'] / 1e6:.3g} MB" in done.stdout
    assert own["samples"] == 1
    assert 1 << 20 < own["min"] < 1 << 27
    if peer == "torch":
        assert "1 targets: " in done.stdout
