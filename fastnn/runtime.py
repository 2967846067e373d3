"""Process-wide choices: instruction set, threads, memory; and a report of them."""

from __future__ import annotations

import platform
import sys
from functools import cache
from typing import Any

import numpy as np

from .backends import _native, native

__all__ = [
    "get_isa",
    "get_num_threads",
    "info",
    "isa_available",
    "isa_compiled",
    "release_memory",
    "set_isa",
    "set_num_threads",
    "threads",
    "version",
]

isa_compiled = _native.isa_compiled
isa_available = _native.isa_available
get_isa = _native.get_isa
set_isa = _native.set_isa
get_num_threads = _native.get_num_threads
set_num_threads = _native.set_num_threads
release_memory = _native.release_memory


@cache
def version() -> str:
    """Version of the installed package: ``fastnn.__version__``."""
    from importlib import metadata  # takes as long to import as all of fastnn

    try:
        return metadata.version("fastnn-cpu")
    except metadata.PackageNotFoundError:  # a source tree on the path, never installed
        return "0+unknown"


class threads:  # noqa: N801 - used like a function
    """Let kernels use up to ``n`` threads inside a ``with`` block, in the whole process.

    Raises
    ------
    RuntimeError
        If ``n`` is not positive.
    """

    def __init__(self, n: int) -> None:
        self._before = get_num_threads()
        set_num_threads(n)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        set_num_threads(self._before)


def info() -> dict[str, Any]:
    """Facts for a bug report: versions, instruction sets, threads and why that number."""
    affinity, cores, quota = _native.cpu_limits()
    return {
        "fastnn": version(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": f"{sys.platform} {platform.machine()}",
        "compiler": _native.compiler(),
        "isa": get_isa(),
        "isa available": isa_available(),
        "isa compiled": isa_compiled(),
        "threads": get_num_threads(),
        "threads at start": native.thread_reason,
        "affinity": affinity,
        "physical cores": cores,
        "cgroup quota": quota or None,
    }
