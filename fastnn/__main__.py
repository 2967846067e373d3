"""The command ``fastnn``: info, demo, bench."""

from __future__ import annotations

import argparse
import sys

from . import conv_algorithm, demo, dtypes, explain, runtime, set_conv_precision
from ._explain import PASSES
from ._layer_text import layer_from_text
from .backends import CONV_ALGORITHMS, CONV_PRECISIONS
from .bench import cli

__all__ = ["main"]


def _explain(options: argparse.Namespace) -> int:
    layer, sizes = options.explain
    before = runtime.get_isa()
    try:
        shape = [int(size) for size in sizes.strip("()[] ").rstrip(",").split(",")]
        runtime.set_isa(options.isa or before)
        with conv_algorithm(options.algorithm), set_conv_precision(options.precision):
            told = explain(layer_from_text(layer).to(getattr(dtypes, options.dtype)), shape)
        print(told)
        if any(getattr(plan, which).algorithm is None for plan in told for which in PASSES):
            raise ValueError(f"algorithm {options.algorithm!r} cannot do all of this")
    except (ValueError, TypeError, RuntimeError) as error:
        print(f"fastnn info: {error}", file=sys.stderr)
        return 2
    finally:
        runtime.set_isa(before)
    return 0


def _info(options: argparse.Namespace) -> int:
    if options.explain:
        return _explain(options)
    for key, value in runtime.info().items():
        text = ", ".join(value) if isinstance(value, tuple) else value
        print(f"{key + ':':<18}{'none' if text is None else text}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fastnn", description=__doc__)
    parser.add_argument("--version", action="version", version=f"fastnn {runtime.version()}")
    commands = parser.add_subparsers(required=True, metavar="command")
    info = commands.add_parser("info", help="versions, instruction sets, threads")
    info.add_argument(
        "--explain",
        nargs=2,
        metavar=("LAYER", "SHAPE"),
        help="tell what a convolution does: --explain 'Conv2d(3, 64, 3, padding=1)' 8,3,32,32",
    )
    how = info.add_argument_group("with --explain")
    how.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    how.add_argument("--algorithm", choices=CONV_ALGORITHMS, default="auto", help="force it")
    how.add_argument("--precision", choices=CONV_PRECISIONS, default="fast")
    how.add_argument("--isa", choices=runtime.isa_available(), help="force an instruction set")
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
