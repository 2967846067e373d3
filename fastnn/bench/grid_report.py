"""What the figures of the grid say: losses, the worst cells, means, and the choice of algorithm."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from .figures import is_compared, worst_ratio
from .report import duration
from .results import OWN, SELF

__all__ = ["geometric_mean", "is_grid", "summary"]

#: Cells that the report lists.
WORST = 10
#: How much longer than the best algorithm's time the chosen one's may be.
CLOSE = 1.1


def geometric_mean(values: Iterable[float]) -> float:
    """Exp of the mean logarithm; NaN of none."""
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else math.nan


def is_grid(figures: dict[str, Any]) -> bool:
    """Whether all cases are cells of the grid."""
    return all(cell["family"] == "grid" for cell in figures["results"])


def _line(cell: dict[str, Any]) -> str:
    peers = [label for label in cell["libraries"] if label not in (OWN, SELF)]
    peer = min(peers, key=lambda label: cell["libraries"][label]["min"])
    own, other = cell["libraries"][OWN], cell["libraries"][peer]
    variant = f" {other['variant']}" if other["variant"] else ""
    share = cell["flops"] / own["min"] / cell["peak"]
    times = f"{duration(own['min'])}, {peer}{variant} {duration(other['min'])}"
    return f"  {worst_ratio(cell):5.2f}x  {cell['name']:<48}{share:>5.0%} of peak  {times}"


def _by(cells: list[dict[str, Any]], title: str, key: Callable[[dict[str, Any]], str]) -> str:
    groups: dict[str, list[float]] = {}
    for cell in cells:
        groups.setdefault(key(cell), []).append(worst_ratio(cell))
    parts = (f"{name} {geometric_mean(values):.2f}x" for name, values in groups.items())
    return f"  by {title}: {', '.join(parts)}"


def _comparison(cells: list[dict[str, Any]], noise: float) -> list[str]:
    ordered = sorted(cells, key=worst_ratio)
    ratios = [worst_ratio(cell) for cell in ordered]
    below = [ratio for ratio in ratios if ratio < 1]
    beyond = [ratio for ratio in below if -math.log(ratio) > noise]
    lines = [
        f"{len(cells)} cells against the fastest peer and layout: geometric mean "
        f"{geometric_mean(ratios):.2f}x; {len(below)} below 1.00, {len(beyond)} of them beyond "
        f"the noise of {noise:.1%}",
        _by(cells, "pass", lambda cell: str(cell["params"]["which"])),
        _by(cells, "dtype", lambda cell: str(cell["dtype"])),
        f"the worst {min(WORST, len(ordered))}:",
    ]
    return lines + [_line(cell) for cell in ordered[:WORST]]


def _loss(cell: dict[str, Any]) -> tuple[float, str]:
    """The chosen algorithm's time over the best one's, and the best one's name."""
    times = {name: v["min"] for name, v in cell["libraries"][OWN]["variants"].items()}
    # auto is the chosen one once more, measured twice; F(4, 4) along rows cannot be forced
    chosen = times.pop("auto")
    chosen = min(chosen, times.get(cell["chosen"], chosen))
    best = min(times, key=lambda name: times[name])
    return chosen / min(times[best], chosen), best


def _choices(cells: list[dict[str, Any]]) -> list[str]:
    losses = sorted(((*_loss(cell), cell) for cell in cells), key=lambda each: -each[0])
    close = sum(loss <= CLOSE for loss, _, _ in losses)
    mean = geometric_mean(loss for loss, _, _ in losses)
    lines = [
        f"the chosen algorithm is within {CLOSE - 1:.0%} of the best in {close} of {len(cells)} "
        f"cells ({close / len(cells):.1%}) and loses {mean - 1:.1%} on average",
    ]
    names = sorted({cell["chosen"] for cell in cells})
    for name in names:
        mine = [loss for loss, _, cell in losses if cell["chosen"] == name]
        lines.append(
            f"  {name}: chosen in {len(mine)}, loses {geometric_mean(mine) - 1:.1%} on average"
        )
    lines.append(f"the worst {min(WORST, len(losses))}:")
    return lines + [
        f"  {loss:5.2f}x  {cell['name']:<48}{cell['chosen']}, best {best}"
        for loss, best, cell in losses[:WORST]
    ]


def summary(figures: dict[str, Any]) -> str:
    """The report of a run: the comparison with peers and, where measured, of algorithms."""
    compared = [cell for cell in figures["results"] if is_compared(cell)]
    forced = [cell for cell in figures["results"] if cell["chosen"]]
    lines = []
    if compared:
        lines += _comparison(compared, figures["noise"])
    if forced:
        lines += _choices(forced)
    return "\n".join(lines)
