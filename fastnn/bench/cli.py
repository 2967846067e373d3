"""The command ``fastnn bench``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from .. import runtime
from . import machine as machine_probe
from .figures import as_json, merge, read
from .grid_plot import save_heat_map
from .grid_report import is_grid, summary
from .peer import ONE_THREAD, BenchmarkError, Peer, present
from .plot import save_plot
from .report import Table
from .results import OWN, SELF, Result, Run
from .runner import Effort, measure
from .select import NAMES, select, shard
from .target_report import has_targets
from .target_report import markdown as target_table
from .target_report import text as target_text

__all__ = ["add_arguments", "run"]

LIBRARIES = ("numpy", "torch", "torch.compile", "onnxruntime")
PEERS = (*LIBRARIES, ONE_THREAD)
#: Where the grid's defaults differ: many cells, each against PyTorch's two layouts.
GRID = {"against": "torch", "seconds": 0.1, "rounds": 3, "minutes": 40.0}
USUAL = {"against": ",".join(LIBRARIES), "seconds": 0.3, "rounds": 5, "minutes": 20.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``fastnn bench``."""
    parser.add_argument(
        "--cases",
        default="gemm,conv,train,infer",
        help=f"families, separated by commas: {', '.join(NAMES)}; family:text keeps the "
        "cases whose name has that text (default: %(default)s)",
    )
    parser.add_argument(
        "--against",
        help="peers, separated by commas, or 'none' (default: those installed of "
        f"{USUAL['against']}; {GRID['against']} for the grid)",
    )
    parser.add_argument(
        "--every-algorithm",
        action="store_true",
        help="force every algorithm of each pass of a convolution in turn instead, and say how "
        "good the choice is",
    )
    parser.add_argument("--shard", help="i/n: only every n-th case, from the i-th")
    parser.add_argument("--backend", choices=("native", "reference"), default="native")
    parser.add_argument("--algorithm", default="auto", help="force a convolution algorithm")
    parser.add_argument("--isa", help="force an instruction set")
    parser.add_argument("--threads", type=int, default=1, help="threads of each library")
    parser.add_argument("--seconds", type=float, help="time per case, peer and sweep (0.3; 0.1)")
    parser.add_argument("--rounds", type=int, help="turns that time is split into (5; 3)")
    parser.add_argument(
        "--noise", type=float, default=0.07, help="sweep again while it is higher (%(default)s)"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        help="no sweep begins that would end later (20; 40; of a shard its share)",
    )
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


def _peer_names(text: str) -> list[str]:
    if text == "none":
        return []
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in PEERS:
            raise ValueError(f"unknown peer {name!r}; choose from {', '.join(PEERS)}")
    missing = [name for name in names if not present(name)]
    if missing:
        print(f"not installed, left out: {', '.join(missing)}", file=sys.stderr)
    return [name for name in names if name not in missing]


def _peers(arguments: argparse.Namespace, options: dict[str, str]) -> list[Peer]:
    """Started one by one: fastnn, fastnn again, the others; all closed if one fails."""
    wanted = [(OWN, OWN, options), (SELF, OWN, options)]
    wanted += [
        (name, name, options if name == ONE_THREAD else {})
        for name in _peer_names(arguments.against)
    ]
    if arguments.every_algorithm:
        wanted = [(OWN, "algorithms", options)]
    peers: list[Peer] = []
    try:
        for label, library, settings in wanted:
            peers.append(Peer(label, library, arguments.threads, settings))
    except BaseException:
        for peer in peers:
            peer.close()
        raise
    return peers


def _fill_defaults(arguments: argparse.Namespace, only_grid: bool, share: float) -> None:
    """What was not said; a shard has its share of the time."""
    defaults: dict[str, Any] = dict(GRID if only_grid else USUAL)
    defaults["minutes"] *= share
    for name, value in defaults.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)


def _options(arguments: argparse.Namespace) -> dict[str, str]:
    options = {"backend": arguments.backend, "algorithm": arguments.algorithm}
    if arguments.isa:
        options["isa"] = arguments.isa
    return options


def _measure(arguments: argparse.Namespace) -> tuple[Run, dict[str, Any], Table]:
    cases = select(arguments.cases.split(","))
    if arguments.every_algorithm:
        cases = [c for c in cases if c.kind == "conv" and c.params["which"] != "training"]
        if not cases:
            raise ValueError(f"--every-algorithm: no convolution's pass is in {arguments.cases!r}")
    only_grid = all(case.family == "grid" for case in cases)
    whole = len(cases)
    if arguments.shard:
        cases = shard(cases, arguments.shard)
    _fill_defaults(arguments, only_grid, len(cases) / whole)
    options = _options(arguments)
    effort = Effort(
        seconds=arguments.seconds,
        turns=arguments.rounds,
        noise=arguments.noise,
        budget=60 * arguments.minutes,
        retime=only_grid,
    )
    peers = _peers(arguments, options)
    try:
        versions = {peer.label: peer.version for peer in peers if peer.label != SELF}
        machine = {**runtime.info(), **options, "threads": arguments.threads}
        machine |= peers[0].ask(do="machine")
        table = Table([peer.label for peer in peers], machine["bandwidth"])
        print(", ".join(f"{name} {version}" for name, version in versions.items()))
        print(machine_probe.describe(machine))
        print(table.header(), flush=True)

        def show(result: Result) -> None:
            if result.variants:
                print(table.row(result), flush=True)

        def tell(line: str) -> None:
            print(line, file=sys.stderr, flush=True)

        run = measure(cases, list(peers), effort, show, tell)
    finally:
        for peer in peers:
            peer.close()
    return run, as_json(run, versions, machine), table


def _finish(arguments: argparse.Namespace, figures: dict[str, Any]) -> None:
    """Write what needs no more than the figures."""
    if is_grid(figures) or arguments.every_algorithm:
        print(f"\n{summary(figures)}")
    if has_targets(figures):
        print(f"\n{target_text(figures)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    if arguments.plot and is_grid(figures):
        save_heat_map(figures, arguments.plot)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.merge:
        _finish(arguments, merge([read(path) for path in arguments.merge]))
        return 0
    run, figures, table = _measure(arguments)
    if not is_grid(figures):
        print("\nLosses first:\n" + table.text(run))
    for cell in figures["results"]:
        for label, why in cell["absent"].items():
            print(f"no figure of {label} for {cell['family']} {cell['name']}: {why}")
    _finish(arguments, figures)
    if arguments.markdown:
        targets = f"{target_table(figures)}\n" if has_targets(figures) else ""
        arguments.markdown.write_text(targets + table.markdown(run))
    if arguments.plot and not is_grid(figures):
        save_plot(run.results, list(figures["versions"]), arguments.plot)
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; returns the exit status."""
    try:
        return _run(arguments)
    except (ValueError, BenchmarkError) as error:
        print(f"fastnn bench: {error}", file=sys.stderr)
        return 2
