"""The command ``fastnn bench``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from .. import runtime
from .cases import FAMILIES, select
from .plot import save_plot
from .report import as_json, header, markdown, row, table
from .runner import BenchmarkError, Peer, Result, measure, present

__all__ = ["add_arguments", "run"]

PEERS = ("numpy", "torch", "onnxruntime")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``fastnn bench``."""
    parser.add_argument(
        "--cases",
        default="gemm,conv,train",
        help=f"families, separated by commas: {', '.join(FAMILIES)}; family:text keeps the "
        "cases whose name has that text (default: %(default)s)",
    )
    parser.add_argument(
        "--against",
        default=",".join(PEERS),
        help="peers, separated by commas, or 'none' (default: those installed of %(default)s)",
    )
    parser.add_argument("--backend", choices=("native", "reference"), default="native")
    parser.add_argument("--algorithm", default="auto", help="force a convolution algorithm")
    parser.add_argument("--isa", help="force an instruction set")
    parser.add_argument("--threads", type=int, default=1, help="threads of each library")
    parser.add_argument("--seconds", type=float, default=0.3, help="time per case and peer")
    parser.add_argument("--rounds", type=int, default=5, help="turns that time is split into")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--markdown", type=Path, help="write the table, losses first, to this file")
    parser.add_argument("--plot", type=Path, help="draw the ratios into this file")


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


def _run(arguments: argparse.Namespace) -> int:
    cases = select(arguments.cases.split(","))
    libraries = ["fastnn", *_peer_names(arguments.against)]
    options = {"backend": arguments.backend, "algorithm": arguments.algorithm}
    if arguments.isa:
        options["isa"] = arguments.isa
    peers: list[Peer] = []
    try:
        for name in libraries:
            peers.append(Peer(name, arguments.threads, options if name == "fastnn" else {}))
        versions = {peer.library: peer.version for peer in peers}
        machine: dict[str, Any] = {**runtime.info(), **options, "threads": arguments.threads}
        print(", ".join(f"{name} {version}" for name, version in versions.items()))
        print(header(libraries), flush=True)

        def show(result: Result) -> None:
            print(row(result, libraries), flush=True)

        results = measure(cases, peers, arguments.seconds, arguments.rounds, show)
    finally:
        for peer in peers:
            peer.close()
    print("\nLosses first:\n" + table(results, libraries))
    if arguments.json:
        figures = as_json(results, versions, machine)
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    if arguments.markdown:
        arguments.markdown.write_text(markdown(results, libraries))
    if arguments.plot:
        save_plot(results, libraries, arguments.plot)
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; returns the exit status."""
    try:
        return _run(arguments)
    except (ValueError, BenchmarkError) as error:
        print(f"fastnn bench: {error}", file=sys.stderr)
        return 2
