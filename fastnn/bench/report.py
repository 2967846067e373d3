"""The figures as a table for people."""

from __future__ import annotations

from typing import Any

from .limits import level, limit, yardstick
from .results import OWN, SELF, Result, Run

__all__ = ["FOOTNOTE", "Table", "duration"]

FOOTNOTE = (
    "Ratios: the peer's shortest time over fastnn's; above 1 fastnn is faster. * the peer's"
    " channels_last layout was its better one. GFLOP/s count the direct method's operations;"
    " GB/s are bytes read plus written, and their share is of what a copy moves in the level that"
    " holds them, or a loop of two or four writes for each read where a case writes that much more."
    " limit: peak, the kernel's own operations, or bytes over that level's bandwidth, whichever"
    " binds; and how many times longer the case takes."
)


def duration(seconds: float) -> str:
    """Three significant digits with a fitting unit."""
    for limit_, factor, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "us"), (1.0, 1e3, "ms")):
        if seconds < limit_:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


class Table:
    """Rows of one layout for these peers on this machine.

    Parameters
    ----------
    labels : list of str
        Of the peers; fastnn and fastnn again are left out.
    bandwidth : list of dict
        As :func:`.machine.probe` gives it.
    """

    def __init__(self, labels: list[str], bandwidth: list[dict[str, Any]]) -> None:
        self._labels = [label for label in labels if label not in (OWN, SELF)]
        self._bandwidth = bandwidth

    def _rate(self, result: Result) -> list[str]:
        """Operations a second and their share of the peak, else bytes and of the yardstick's."""
        case, seconds = result.case, result.measurements[OWN].best
        if case.flops:
            rate = case.flops / seconds
            return [f"{rate / 1e9:.1f}", f"{rate / result.peak:.0%}"]
        if case.reads + case.writes:
            rate = (case.reads + case.writes) / seconds
            most = yardstick(case, level(case, self._bandwidth))
            return [f"{rate / 1e9:.1f} GB/s", f"{rate / most:.0%}"]
        return ["", ""]

    def _cells(self, result: Result) -> list[str]:
        """Case, min, median, rate, share of peak, limit, distance, then the peers."""
        own = result.measurements[OWN]
        bound = limit(result.case, result.peak, self._bandwidth)
        cells = [f"{result.case.family} {result.case.name}"]
        cells += [duration(own.best), duration(own.median)]
        cells += self._rate(result)
        cells += [bound.by, f"{own.best / bound.seconds:.2f}x"] if bound else ["", ""]
        for label in self._labels:
            measurement = result.measurements.get(label)
            if measurement is None:
                cells.append("")
                continue
            mark = "*" if measurement.variant == "channels_last" else ""
            cells.append(f"{duration(measurement.best)}{mark}, {result.ratio(label):.2f}x")
        return cells

    @property
    def _titles(self) -> list[str]:
        fixed = ["case", "min", "median", "GFLOP/s", "of peak", "limit", "over limit"]
        return [*fixed, *self._labels]

    def _line(self, cells: list[str]) -> str:
        widths = [10, 10, 9, 9, 8, 12] + [20] * len(self._labels)
        rest = "".join(f"{c:>{w}}" for c, w in zip(cells[1:], widths, strict=True))
        return f"{cells[0]:<48}{rest}"

    def header(self) -> str:
        """Column titles."""
        return self._line(self._titles)

    def row(self, result: Result) -> str:
        """One case."""
        return self._line(self._cells(result))

    def text(self, run: Run) -> str:
        """All cases, losses first, and the noise."""
        ordered = sorted(run.results, key=lambda r: r.worst_ratio)
        lines = [self.header(), *(self.row(result) for result in ordered), noise_line(run)]
        return "\n".join([*lines, FOOTNOTE])

    def markdown(self, run: Run) -> str:
        """The table of :meth:`text` as a page shows it."""
        lines = [f"| {' | '.join(self._titles)} |", "|---|" + "---:|" * (len(self._titles) - 1)]
        for result in sorted(run.results, key=lambda r: r.worst_ratio):
            cells = self._cells(result)
            peers = [
                f"{cell.rpartition(', ')[0]}, **{cell.rpartition(', ')[2]}**" if cell else ""
                for cell in cells[7:]
            ]
            lines.append(f"| {' | '.join([*cells[:7], *peers])} |")
        return "\n".join([*lines, "", noise_line(run), "", FOOTNOTE]) + "\n"


def noise_line(run: Run) -> str:
    """The noise as a sentence."""
    return (
        f"Noise: fastnn against itself differs by up to {run.noise:.1%} in 95 of 100 cases "
        f"({run.sweeps} sweep{'s' * (run.sweeps > 1)}, {run.seconds:.0f} s)."
    )
