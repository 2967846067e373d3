"""The time that a case cannot beat: operations at the peak, or bytes at the bandwidth."""

from __future__ import annotations

from typing import Any, NamedTuple

from .cases import Case

__all__ = ["Limit", "level", "limit", "yardstick"]

#: The streams of :func:`.machine.probe` that read and write: writes for each read.
MIXED = (("copy", 1), ("double", 2), ("quadruple", 4))


class Limit(NamedTuple):
    """``seconds``, and ``by`` what: ``"peak"``, ``"operations"`` or a level as ``"L2"``."""

    seconds: float
    by: str


def level(total: float, bandwidth: list[dict[str, Any]]) -> dict[str, Any]:
    """The smallest level of :func:`.machine.probe` that holds so many bytes."""
    return next((b for b in bandwidth if b["cache"] and total <= b["cache"]), bandwidth[-1])


def yardstick(reads: float, writes: float, rates: dict[str, Any]) -> float:
    """Bytes a second of a plain loop with as many writes for each read, but a copy's at most.

    Of the loops of :func:`.machine.probe` the one that writes most without writing more for each
    read than the case; a copy for all that write less, writes for what only writes.
    """
    if reads == 0 and writes:
        return float(rates["write"])
    stream = "copy"
    for name, each in MIXED:
        if writes >= each * reads:
            stream = name
    return float(rates[stream])


def limit(
    case: Case, peak: float, bandwidth: list[dict[str, Any]], pipes: float | None
) -> Limit | None:
    """Whichever binds; None if the case counts neither operations nor bytes.

    Floating-point operations are the direct method's: an algorithm that needs fewer can go
    below. Bytes are operands and results once each, in the :func:`level` that holds them all;
    reads and writes may overlap, so the bound is the largest of reads at the read rate, writes
    at the write rate and, unless they are the same lines, both at the best rate there is: that of
    the :func:`yardstick` if the case writes as much as it reads.

    Parameters
    ----------
    peak : float
        Floating-point operations per second for the case's dtype.
    bandwidth : list of dict
        As in :func:`.machine.probe`, from the smallest level.
    pipes : float, optional
        As :func:`.machine.pipes` tells.
    """
    bounds = []
    if case.flops:
        bounds.append(Limit(case.flops / peak, "peak"))
    if case.operations and pipes:  # a multiply-add of 64 bytes is 32 of the peak's operations
        bounds.append(Limit(case.operations * 32 / (peak * pipes), "operations"))
    total = case.reads + case.writes
    if total:
        rates = level(total, bandwidth)
        best = max(rates["read"], rates["write"], rates["copy"])
        if case.writes >= case.reads:
            best = yardstick(case.reads, case.writes, rates)
        times = [case.reads / rates["read"], case.writes / rates["write"]]
        if not case.in_place:  # a copy fetches what it writes
            times.append(total / best)
        bounds.append(Limit(max(times), rates["level"]))
    return max(bounds, default=None)
