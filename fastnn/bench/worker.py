"""One peer in a process of its own: reads requests as JSON lines, answers on the same way.

Started by ``runner.py`` as ``python -P -m fastnn.bench.worker LIBRARY THREADS ...``; the only
library that computes here is the one named.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np

import fastnn

from .cases import FAMILIES, Case
from .workloads import Prepared, prepare

#: Largest |difference| / (largest |reference|) that verification accepts, float32: the longest
#: sum here has some 20,000 terms, each rounded once.
TOLERANCE = 2e-4


def _configure(library: str, threads: int, options: dict[str, str]) -> str:
    """Pin the process, limit the library's threads; returns its version."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[:threads])
    if library == "fastnn":
        fastnn.set_num_threads(threads)
        if "isa" in options:
            fastnn.set_isa(options["isa"])
        fastnn.use_backend(options.get("backend", "native"))
        fastnn.conv_algorithm(options.get("algorithm", "auto"))
        return fastnn.__version__
    if library == "torch":
        import torch

        torch.set_num_threads(threads)
        return str(torch.__version__)
    return str(__import__(library).__version__)


def _verify(library: str, case: Case, prepared: Prepared) -> float:
    """Largest relative difference from the reference backend."""
    with fastnn.use_backend("reference"):
        own = prepare("fastnn", _small(case))
        assert own is not None
        expected = own.result()
    if case != _small(case):
        small = prepare(library, _small(case))
        assert small is not None
        actual = small.result()
    else:
        actual = prepared.result()
    worst = 0.0
    for got, want in zip(actual, expected, strict=True):
        scale = max(float(np.abs(want).max(initial=0)), 1e-30)
        worst = max(worst, float(np.abs(got - want).max(initial=0)) / scale)
    return worst


def _small(case: Case) -> Case:
    """The same case with one image: the reference is slow, and images are independent."""
    if case.kind == "conv":
        return replace(case, params={**case.params, "n": 1})
    return case


def _time(call: Any, seconds: float) -> list[float]:
    """Seconds per call of repeated batches that together take about ``seconds``."""
    clock = time.perf_counter
    begin = clock()
    call()
    once = max(clock() - begin, 1e-7)
    batch = max(1, int(min(seconds / 5, 2e-3) / once))
    times: list[float] = []
    end = clock() + seconds
    while not times or clock() < end:
        begin = clock()
        for _ in range(batch):
            call()
        times.append((clock() - begin) / batch)
    return times


def _peak(seconds: float) -> float:
    """Floating-point operations per second out of registers, the best of several tries."""
    from fastnn.backends import _native

    best = 0.0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        work = _native.fma_work(2000)
        best = max(best, work / (time.perf_counter() - begin))
    return best


def _serve(library: str, version: str) -> None:
    cases = {(case.family, case.name): case for family in FAMILIES.values() for case in family}
    prepared: Prepared | None = None
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any] = {}
        if request["do"] == "version":
            answer = {"version": version}
        elif request["do"] == "prepare":
            case = cases[request["family"], request["name"]]
            prepared = prepare(library, case)
            if prepared is None:
                answer = {"supported": False}
            else:
                error = _verify(library, case, prepared)
                answer = {"supported": True, "error": error, "variants": list(prepared.variants)}
        elif request["do"] == "time":
            assert prepared is not None
            call = prepared.variants[request["variant"]]
            answer = {"times": _time(call, request["seconds"])}
        elif request["do"] == "peak":
            answer = {"flops": _peak(request["seconds"])}
        print(json.dumps(answer), flush=True)


def main(arguments: list[str]) -> None:
    """``LIBRARY THREADS [key=value ...]``."""
    library, threads, *rest = arguments
    _serve(library, _configure(library, int(threads), dict(item.split("=", 1) for item in rest)))


if __name__ == "__main__":
    main(sys.argv[1:])
