"""One peer in a process of its own: reads requests as JSON lines, answers on the same way.

Started by ``peer.py`` as ``python -P -m fastnn.bench.worker LIBRARY THREADS ...``; the only
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

from ..backends import settings
from . import machine
from .cases import Case
from .memory import growth
from .prepared import Prepared
from .select import NAMES, select
from .workloads import prepare


def _configure(library: str, threads: int, options: dict[str, str]) -> str:
    """Pin the process, limit the library's threads; returns its version."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[:threads])
    if library in ("fastnn", "algorithms"):
        fastnn.set_num_threads(threads)
        if "isa" in options:
            fastnn.set_isa(options["isa"])
        fastnn.use_backend(options.get("backend", "native"))
        fastnn.conv_algorithm(options.get("algorithm", "auto"))
        return fastnn.__version__
    if library.startswith("torch"):
        import torch

        torch.set_num_threads(threads)
        return str(torch.__version__)
    return str(__import__(library).__version__)


def _verify(case: Case, prepared: Prepared) -> float:
    """Largest relative difference from the reference backend."""
    with fastnn.use_backend("reference"), fastnn.conv_algorithm("auto"):
        own = prepare("fastnn", _small(case))
        assert own is not None
        expected = own.result()
    worst = 0.0
    for got, want in zip(prepared.result(), expected, strict=True):
        scale = max(float(np.abs(want).max(initial=0)), 1e-30)
        worst = max(worst, float(np.abs(got - want).max(initial=0)) / scale)
    return worst


def _small(case: Case) -> Case:
    """The same case with one image: the reference is slow, and ``result`` is that of one image."""
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


class _Server:
    """Holds one prepared case at a time."""

    def __init__(self, library: str, version: str) -> None:
        self._library, self._version = library, version
        #: What says that a case cannot be done: whatever a compiler raises, and the refusal of a
        #: forced algorithm.
        self._refusals: tuple[type[Exception], ...] = ()
        if library == "torch.compile":
            self._refusals = (Exception,)
        elif settings().algorithm != "auto":
            self._refusals = (RuntimeError,)
        self._prepared: Prepared | None = None
        self._unit = "s"
        self._cases: dict[tuple[str, str], Case] = {}

    def _case(self, family: str, name: str) -> Case:
        if not self._cases:
            self._cases = {(case.family, case.name): case for case in select(",".join(NAMES))}
        return self._cases[family, name]

    def _made(self, case: Case) -> Prepared | str | None:
        """The case, None if the library has no such thing, or why it could not be made."""
        try:
            made = prepare(self._library, case)
            if made is not None and self._refusals and case.unit == "s":
                for call in made.variants.values():
                    call()
            return made
        except self._refusals as error:
            return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"

    def prepare(self, family: str, name: str, verify: bool) -> dict[str, Any]:
        """Make a case, and verify it."""
        case = self._case(family, name)
        self._prepared = None  # frees the one before
        # Else the free list would still be full of its blocks, while this one's are new every time.
        fastnn.release_memory()
        made = self._made(case)
        if not isinstance(made, Prepared):
            return {"supported": False, "why": made or ""}
        self._prepared, self._unit = made, case.unit
        answer: dict[str, Any] = {"supported": True, "variants": list(made.variants)}
        if made.chosen is not None:
            answer["chosen"] = made.chosen
        if verify:
            answer["error"] = _verify(case, made)
        return answer

    def time(self, variant: str, seconds: float) -> dict[str, Any]:
        """Time one variant of the prepared case, or tell the memory that it takes."""
        assert self._prepared is not None
        call = self._prepared.variants[variant]
        if self._unit == "bytes":
            return {"times": [growth(call)]}
        return {"times": _time(call, seconds)}

    def peak(self, seconds: float, dtype: str) -> dict[str, Any]:
        """Floating-point operations per second out of registers."""
        return {"flops": machine.peak(dtype, seconds)}

    def machine(self) -> dict[str, Any]:
        """Peaks and bandwidths."""
        return machine.probe()

    def version(self) -> dict[str, Any]:
        """The library's version."""
        return {"version": self._version}

    def serve(self) -> None:
        """Answer until the input ends."""
        for line in sys.stdin:
            request = json.loads(line)
            answer = getattr(self, request.pop("do"))(**request)
            print(json.dumps(answer), flush=True)


def main(arguments: list[str]) -> None:
    """``LIBRARY THREADS [key=value ...]``."""
    library, threads, *rest = arguments
    version = _configure(library, int(threads), dict(item.split("=", 1) for item in rest))
    try:
        _Server(library, version).serve()
    except BrokenPipeError:  # whoever asked has ended
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
