"""The command ``fastnn bench``."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import Any

from .. import runtime
from . import machine as machine_probe
from . import outputs
from .figures import as_json, case_figures, merge, read
from .options import add_arguments, fill_defaults, settings_of
from .peer import LIBRARIES, ONE_THREAD, BenchmarkError, Peer, present
from .report import Table
from .results import OWN, SELF, Result, Run
from .runner import Effort, measure
from .select import select, shard

__all__ = ["add_arguments", "run"]

PEERS = (*LIBRARIES, ONE_THREAD)


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


def _peers(arguments: argparse.Namespace, settings: dict[str, str]) -> list[Peer]:
    """Started one by one: fastnn, fastnn again, the others; all closed if one fails."""
    names = [] if arguments.every_algorithm else _peer_names(arguments.against)
    if arguments.plot and not names:
        raise ValueError(f"nothing to draw into {arguments.plot}: --plot shows ratios to peers")
    wanted = [(OWN, OWN, settings), (SELF, OWN, settings)]
    wanted += [(name, name, settings if name == ONE_THREAD else {}) for name in names]
    if arguments.every_algorithm:
        wanted = [(OWN, "algorithms", settings)]
    peers: list[Peer] = []
    try:
        for label, library, given in wanted:
            peers.append(Peer(label, library, arguments.threads, given))
    except BaseException:
        for peer in peers:
            peer.close()
        raise
    return peers


def _measure(arguments: argparse.Namespace) -> tuple[Run, dict[str, Any]]:
    cases = select(arguments.cases)
    if arguments.every_algorithm:
        cases = [c for c in cases if c.kind == "conv" and c.params["which"] != "training"]
        if not cases:
            raise ValueError(f"--every-algorithm: no convolution's pass is in {arguments.cases!r}")
    if arguments.algorithm not in (None, "auto") and any(case.unit == "bytes" for case in cases):
        raise ValueError(
            f"--algorithm {arguments.algorithm}: the memory of whole nets is measured with the"
            " algorithms that they choose"
        )
    only_grid = all(case.family == "grid" for case in cases)
    whole = len(cases)
    if arguments.shard:
        cases = shard(cases, arguments.shard)
    fill_defaults(arguments, only_grid, len(cases) / whole)
    settings = settings_of(arguments)
    effort = Effort(
        seconds=arguments.seconds,
        turns=arguments.rounds,
        noise=arguments.noise,
        budget=60 * arguments.minutes,
        retime=only_grid,
    )
    peers = _peers(arguments, settings)
    try:
        versions = {peer.label: peer.version for peer in peers if peer.label != SELF}
        machine = {**runtime.info(), **settings, "threads": arguments.threads}
        machine |= peers[0].ask(do="machine")
        table = Table([peer.label for peer in peers], machine["bandwidth"])
        print(", ".join(f"{name} {version}" for name, version in versions.items()))
        print(machine_probe.describe(machine))
        print(table.header(), flush=True)

        def show(result: Result) -> None:
            if OWN in result.variants:
                print(table.row(case_figures(result, machine)), flush=True)
            else:
                name = f"{result.case.family} {result.case.name}"
                print(f"left out: {name}: {result.absent[OWN]}", flush=True)

        def tell(line: str) -> None:
            print(line, file=sys.stderr, flush=True)

        run = measure(cases, list(peers), effort, show, tell)
        if run.stopped is not None:  # figures are written before another Ctrl-C counts
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    finally:
        for peer in peers:
            peer.close()
    return run, as_json(run, versions, machine)


def _run(arguments: argparse.Namespace) -> int:
    outputs.check(arguments)
    if arguments.merge:
        outputs.report(arguments, merge([read(path) for path in arguments.merge]))
        return 0
    run, figures = _measure(arguments)
    if run.results:
        outputs.report(arguments, figures)
    if run.stopped is not None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print(f"stopped: cases with figures: {len(run.results)}", file=sys.stderr)
        raise run.stopped
    if not run.results:
        raise ValueError(f"fastnn has no figure for any of {arguments.cases!r}")
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; returns the exit status."""
    try:
        return _run(arguments)
    except (ValueError, BenchmarkError) as error:
        print(f"fastnn bench: {error}", file=sys.stderr)
        return 2
