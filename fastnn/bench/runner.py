"""Runs cases over peers, each in its own pinned process, in turn, and collects the figures."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from .cases import Case
from .worker import TOLERANCE

__all__ = ["Measurement", "Peer", "Result", "measure", "present"]


class BenchmarkError(RuntimeError):
    """A peer died, or computed something else than the reference."""


def present(library: str) -> bool:
    """Whether the library can be imported here (onnxruntime also needs onnx)."""
    needed = ("onnxruntime", "onnx") if library == "onnxruntime" else (library,)
    return all(find_spec(name) is not None for name in needed)


class Peer:
    """One library in a process of its own."""

    def __init__(self, library: str, threads: int, options: dict[str, str]) -> None:
        self.library = library
        environment = dict(os.environ)
        for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            environment[variable] = str(threads)
        command = [sys.executable, "-P", "-m", "fastnn.bench.worker", library, str(threads)]
        self._process = subprocess.Popen(
            [*command, *(f"{key}={value}" for key, value in options.items())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.version: str = self.ask(do="version")["version"]

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send one request and wait for the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise BenchmarkError(f"{self.library} ended while asked to {request}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@dataclass
class Measurement:
    """Times of one variant of one library: seconds per call."""

    variant: str
    times: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        """The shortest time."""
        return min(self.times)

    @property
    def median(self) -> float:
        """The median time."""
        return statistics.median(self.times)


@dataclass
class Result:
    """One case: the fastest variant of each library, the errors and the peak beside it."""

    case: Case
    measurements: dict[str, Measurement]
    errors: dict[str, float]
    peak: float

    def ratio(self, library: str) -> float:
        """How many times longer ``library`` takes than fastnn."""
        return self.measurements[library].best / self.measurements["fastnn"].best

    @property
    def worst_ratio(self) -> float:
        """Against the fastest peer; infinite without one."""
        ratios = [self.ratio(name) for name in self.measurements if name != "fastnn"]
        return min(ratios, default=float("inf"))


def _prepare(case: Case, peers: list[Peer]) -> tuple[dict[str, list[str]], dict[str, float]]:
    variants: dict[str, list[str]] = {}
    errors: dict[str, float] = {}
    for peer in peers:
        answer = peer.ask(do="prepare", family=case.family, name=case.name)
        if not answer["supported"]:
            continue
        if not answer["error"] <= TOLERANCE:
            raise BenchmarkError(
                f"{peer.library} differs from the reference on {case.family} {case.name}: "
                f"relative error {answer['error']:.1e} > {TOLERANCE:.0e}"
            )
        variants[peer.library] = answer["variants"]
        errors[peer.library] = answer["error"]
    return variants, errors


def measure(
    cases: list[Case],
    peers: list[Peer],
    seconds: float,
    rounds: int,
    report: Callable[[Result], None],
) -> list[Result]:
    """Verify, then time each case: ``rounds`` times every variant of every peer in turn.

    Parameters
    ----------
    seconds : float
        Time per case and variant, spread over the rounds.
    report : callable
        Called with each result as it comes.
    """
    results = []
    for case in cases:
        variants, errors = _prepare(case, peers)
        times = {
            (peer.library, variant): Measurement(variant)
            for peer in peers
            for variant in variants.get(peer.library, [])
        }
        peak = 0.0
        for _ in range(rounds):
            for peer in peers:
                for variant in variants.get(peer.library, []):
                    answer = peer.ask(do="time", variant=variant, seconds=seconds / rounds)
                    times[peer.library, variant].times += answer["times"]
            peak = max(peak, peers[0].ask(do="peak", seconds=0.01)["flops"])
        best: dict[str, Measurement] = {}
        for (library, _), measurement in times.items():
            if library not in best or measurement.best < best[library].best:
                best[library] = measurement
        results.append(Result(case, best, errors, peak))
        report(results[-1])
    return results
