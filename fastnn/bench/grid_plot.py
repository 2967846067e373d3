"""The grid as a heat map (needs matplotlib, the ``bench`` extra)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from .figures import is_compared, worst_ratio
from .grid import AXES, Cell
from .grid_report import geometric_mean

__all__ = ["pair_tables", "save_heat_map"]

Table = list[list[float]]
#: Ends of the colour scale: so many times slower, faster.
SCALE = (0.5, 4.0)


def pair_tables(cells: list[dict[str, Any]]) -> tuple[list[str], Table, Table]:
    """Geometric means and minima of the ratios over the cells that show two values.

    Returns
    -------
    labels : list of str
        ``"axis value"`` for each value of each axis.
    means, minima : list of list of float
        A row and a column per label; NaN where no cell shows both values.
    """
    labels = [(axis, str(value)) for axis, values in AXES.items() for value in values]
    shown = [
        (set(zip(Cell._fields, map(str, Cell.parse(cell["name"])), strict=True)), worst_ratio(cell))
        for cell in cells
    ]
    found = [
        [[ratio for values, ratio in shown if {a, b} <= values] for a in labels] for b in labels
    ]
    means = [[geometric_mean(ratios) for ratios in row] for row in found]
    minima = [[min(ratios, default=math.nan) for ratios in row] for row in found]
    names = [f"{'pass' if axis == 'which' else axis} {value}" for axis, value in labels]
    return names, means, minima


def _panel(axes: Any, labels: list[str], table: Table, title: str) -> Any:
    from matplotlib.colors import TwoSlopeNorm

    norm = TwoSlopeNorm(0.0, math.log(SCALE[0]), math.log(SCALE[1]))
    logarithms = [[math.log(v) if v == v else math.nan for v in row] for row in table]
    image = axes.imshow(logarithms, cmap="RdYlGn", norm=norm)
    for i, row in enumerate(table):
        for j, value in enumerate(row):
            if value == value:
                text = f"{value:.2f}" if value < 9.95 else f"{value:.0f}"
                weight = "bold" if value < 1 else "normal"
                ink = "white" if value > 2.8 or value < 0.6 else "black"
                axes.text(
                    j, i, text, ha="center", va="center", fontsize=6, weight=weight, color=ink
                )
    axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=7)
    axes.set_yticks(range(len(labels)), labels, fontsize=7)
    edge = 0
    for values in list(AXES.values())[:-1]:
        edge += len(values)
        axes.axhline(edge - 0.5, color="black", linewidth=0.8)
        axes.axvline(edge - 0.5, color="black", linewidth=0.8)
    axes.set_title(title, fontsize=10)
    return image


def save_heat_map(figures: dict[str, Any], path: Path) -> None:
    """Two tables of every pair of values: the mean ratio, and the worst cell's.

    Raises
    ------
    ValueError
        If no cell of the grid was compared with a peer.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    cells = [c for c in figures["results"] if c["family"] == "grid" and is_compared(c)]
    if not cells:
        raise ValueError("no cell of the grid was compared with a peer: nothing to draw")
    labels, means, minima = pair_tables(cells)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(22, 11.5), layout="constrained")
    total = geometric_mean(worst_ratio(cell) for cell in cells)
    _panel(left, labels, means, "geometric mean over the cells that show both values")
    image = _panel(right, labels, minima, "the worst of these cells")
    ticks = [0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0]
    bar = figure.colorbar(image, ax=(left, right), shrink=0.6, ticks=[math.log(t) for t in ticks])
    bar.ax.set_yticklabels([f"{t:g}x" for t in ticks])
    figure.suptitle(
        f"time of the fastest peer and layout / time of fastnn: {len(cells)} cells, geometric mean "
        f"{total:.2f}x, noise {figures['noise']:.1%} (bold: fastnn is slower)",
        fontsize=12,
    )
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
