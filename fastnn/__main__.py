"""The command ``fastnn``: info, demo, bench."""

from __future__ import annotations

import argparse
import sys

from . import demo, runtime
from .bench import cli

__all__ = ["main"]


def _info(_: argparse.Namespace) -> int:
    for key, value in runtime.info().items():
        text = ", ".join(value) if isinstance(value, tuple) else value
        print(f"{key + ':':<18}{'none' if text is None else text}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fastnn", description=__doc__)
    parser.add_argument("--version", action="version", version=f"fastnn {runtime.version()}")
    commands = parser.add_subparsers(required=True, metavar="command")
    info = commands.add_parser("info", help="versions, instruction sets, threads")
    info.set_defaults(run=_info)
    show = commands.add_parser("demo", help="train a classifier of handwritten digits")
    demo.add_arguments(show)
    show.set_defaults(run=demo.run)
    bench = commands.add_parser("bench", help="measure fastnn against its peers")
    cli.add_arguments(bench)
    bench.set_defaults(run=cli.run)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
