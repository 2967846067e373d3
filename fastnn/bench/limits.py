"""The time that a case cannot beat: operations at the peak, or bytes at the bandwidth."""

from __future__ import annotations

from typing import Any, NamedTuple

from .cases import Case

__all__ = ["Limit", "level", "limit"]


class Limit(NamedTuple):
    """``seconds``, and ``by`` what: ``"peak"``, ``"operations"`` or a level as ``"L2"``."""

    seconds: float
    by: str


def level(case: Case, bandwidth: list[dict[str, Any]]) -> dict[str, Any]:
    """The smallest level of :func:`.machine.probe` that holds operands and results."""
    total = case.reads + case.writes
    return next((b for b in bandwidth if b["cache"] and total <= b["cache"]), bandwidth[-1])


def limit(case: Case, peak: float, bandwidth: list[dict[str, Any]]) -> Limit | None:
    """Whichever binds; None if the case counts neither operations nor bytes.

    Floating-point operations are the direct method's: an algorithm that needs fewer can go
    below. Bytes are operands and results once each, in the :func:`level` that holds them all;
    reads and writes may overlap, so the bound is the largest of reads at the read rate, writes
    at the write rate and both at the best rate there is.

    Parameters
    ----------
    peak : float
        Floating-point operations per second for the case's dtype.
    bandwidth : list of dict
        As in :func:`.machine.probe`, from the smallest level.
    """
    bounds = []
    if case.flops:
        bounds.append(Limit(case.flops / peak, "peak"))
    if case.operations:  # the peak is two multiply-adds of 16 floats a cycle, or as many of 8
        bounds.append(Limit(case.operations * 32 / peak, "operations"))
    total = case.reads + case.writes
    if total:
        rates = level(case, bandwidth)
        best = max(rates["read"], rates["write"], rates["copy"])
        times = (case.reads / rates["read"], case.writes / rates["write"], total / best)
        bounds.append(Limit(max(times), rates["level"]))
    return max(bounds, default=None)
