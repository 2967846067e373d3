"""The figures as a picture (needs matplotlib, the ``bench`` extra)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from .figures import is_compared, worst_ratio
from .results import OWN, SELF

__all__ = ["save_plot"]


def save_plot(figures: dict[str, Any], path: Path) -> None:
    """Bars of each peer's time over fastnn's, losses on top, on a logarithmic axis.

    Raises
    ------
    ValueError
        If no case was compared with a peer.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    ordered = sorted(filter(is_compared, figures["results"]), key=lambda cell: -worst_ratio(cell))
    if not ordered:
        raise ValueError("no case was compared with a peer: nothing to draw")
    named = dict.fromkeys(label for cell in ordered for label in cell["libraries"])
    peers = [label for label in named if label not in (OWN, SELF)]
    height = 0.8 / len(peers)
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.32 * len(ordered)), layout="constrained")
    ratios: list[float] = []
    for i, name in enumerate(peers):
        each = [(y, cell["libraries"].get(name)) for y, cell in enumerate(ordered)]
        rows = [(y, library["ratio"]) for y, library in each if library]
        ratios += [ratio for _, ratio in rows]
        bars = axes.barh(
            [y + 0.4 - height * (i + 0.5) for y, _ in rows],
            [ratio - 1 for _, ratio in rows],
            height,
            left=1,
            label=name,
        )
        axes.bar_label(bars, [f"{ratio:.2f}" for _, ratio in rows], padding=3, fontsize=7)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    low, high = min([*ratios, 1.0]) / 1.3, max([*ratios, 1.0]) * 1.5
    axes.set_xlim(low, high)
    ticks = [2.0**e for e in range(math.floor(math.log2(low)), math.ceil(math.log2(high)) + 1)]
    axes.set_xticks([t for t in ticks if low <= t <= high])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.minorticks_off()
    axes.set_yticks(range(len(ordered)), [f"{cell['family']} {cell['name']}" for cell in ordered])
    axes.tick_params(axis="y", labelsize=8)
    axes.set_xlabel("time of the peer / time of fastnn (right of 1: fastnn is faster)")
    axes.legend(loc="upper right")  # the losses on top have the short bars
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
