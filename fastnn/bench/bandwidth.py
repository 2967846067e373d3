"""What bandwidth should bound: the kernels alone, out of L2 and out of L3, beside their limits.

``fastnn bench --cases bandwidth --against none`` calls the backend's functions, so that neither
autograd nor the module above them counts.  The limit is the bandwidth of the level that holds
operands and results, or what the kernel's own operations take.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from .cases import Case
from .machine import cache_bytes

__all__ = ["KERNELS", "Kernel", "bandwidth_cases", "sizes"]


class Kernel(NamedTuple):
    """One kernel over rows or planes of one shape.

    Attributes
    ----------
    shape : tuple of int
        Of one row, or of one plane.
    reads, writes : float
        Floats for each element.
    cycles : float
        What AVX-512's operations take at least for 16 elements, as pooling.md,
        softmax_and_loss.md and optimisers.md in csrc/notes count them; 0 where they do not.
    """

    shape: tuple[int, ...]
    reads: float
    writes: float
    cycles: float = 0.0


#: Windows of 3x3 for each element of a plane of 56x56.
_MAP = 27 * 27 / (56 * 56)
#: Floats' worth of bits that tell their largest taps, likewise: six words for 16 windows.
_BITS = 28 * 2 * 6 * 2 / 4 / (56 * 56)

KERNELS: dict[str, Kernel] = {
    "ReLU": Kernel((1024,), 1, 1),
    "ReLU, gradient": Kernel((1024,), 2, 1),
    "bias gradient of rows": Kernel((256,), 1, 0),
    "bias gradient of planes": Kernel((32, 32), 1, 0),
    "max pool 2x2/2": Kernel((32, 32), 1, 0.5, 8.5 / 4),
    "max pool 2x2/2, gradient": Kernel((32, 32), 0.5, 1, 9 / 4),
    "max pool 3x3/2": Kernel((56, 56), 1, _MAP + _BITS, 12 * _MAP),
    "max pool 3x3/2, gradient": Kernel((56, 56), _MAP + _BITS, 1, 13 * _MAP),
    "mean pool 2x2/2": Kernel((32, 32), 1, 0.25, 4.5 / 4),
    "mean pool 2x2/2, gradient": Kernel((32, 32), 0.25, 1),
    "mean pool 3x3/2": Kernel((56, 56), 1, _MAP, 8.3 * _MAP),
    "mean pool 3x3/2, gradient": Kernel((56, 56), _MAP, 1),
    "softmax of 1000": Kernel((1000,), 1, 1, 6),
    "softmax of 1000, gradient": Kernel((1000,), 2, 1),
    "cross-entropy of 64": Kernel((64,), 1, 0, 5.6),
    "cross-entropy of 64, gradient": Kernel((64,), 1, 1, 5),
    "cross-entropy of 1000": Kernel((1000,), 1, 0, 5),
    "cross-entropy of 1000, gradient": Kernel((1000,), 1, 1, 5),
    "SGD": Kernel((1024,), 2, 1),
    "SGD momentum": Kernel((1024,), 3, 2),
    "Adam": Kernel((1024,), 4, 3, 24.1),
}

#: Most bytes of operands and results together: far beyond an L2.
MOST = 1 << 25


def sizes(caches: dict[str, int]) -> list[tuple[str, int]]:
    """Half of the L2, and up to :data:`MOST` a quarter of the L3, with their names.

    Others use an L3, too.
    """
    found = (caches["L2"] // 2, min(MOST, caches["L3"] // 4))
    return [(f"{n >> 20} MB" if n >= 1 << 20 else f"{n >> 10} KB", n) for n in found]


def bandwidth_cases() -> list[Case]:
    """Every kernel in every size."""
    cases = []
    for name, kernel in KERNELS.items():
        for label, total in sizes(cache_bytes()):
            rows = int(total / 4 / (kernel.reads + kernel.writes) / prod(kernel.shape))
            count = rows * prod(kernel.shape)
            cases.append(
                Case(
                    family="bandwidth",
                    name=f"{name}, {label}",
                    kind="kernel",
                    params={"op": name, "rows": rows},
                    reads=4 * kernel.reads * count,
                    writes=4 * kernel.writes * count,
                    operations=2 * kernel.cycles * count / 16,
                )
            )
    return cases
