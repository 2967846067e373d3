"""The time that a case cannot beat: operations at the peak, or bytes at the bandwidth."""

from __future__ import annotations

from typing import Any, NamedTuple

from .cases import Case

__all__ = ["Limit", "limit"]


class Limit(NamedTuple):
    """``seconds``, and ``by`` what: ``"peak"``, ``"L1"``, ``"L2"``, ``"L3"`` or ``"memory"``."""

    seconds: float
    by: str


def limit(case: Case, peak: float, bandwidth: list[dict[str, Any]]) -> Limit | None:
    """Whichever binds; None if the case counts neither operations nor bytes.

    Operations are the direct method's: an algorithm that needs fewer can go below. Bytes are
    operands and results once each, in the smallest level that holds them all; reads and writes
    may overlap, so the bound is the largest of reads at the read rate, writes at the write rate
    and both at the best rate there is.

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
    total = case.reads + case.writes
    if total:
        level = next((b for b in bandwidth if b["cache"] and total <= b["cache"]), bandwidth[-1])
        best = max(level["read"], level["write"], level["copy"])
        times = (case.reads / level["read"], case.writes / level["write"], total / best)
        bounds.append(Limit(max(times), level["level"]))
    return max(bounds, default=None)
