"""The files and the report of a run: refused before anything is measured, or written at its end."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from .grid_plot import save_heat_map
from .grid_report import is_grid, summary
from .plot import save_plot
from .report import Table
from .target_report import has_targets
from .target_report import markdown as target_table
from .target_report import text as target_text

__all__ = ["check", "report"]


def _check_writable(path: Path) -> None:
    existed = path.exists()
    try:
        path.open("a").close()
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror}") from None
    if not existed:
        path.unlink()


def _check_picture(path: Path) -> None:
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError:
        raise ValueError(f"cannot draw {path}: matplotlib is not installed") from None
    kinds = sorted(FigureCanvasBase.get_supported_filetypes())
    if path.suffix[1:].lower() not in kinds:
        raise ValueError(f"cannot draw {path}: its name should end in one of {', '.join(kinds)}")


def check(arguments: argparse.Namespace) -> None:
    """See that every file can be written.

    Raises
    ------
    ValueError
        If one cannot, with its path and why.
    """
    for path in (arguments.json, arguments.markdown, arguments.plot):
        if path is not None:
            _check_writable(path)
    if arguments.plot is not None:
        _check_picture(arguments.plot)


def report(arguments: argparse.Namespace, figures: dict[str, Any]) -> None:
    """Write and print; all of it comes from the figures, merged or just measured."""
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    table = Table(list(figures["versions"]), figures["machine"]["bandwidth"])
    if not is_grid(figures):
        print(f"\nLosses first:\n{table.text(figures)}")
    for cell in figures["results"]:
        for label, why in cell["absent"].items():
            print(f"no figure of {label} for {cell['family']} {cell['name']}: {why}")
    if is_grid(figures) or any(cell["chosen"] for cell in figures["results"]):
        print(f"\n{summary(figures)}")
    if has_targets(figures):
        print(f"\n{target_text(figures)}")
    if arguments.markdown:
        targets = f"{target_table(figures)}\n" if has_targets(figures) else ""
        arguments.markdown.write_text(targets + table.markdown(figures))
    if arguments.plot:
        (save_heat_map if is_grid(figures) else save_plot)(figures, arguments.plot)
