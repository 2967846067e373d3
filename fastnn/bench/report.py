"""The figures as a table for people and as JSON for programs."""

from __future__ import annotations

from typing import Any

from .runner import Result

__all__ = ["as_json", "duration", "header", "markdown", "row", "table"]


def duration(seconds: float) -> str:
    """Three significant digits with a fitting unit."""
    for limit, factor, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "us"), (1.0, 1e3, "ms")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


def header(libraries: list[str]) -> str:
    """Column titles for :func:`row`."""
    peers = "".join(f"{name:>24}" for name in libraries if name != "fastnn")
    return f"{'case':<40}{'fastnn':>10}{'GFLOP/s':>9}{'of peak':>9}{peers}"


def row(result: Result, libraries: list[str]) -> str:
    """One case: our time and rate, then each peer's time and how many times ours it is."""
    own = result.measurements["fastnn"].best
    if result.case.flops:
        rate = result.case.flops / own
        speed = f"{rate / 1e9:>9.1f}{rate / result.peak:>9.0%}"
    else:
        speed = f"{'':>18}"
    cells = ""
    for name in libraries:
        if name == "fastnn":
            continue
        measurement = result.measurements.get(name)
        if measurement is None:
            cells += f"{'-':>24}"
            continue
        mark = "*" if measurement.variant else ""
        cells += f"{duration(measurement.best) + mark:>15}{result.ratio(name):>8.2f}x"
    label = f"{result.case.family} {result.case.name}"
    return f"{label:<40}{duration(own):>10}{speed}{cells}"


def table(results: list[Result], libraries: list[str]) -> str:
    """All cases, losses first."""
    lines = [header(libraries)]
    lines += [row(r, libraries) for r in sorted(results, key=lambda r: r.worst_ratio)]
    lines.append(
        "Ratios: the peer's shortest time over fastnn's; above 1 fastnn is faster."
        " * the peer's channels_last layout was its better one."
    )
    return "\n".join(lines)


def markdown(results: list[Result], libraries: list[str]) -> str:
    """The table of :func:`table` as a page shows it."""
    peers = [name for name in libraries if name != "fastnn"]
    lines = ["| case | fastnn | GFLOP/s | of peak | " + " | ".join(peers) + " |"]
    lines.append("|---|" + "---:|" * (3 + len(peers)))
    for result in sorted(results, key=lambda r: r.worst_ratio):
        own = result.measurements["fastnn"].best
        rate = result.case.flops / own
        speed = f"{rate / 1e9:.0f} | {rate / result.peak:.0%}" if rate else " | "
        cells = [
            f"{duration(m.best)}{'*' if m.variant else ''}, **{result.ratio(name):.2f}x**"
            if (m := result.measurements.get(name))
            else ""
            for name in peers
        ]
        label = f"{result.case.family} {result.case.name}"
        lines.append(f"| {label} | {duration(own)} | {speed} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def as_json(results: list[Result], versions: dict[str, str], machine: dict[str, Any]) -> Any:
    """Everything measured, in seconds and floating-point operations per second."""
    return {
        "machine": machine,
        "versions": versions,
        "results": [
            {
                "family": r.case.family,
                "name": r.case.name,
                "params": r.case.params,
                "flops": r.case.flops,
                "peak": r.peak,
                "libraries": {
                    name: {
                        "variant": m.variant,
                        "min": m.best,
                        "median": m.median,
                        "samples": len(m.times),
                        "error": r.errors[name],
                        "ratio": r.ratio(name),
                    }
                    for name, m in r.measurements.items()
                },
            }
            for r in results
        ],
    }
