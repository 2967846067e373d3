"""The native backend: loads the compiled part and sets its process-wide defaults.

``FASTNN_ISA`` forces an instruction set. ``FASTNN_NUM_THREADS``, else ``OMP_NUM_THREADS``,
sets the number of threads; the default is the smallest of the affinity mask, the physical
cores in it and the cgroup quota (rounded down).
"""

from __future__ import annotations

import os
from pathlib import Path

from .interface import Backend

try:
    from . import _native
except ImportError as error:
    if any(Path(__file__).parent.glob("_native.*.so")):
        raise  # it is there, but does not load: the linker's message says why
    _folder = Path(__file__).resolve().parents[2]
    raise ImportError(
        f"fastnn's compiled part is missing: Python imported the bare source folder {_folder}. "
        "Run `python -P -m fastnn` (or your script from another folder) to use the installed "
        "package, or build in place with `pip install -e .`"
    ) from error

__all__ = [
    "backend",
    "empty_array",
    "is_alike",
    "is_batch_product",
    "is_classification",
    "is_conv2d",
    "is_dot",
    "is_linear",
    "is_matvec",
    "is_pair",
    "is_product",
    "thread_reason",
]

#: The compiled module itself has the interface's functions.
backend: Backend = _native

# Questions about arrays, whatever the backend.
is_product = _native.is_product
is_batch_product = _native.is_batch_product
is_matvec = _native.is_matvec
is_dot = _native.is_dot
is_linear = _native.is_linear
is_conv2d = _native.is_conv2d
is_pair = _native.is_pair
is_classification = _native.is_classification
is_alike = _native.is_alike

empty_array = _native.empty_array


def _threads_from_environment() -> tuple[int, str] | None:
    for variable in ("FASTNN_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(variable, "").strip()
        if not text:
            continue
        # OpenMP allows a list, one entry per nesting level; the first is ours
        first = text.split(",")[0].strip()
        if first.isdecimal() and int(first) > 0:
            return int(first), variable
        if variable == "FASTNN_NUM_THREADS":
            raise ImportError(f"FASTNN_NUM_THREADS must be a positive integer, got {text!r}")
    return None


def _default_threads() -> tuple[int, str]:
    affinity, cores, quota = _native.cpu_limits()
    choices = [(affinity, "affinity mask"), (cores, "physical cores")]
    if quota:
        choices.append((quota, "cgroup quota"))
    return min(choices, key=lambda choice: choice[0])


def _configure() -> str:
    isa = os.environ.get("FASTNN_ISA", "").strip()
    if isa:
        try:
            _native.set_isa(isa)
        except ValueError as error:
            raise ImportError(f"FASTNN_ISA={isa}: {error}") from None
    threads, reason = _threads_from_environment() or _default_threads()
    _native.set_num_threads(threads)
    return reason


#: Why the number of threads at start-up is what it is.
thread_reason: str = _configure()
