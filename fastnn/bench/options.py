"""The options of ``fastnn bench``: what may be said, and what holds where nothing is."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import runtime
from ..backends import CONV_ALGORITHMS, available
from .peer import LIBRARIES
from .select import NAMES

__all__ = ["add_arguments", "fill_defaults", "settings_of"]

#: Where the grid's defaults differ: many cells, each against PyTorch's two layouts.
GRID = {"against": "torch", "seconds": 0.1, "rounds": 3, "minutes": 40.0}
USUAL = {"against": ",".join(LIBRARIES), "seconds": 0.3, "rounds": 5, "minutes": 20.0}


def _number(
    convert: Callable[[str], float], holds: Callable[[float], bool], what: str
) -> Callable[[str], float]:
    """A type of argparse: finite numbers of which ``holds`` is true."""

    def parse(text: str) -> float:
        try:
            value = convert(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and holds(value)):
            raise argparse.ArgumentTypeError(f"expected {what}, but got {text!r}")
        return value

    return parse


_count = _number(int, lambda value: value >= 1, "an integer of at least 1")
_positive = _number(float, lambda value: value > 0, "a number above 0")
_not_negative = _number(float, lambda value: value >= 0, "a number of at least 0")


def _add_fastnn(parser: argparse.ArgumentParser) -> None:
    """How fastnn computes."""
    parser.add_argument("--backend", choices=available(), default="native")
    parser.add_argument("--isa", choices=runtime.isa_available(), help="force an instruction set")
    parser.add_argument("--threads", type=_count, default=1, help="threads of each library")
    algorithm = parser.add_mutually_exclusive_group()
    algorithm.add_argument(
        "--algorithm",
        choices=CONV_ALGORITHMS,
        default="auto",
        help="force a convolution algorithm; what it cannot do is left out",
    )
    algorithm.add_argument(
        "--every-algorithm",
        action="store_true",
        help="force every algorithm of each pass of a convolution in turn instead of comparing "
        "with peers, and say how good the choice is",
    )


def _add_effort(parser: argparse.ArgumentParser) -> None:
    """How much is measured."""
    parser.add_argument(
        "--seconds", type=_positive, help="time per case, peer and sweep (0.3; the grid 0.1)"
    )
    parser.add_argument(
        "--rounds", type=_count, help="turns that time is split into (5; the grid 3)"
    )
    parser.add_argument(
        "--noise",
        type=_not_negative,
        default=0.07,
        help="sweep again while it is higher (%(default)s)",
    )
    parser.add_argument(
        "--minutes",
        type=_not_negative,
        help="no further sweep begins that would end later; 0 is one sweep (20; the grid 40; of a "
        "shard its share)",
    )


def _add_files(parser: argparse.ArgumentParser) -> None:
    """What is written; an interrupted run writes what it has measured."""
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--markdown", type=Path, help="write the table, losses first, to this file")
    parser.add_argument("--plot", type=Path, help="draw the ratios into this file")
    parser.add_argument(
        "--merge",
        type=Path,
        nargs="+",
        metavar="JSON",
        help="measure nothing: put the figures of several shards together, and report",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``fastnn bench``."""
    parser.add_argument(
        "--cases",
        default="gemm,conv,train,infer",
        help=f"families, separated by commas: {', '.join(NAMES)}; family:text keeps the "
        "cases whose name has that text, which may be a name as printed (default: %(default)s)",
    )
    parser.add_argument(
        "--against",
        help="peers, separated by commas, or 'none' (default: those installed of "
        f"{USUAL['against']}; {GRID['against']} for the grid)",
    )
    parser.add_argument("--shard", help="i/n: only every n-th case, from the i-th")
    _add_fastnn(parser)
    _add_effort(parser)
    _add_files(parser)


def fill_defaults(arguments: argparse.Namespace, only_grid: bool, share: float) -> None:
    """What was not said; a shard has its share of the time."""
    defaults: dict[str, Any] = dict(GRID if only_grid else USUAL)
    defaults["minutes"] *= share
    for name, value in defaults.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)


def settings_of(arguments: argparse.Namespace) -> dict[str, str]:
    """What a worker is told about fastnn."""
    settings = {"backend": arguments.backend, "algorithm": arguments.algorithm}
    if arguments.isa:
        settings["isa"] = arguments.isa
    return settings
