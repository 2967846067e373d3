"""The figures as a table for people."""

from __future__ import annotations

from typing import Any

from .figures import worst_ratio
from .limits import level, yardstick
from .results import OWN, SELF

__all__ = ["FOOTNOTE", "Table", "amount", "duration"]

FOOTNOTE = (
    "Ratios: the peer's shortest time over fastnn's; above 1 fastnn is faster. * the peer's"
    " channels_last layout was its better one. GFLOP/s count the direct method's operations;"
    " GB/s are bytes read plus written, and their share is of what a copy moves in the level that"
    " holds them, or a loop of two or four writes for each read where a case writes that much more."
    " limit: peak, the kernel's own operations, or bytes over that level's bandwidth, whichever"
    " binds; and how many times longer the case takes. Memory in MB stands where the case is of it."
)


def amount(value: float, unit: str) -> str:
    """Three significant digits of seconds or of bytes."""
    return duration(value) if unit == "s" else f"{value / 1e6:.3g} MB"


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

    def _rate(self, cell: dict[str, Any]) -> list[str]:
        """Operations a second and their share of the peak, else bytes and of the yardstick's."""
        seconds = cell["libraries"][OWN]["min"]
        if cell["flops"]:
            rate = cell["flops"] / seconds
            return [f"{rate / 1e9:.1f}", f"{rate / cell['peak']:.0%}"]
        reads, writes = cell["bytes"]["reads"], cell["bytes"]["writes"]
        if reads + writes:
            rate = (reads + writes) / seconds
            most = yardstick(reads, writes, level(reads + writes, self._bandwidth))
            return [f"{rate / 1e9:.1f} GB/s", f"{rate / most:.0%}"]
        return ["", ""]

    def _cells(self, cell: dict[str, Any]) -> list[str]:
        """Case, min, median, rate, share of peak, limit, distance, then the peers."""
        own, bound = cell["libraries"][OWN], cell["limit"]
        cells = [f"{cell['family']} {cell['name']}"]
        unit = cell.get("unit", "s")
        cells += [amount(own["min"], unit), amount(own["median"], unit)]
        cells += self._rate(cell)
        cells += [bound["by"], f"{cell['distance']:.2f}x"] if bound else ["", ""]
        for label in self._labels:
            peer = cell["libraries"].get(label)
            if peer is None:
                cells.append("")
                continue
            mark = "*" if peer["variant"] == "channels_last" else ""
            cells.append(f"{amount(peer['min'], unit)}{mark}, {peer['ratio']:.2f}x")
        return cells

    @property
    def _titles(self) -> list[str]:
        fixed = ["case", "min", "median", "GFLOP/s", "of peak", "limit", "over limit"]
        return [*fixed, *self._labels]

    def _line(self, cells: list[str]) -> str:
        widths = [9, 9, 11, 8, 10, 10] + [19] * len(self._labels)
        rest = "".join(f" {c:>{w}}" for c, w in zip(cells[1:], widths, strict=True))
        return f"{cells[0]:<48}{rest}"

    def header(self) -> str:
        """Column titles."""
        return self._line(self._titles)

    def row(self, cell: dict[str, Any]) -> str:
        """One case, as :func:`.figures.case_figures` gives it."""
        return self._line(self._cells(cell))

    def text(self, figures: dict[str, Any]) -> str:
        """All cases, losses first, and the noise."""
        ordered = sorted(figures["results"], key=worst_ratio)
        lines = [self.header(), *(self.row(cell) for cell in ordered), noise_line(figures)]
        return "\n".join([*lines, FOOTNOTE])

    def markdown(self, figures: dict[str, Any]) -> str:
        """The table of :meth:`text` as a page shows it."""
        lines = [f"| {' | '.join(self._titles)} |", "|---|" + "---:|" * (len(self._titles) - 1)]
        for cell in sorted(figures["results"], key=worst_ratio):
            cells = self._cells(cell)
            peers = [
                f"{text.rpartition(', ')[0]}, **{text.rpartition(', ')[2]}**" if text else ""
                for text in cells[7:]
            ]
            lines.append(f"| {' | '.join([*cells[:7], *peers])} |")
        return "\n".join([*lines, "", noise_line(figures), "", FOOTNOTE]) + "\n"


def noise_line(figures: dict[str, Any]) -> str:
    """The noise as a sentence."""
    sweeps = figures["sweeps"]
    return (
        f"Noise: fastnn against itself differs by up to {figures['noise']:.1%} in 95 of 100 cases "
        f"({sweeps} sweep{'s' * (sweeps != 1)}, {figures['seconds']:.0f} s)."
    )
