"""Runs cases over peers, in turn, sweep by sweep until the noise is low, and collects figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from .cases import Case
from .noise import Budget, noise
from .peer import BenchmarkError, PeerTimeoutError
from .results import OWN, SELF, Measurement, Result, Run

__all__ = ["Effort", "measure", "tolerance"]

#: Largest |difference| / (largest |reference|) that verification accepts: the longest sum here
#: has some 20,000 terms, each rounded once.
TOLERANCE = {"float32": 2e-4, "float64": 1e-11}
#: The same for the losses of a training's first steps: a weight whose gradient is nothing but
#: rounding moves by a whole learning rate in Adam's first step, up or down.
TRAINING_TOLERANCE = 5e-3


def tolerance(case: Case) -> float:
    """The largest relative error that verification accepts."""
    is_training = case.params.get("task") == "train"
    return TRAINING_TOLERANCE if is_training else TOLERANCE[case.dtype]


class Asked(Protocol):
    """What is needed of a :class:`.peer.Peer`."""

    @property
    def label(self) -> str:
        """What its figures are called."""
        ...

    def ask(self, timeout: float | None = None, **request: Any) -> dict[str, Any]:
        """Send a request and wait for the answer."""
        ...

    def restart(self) -> None:
        """Go on in a fresh process."""
        ...


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes
    ----------
    seconds : float
        Time per case, variant and sweep, spread over ``turns`` turns.
    turns : int
        How often every variant of every peer has its turn in a sweep.
    noise : float
        Sweeps are added until the noise is no more than this.
    budget : float
        Seconds for all; no further sweep begins that would not fit.
    retime : bool
        Whether a case in which fastnn is slower is timed three times; its median counts.
    patience : float
        Seconds that a peer may take to prepare a case.
    """

    seconds: float = 0.3
    turns: int = 5
    noise: float = 0.07
    budget: float = 600.0
    retime: bool = False
    patience: float = 120.0


def _prepare(result: Result, peer: Asked, effort: Effort, verify: bool) -> None:
    """Make the case in the peer; the first time compare it with the reference."""
    case = result.case
    try:
        answer = peer.ask(
            timeout=effort.patience, do="prepare", family=case.family, name=case.name, verify=verify
        )
    except PeerTimeoutError as error:
        result.absent[peer.label] = str(error)
        return
    if not answer["supported"]:
        result.absent[peer.label] = answer.get("why", "")
        return
    if verify:
        worst, most = answer["error"], tolerance(case)
        if not worst <= most:
            raise BenchmarkError(
                f"{peer.label} differs from the reference on {case.family} {case.name}: "
                f"relative error {worst:.1e} > {most:.0e}"
            )
        result.errors[peer.label] = worst
    if peer.label not in result.variants:
        result.variants[peer.label] = [Measurement(name) for name in answer["variants"]]
        result.chosen = answer.get("chosen") or result.chosen


def _time(result: Result, peers: list[Asked], effort: Effort, verify: bool) -> None:
    """Every variant of every peer in turn, and the peak beside them; nothing without fastnn.

    Memory is measured once, in a process that has computed nothing before.
    """
    is_memory = result.case.unit == "bytes"
    for peer in peers:
        if peer.label not in result.absent:
            if is_memory:
                peer.restart()
            _prepare(result, peer, effort, verify and peer.label != SELF and not is_memory)
        if OWN in result.absent:
            return
    for _ in range(1 if is_memory else effort.turns):
        for peer in peers:
            for measurement in result.variants.get(peer.label, []):
                answer = peer.ask(
                    do="time", variant=measurement.variant, seconds=effort.seconds / effort.turns
                )
                measurement.times += answer["times"]
        asked = peers[0].ask(do="peak", seconds=0.005, dtype=result.case.dtype)
        result.peak = max(result.peak, asked["flops"])


def _noise(results: list[Result]) -> float:
    return noise(r.pair for r in _measured(results) if r.pair is not None)


def _measured(results: list[Result]) -> list[Result]:
    """Those whose first turn was finished: the peak comes last in a turn."""
    return [result for result in results if result.peak]


def _retime(results: list[Result], peers: list[Asked], effort: Effort, budget: Budget) -> None:
    """Measure each case below 1.0 twice more, from scratch, while the time lasts."""
    others = [peer for peer in peers if peer.label != SELF]
    for result in sorted(results, key=lambda r: r.worst_ratio):
        if result.worst_ratio >= 1 or not budget.fits(0):
            return
        for _ in range(2):
            again = Result(result.case, absent=dict(result.absent))
            _time(again, others, effort, verify=False)
            result.repeats.append(again.ratios())


def measure(
    cases: list[Case],
    peers: list[Asked],
    effort: Effort,
    report: Callable[[Result], None],
    progress: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """Verify and time each case, in sweeps over all of them until the noise is low.

    Every sweep runs in fresh processes: where memory happens to lie is a part of the noise, and
    the shortest time is one of several placements. Whatever ends the run early, an interrupt or a
    peer that died, is in what is returned, beside all that was measured before.

    Parameters
    ----------
    peers : list of Peer
        First fastnn, then fastnn again, labelled ``"self"``: the noise is how far their times
        lie apart.
    report : callable
        Called with each result of the first sweep as it comes; there is no figure in what
        fastnn cannot do.
    progress : callable
        Called with a line about each sweep.
    clock : callable
        Seconds.
    """
    assert peers[0].label == OWN
    results = [Result(case) for case in cases]
    sweeping = effort.budget * (0.75 if effort.retime else 1)
    budget, whole = (Budget(effort.noise, seconds, clock) for seconds in (sweeping, effort.budget))
    run = Run([], 0.0, 0, 0.0)
    try:
        while True:
            for result in results if run.sweeps == 0 else _measured(results):
                _time(result, peers, effort, verify=run.sweeps == 0)
                if run.sweeps == 0:
                    report(result)
            run.sweeps += 1
            spread = _noise(results)
            progress(f"sweep {run.sweeps}: noise {spread:.1%} after {whole.spent:.0f} s")
            if not budget.wants_more(spread):
                break
            for peer in peers:
                peer.restart()
        if effort.retime:
            _retime(_measured(results), peers, effort, whole)
    except (KeyboardInterrupt, Exception) as error:
        run.stopped = error
    run.results, run.noise, run.seconds = _measured(results), _noise(results), whole.spent
    return run
