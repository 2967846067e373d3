"""The figures of a run as plain data: for reports and for files, read and merged."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from .limits import limit
from .noise import noise
from .results import OWN, SELF, Result, Run

__all__ = ["as_json", "case_figures", "is_compared", "merge", "read", "worst_ratio"]

#: What the two times of the noise are called in a case's figures.
PAIR = "pair"


def _libraries(result: Result) -> dict[str, Any]:
    return {
        label: {
            "variant": m.variant,
            "min": m.best,
            "median": m.median,
            "samples": len(m.times),
            "error": result.errors.get(label),
            "ratio": result.ratio(label) if label in result.peers else m.best / _own(result),
            "variants": {v.variant: {"min": v.best, "median": v.median} for v in each},
        }
        for label, each in result.variants.items()
        for m in (result.measurements[label],)
    }


def _own(result: Result) -> float:
    return result.measurements[OWN].best


def case_figures(result: Result, machine: dict[str, Any]) -> dict[str, Any]:
    """Everything measured of one case on what :func:`.machine.probe` found."""
    case = result.case
    bound = limit(case, result.peak, machine["bandwidth"], machine["pipes"])
    return {
        "family": case.family,
        "name": case.name,
        "params": case.params,
        "dtype": case.dtype,
        "unit": case.unit,
        "flops": case.flops,
        "bytes": {"reads": case.reads, "writes": case.writes},
        "peak": result.peak,
        "limit": bound and {"seconds": bound.seconds, "by": bound.by},
        "distance": bound and _own(result) / bound.seconds,
        "chosen": result.chosen,
        "asked": case.asked,
        PAIR: result.pair,
        "repeats": result.repeats,
        "absent": {label: why for label, why in result.absent.items() if why},
        "libraries": _libraries(result),
    }


def as_json(run: Run, versions: dict[str, str], machine: dict[str, Any]) -> dict[str, Any]:
    """Everything measured: seconds, bytes and floating-point operations per second."""
    return {
        "machine": machine,
        "versions": versions,
        "noise": run.noise,
        "sweeps": run.sweeps,
        "seconds": run.seconds,
        "stopped": run.stopped and (str(run.stopped) or type(run.stopped).__name__),
        "results": [case_figures(result, machine) for result in run.results],
    }


def is_compared(cell: dict[str, Any]) -> bool:
    """Whether any peer has a figure of the case."""
    return any(label not in (OWN, SELF) for label in cell["libraries"])


def worst_ratio(cell: dict[str, Any]) -> float:
    """The fastest peer's time over fastnn's, the median where there are three; inf without one."""
    libraries = cell["libraries"].items()
    ratios = (float(each["ratio"]) for label, each in libraries if label not in (OWN, SELF))
    return min(ratios, default=math.inf)


def read(path: Path) -> dict[str, Any]:
    """Figures that :func:`as_json` gave, from a file.

    Raises
    ------
    ValueError
        If the file holds something else.
    """
    try:
        figures = json.loads(path.read_text("utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"cannot read figures from {path}: {error}") from None
    if not (isinstance(figures, dict) and {"machine", "noise", "results"} <= set(figures)):
        raise ValueError(f"{path} holds no figures of fastnn bench")
    return figures


def merge(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The shards of one run as one; a case that occurs twice counts as the last says.

    The machine and the versions are the first part's, the noise is that of all cases.
    """
    cases = {(each["family"], each["name"]): each for part in parts for each in part["results"]}
    results = list(cases.values())
    return {
        **parts[0],
        "noise": noise(tuple(each[PAIR]) for each in results if each[PAIR]),
        "sweeps": min(part["sweeps"] for part in parts),
        "seconds": sum(part["seconds"] for part in parts),
        "stopped": next((why for part in parts if (why := part.get("stopped"))), None),
        "results": results,
    }
