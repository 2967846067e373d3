"""A probe of the machine: the multiply-add peak, and the bandwidth of each level of memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..backends import _native

__all__ = ["MOST_MEMORY", "cache_bytes", "describe", "peak", "pipes", "probe"]

#: From the one that writes least.
STREAMS = ("read", "copy", "double", "quadruple", "write")
#: Assumed where the system does not tell.
DEFAULT_CACHES = {"L1": 32 << 10, "L2": 1 << 20, "L3": 8 << 20}
#: Largest buffer for the memory's bandwidth: twice an L3 of a quarter of a gigabyte.
MOST_MEMORY = 512 << 20


def _bytes_of(text: str) -> int:
    factor = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:], 1)
    return int(text.rstrip("KMG")) * factor


def cache_bytes(folder: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> dict[str, int]:
    """Sizes of the data caches by level, as Linux tells them; of others, a common size."""
    sizes = dict(DEFAULT_CACHES)
    for index in sorted(folder.glob("index*")):
        try:
            level, kind, size = (
                (index / name).read_text("ascii").strip() for name in ("level", "type", "size")
            )
            if kind != "Instruction":
                sizes[f"L{level}"] = _bytes_of(size)
        except (OSError, ValueError):
            continue
    return sizes


def pipes(isa: str, cpus: Path = Path("/proc/cpuinfo")) -> float | None:
    """Operations on vectors that a core begins at most for each multiply-add that it could begin.

    AMD's cores have four pipes for vectors, two of which multiply and add; so it is for AVX-512 in
    two halves. Intel's have two that are 512 bits wide, and both multiply and add, and three for
    256 bits. Others are taken for AMD's: a bound must not be too high. None where the instruction
    set has no multiply-add on vectors, whose peak would tell the clock.
    """
    if isa not in ("avx2", "avx512", "neon"):
        return None
    try:
        is_intel = "GenuineIntel" in cpus.read_text("utf-8")
    except OSError:
        is_intel = False
    if not is_intel:
        return 2.0
    return 1.0 if isa == "avx512" else 1.5


def _rate(work: Callable[[], float], seconds: float) -> float:
    """Most work per second that any of several tries reaches."""
    best, end = 0.0, time.perf_counter() + seconds
    while True:
        begin = time.perf_counter()
        done = work()
        now = time.perf_counter()
        best = max(best, done / (now - begin))
        if now >= end:
            return best


def peak(dtype: str, seconds: float) -> float:
    """Floating-point operations per second out of registers, on the instruction set in use."""
    return _rate(lambda: _native.fma_work(2000, dtype == "float64"), seconds)


def _peaks(seconds: float) -> dict[str, dict[str, float]]:
    before = _native.get_isa()
    peaks = {}
    try:
        for isa in _native.isa_available():
            _native.set_isa(isa)
            peaks[isa] = {dtype: peak(dtype, seconds) for dtype in ("float32", "float64")}
    finally:
        _native.set_isa(before)
    return peaks


def _buffer(size: int) -> Any:
    """So many bytes from a whole page on, all touched: no line is straddled, no page fresh."""
    memory = np.empty(size + 4096, np.uint8)
    start = -memory.ctypes.data % 4096
    buffer = memory[start : start + size].view(np.float32)
    buffer.fill(1)
    return buffer


def _bandwidth(level: str, size: int, seconds: float) -> dict[str, Any]:
    buffer = _buffer(size)
    rounds = max(1, (1 << 20) // size)
    rates = {
        stream: _rate(lambda s=stream: _native.stream_work(s, buffer, rounds), seconds)  # type: ignore[misc]
        for stream in STREAMS
    }
    return {"level": level, "buffer": size, **rates}


def probe(seconds: float = 0.03) -> dict[str, Any]:
    """Measure this machine on one thread.

    Parameters
    ----------
    seconds : float
        Time for each of the figures.

    Returns
    -------
    dict
        ``peaks``: floating-point operations per second by instruction set and dtype.
        ``bandwidth``: for L1, L2, L3 and memory the ``cache``'s bytes (None for memory), the
        ``buffer`` that was used, and bytes per second of ``read``, ``copy``, ``double`` and
        ``quadruple`` (each vector is written two or four times) and ``write``, each counted as
        reads plus writes. ``pipes``: as :func:`pipes` tells for the instruction set in use.
    """
    caches = cache_bytes()
    third = min(caches["L3"] // 4, 8 * caches["L2"])
    buffers = {"L1": caches["L1"] // 2, "L2": caches["L2"] // 2, "L3": third}
    buffers["memory"] = min(4 * caches["L3"], MOST_MEMORY)
    bandwidth = [
        {"cache": caches.get(level), **_bandwidth(level, size // 4096 * 4096, seconds)}
        for level, size in buffers.items()
    ]
    found = {"peaks": _peaks(seconds), "bandwidth": bandwidth}
    return {**found, "pipes": pipes(_native.get_isa())}


def describe(machine: dict[str, Any]) -> str:
    """The probe's figures as lines of a report."""
    lines = ["multiply-add peak, GFLOP/s, one thread (float32, float64):"]
    lines += [
        f"  {isa:<8}{rates['float32'] / 1e9:>9.1f}{rates['float64'] / 1e9:>9.1f}"
        for isa, rates in machine["peaks"].items()
    ]
    lines.append(
        "bandwidth, GB/s read plus written, one thread (read, copy, one read for two and for four"
        " writes, write):"
    )
    for level in machine["bandwidth"]:
        rates = "".join(f"{level[stream] / 1e9:>9.1f}" for stream in STREAMS)
        cache = f" of {level['cache'] >> 10} KB" if level["cache"] else ""
        lines.append(f"  {level['level']:<8}{rates}   {level['buffer'] >> 10} KB{cache}")
    return "\n".join(lines)
