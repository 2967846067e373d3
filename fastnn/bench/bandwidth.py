"""What bandwidth should bound: the kernels alone, out of each level, beside their limits.

``fastnn bench --cases bandwidth --against none`` calls the backend's functions, so that neither
autograd nor the module above them counts; the call does, most of all out of L1.  The limit is
the bandwidth of the level that holds operands and results, or what the kernel's own operations take
if every pipe of the core has one to do in every cycle.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from .cases import Case
from .machine import MOST_MEMORY, cache_bytes

__all__ = ["KERNELS", "Kernel", "bandwidth_cases", "sizes"]


class Kernel(NamedTuple):
    """One kernel over rows or planes of one shape.

    Attributes
    ----------
    shape : tuple of int
        Of one row, or of one plane.
    reads, writes : float
        Floats for each element.
    operations : float
        Of AVX-512 for 16 elements at least, as pooling.md and softmax_and_loss.md in csrc/notes
        count them; 0 where they do not. That some processors have a single pipe for shuffles, or
        what their dividers take, is left out: the limit holds for all.
    in_place : bool
        Whether all that is written was read.
    """

    shape: tuple[int, ...]
    reads: float
    writes: float
    operations: float = 0.0
    in_place: bool = False


#: Windows of 3x3 for each element of a plane of 56x56.
_MAP = 27 * 27 / (56 * 56)
#: Floats' worth of bits that tell their largest taps, likewise: six words for 16 windows.
_BITS = 28 * 2 * 6 * 2 / 4 / (56 * 56)

KERNELS: dict[str, Kernel] = {
    "ReLU": Kernel((1024,), 1, 1),
    "ReLU, gradient": Kernel((1024,), 2, 1),
    "bias gradient of rows": Kernel((256,), 1, 0),
    "bias gradient of planes": Kernel((32, 32), 1, 0),
    "max pool 2x2/2": Kernel((32, 32), 1, 0.5, 17 / 4),
    "max pool 2x2/2, gradient": Kernel((32, 32), 0.5, 1, 18 / 4),
    "max pool 3x3/2": Kernel((56, 56), 1, _MAP + _BITS, 22 * _MAP),
    "max pool 3x3/2, gradient": Kernel((56, 56), _MAP + _BITS, 1, 19.5 * _MAP),
    "mean pool 2x2/2": Kernel((32, 32), 1, 0.25, 9 / 4),
    "mean pool 2x2/2, gradient": Kernel((32, 32), 0.25, 1),
    "mean pool 3x3/2": Kernel((56, 56), 1, _MAP, 14 * _MAP),
    "mean pool 3x3/2, gradient": Kernel((56, 56), _MAP, 1),
    "softmax of 1000": Kernel((1000,), 1, 1, 12),
    "softmax of 1000, gradient": Kernel((1000,), 2, 1),
    "cross-entropy of 64": Kernel((64,), 1, 0, 45 / 4),
    "cross-entropy of 64, gradient": Kernel((64,), 1, 1, 10),
    "cross-entropy of 1000": Kernel((1000,), 1, 0, 10),
    "cross-entropy of 1000, gradient": Kernel((1000,), 1, 1, 10),
    "SGD": Kernel((128,), 2, 1, in_place=True),
    "SGD momentum": Kernel((128,), 3, 2, in_place=True),
    "Adam": Kernel((128,), 4, 3, 10, in_place=True),
}

#: Most bytes of operands and results together in L3: far beyond an L2.
MOST = 1 << 25


def sizes(caches: dict[str, int]) -> list[tuple[str, int]]:
    """Half of L1 and of L2, up to :data:`MOST` a quarter of L3, and beyond it, with their names.

    Others use an L3, too.
    """
    found = [caches["L1"] // 2, caches["L2"] // 2, min(MOST, caches["L3"] // 4)]
    found.append(min(MOST_MEMORY, 4 * caches["L3"]))
    return [(f"{n >> 20} MB" if n >= 1 << 20 else f"{n >> 10} KB", n) for n in found]


def bandwidth_cases() -> list[Case]:
    """Every kernel in every size."""
    cases = []
    for name, kernel in KERNELS.items():
        for label, total in sizes(cache_bytes()):
            rows = int(total / 4 / (kernel.reads + kernel.writes) / prod(kernel.shape))
            rows -= rows % 4 if rows > 4 else 0  # planes come in images of four
            count = rows * prod(kernel.shape)
            cases.append(
                Case(
                    family="bandwidth",
                    name=f"{name}, {label}",
                    kind="kernel",
                    params={"op": name, "rows": rows},
                    reads=4 * kernel.reads * count,
                    writes=4 * kernel.writes * count,
                    in_place=kernel.in_place,
                    operations=kernel.operations * count / 16,
                )
            )
    return cases
