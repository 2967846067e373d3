"""Each target beside its figure, those missed by most first."""

from __future__ import annotations

import math
from typing import Any

from .results import OWN, SELF
from .targets import BEST, DEFAULT

__all__ = ["has_targets", "markdown", "reached", "text"]

#: Case, what it is measured against, asked, reached.
Row = tuple[str, str, float, float]


def has_targets(figures: dict[str, Any]) -> bool:
    """Whether anything that is asked of these cases was compared."""
    return bool(reached(figures))


def _ratio(cell: dict[str, Any], against: str) -> float | None:
    """The ratio in a case's figures; None without that peer."""
    peers = {name: each for name, each in cell["libraries"].items() if name not in (OWN, SELF)}
    if against == DEFAULT:
        layouts = peers.get("torch", {"variants": {}})["variants"]
        times = [layouts[""]["min"]] if "" in layouts else []
    else:
        times = [each["min"] for name, each in peers.items() if against in (BEST, name)]
    return min(times) / cell["libraries"][OWN]["min"] if times else None


def reached(figures: dict[str, Any]) -> list[Row]:
    """All targets that have a figure, those missed by most first."""
    found = [
        (cell["name"], against, asked, ratio)
        for cell in figures["results"]
        for against, asked in cell.get("asked", {}).items()
        if (ratio := _ratio(cell, against)) is not None
    ]
    return sorted(found, key=lambda row: row[3] / row[2])


def _summary(rows: list[Row], noise: float) -> str:
    missed = [row for row in rows if row[3] < row[2]]
    beyond = [row for row in missed if math.log(row[2] / row[3]) > noise]
    return (
        f"{len(rows)} targets: {len(rows) - len(missed)} reached, {len(missed)} missed, "
        f"{len(beyond)} of them by more than the noise of {noise:.1%}"
    )


def text(figures: dict[str, Any]) -> str:
    """For a terminal."""
    rows = reached(figures)
    lines = [
        f"  {ratio:6.2f}x of {asked:5.2f}x  {name:<40} against {against}"
        for name, against, asked, ratio in rows
    ]
    return "\n".join([_summary(rows, figures["noise"]), *lines])


def markdown(figures: dict[str, Any]) -> str:
    """For a page."""
    rows = reached(figures)
    lines = []
    for name, against, asked, ratio in rows:
        bold = "**" * (ratio < asked)
        lines.append(f"| {name} | {against} | {asked:.2f}x | {bold}{ratio:.2f}x{bold} |")
    head = ["| case | against | asked | reached |", "|---|---|---:|---:|"]
    return "\n".join([f"{_summary(rows, figures['noise'])}.", "", *head, *lines]) + "\n"
