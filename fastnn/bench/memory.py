"""How much memory a call takes at most, in a process that has only imported its library.

``fastnn bench --cases memory --against torch`` measures training steps of the nets: the greatest
resident set less that at the beginning.  What a library loads with its first operation counts, the
interpreter and what its import takes do not.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import nets
from .cases import Case
from .prepared import Prepared, tensors
from .targets import BEST

__all__ = ["growth", "memory_cases", "training_memory"]

BATCH = 64
#: After the second step the optimiser's state, every gradient and all workspaces are there.
STEPS = 5
STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def memory_cases() -> list[Case]:
    """Training steps of each net; no peer should need less."""
    return [
        Case(
            family="memory",
            name=f"{net}, batch {BATCH}, {STEPS} steps",
            kind="memory",
            params={"net": net, "batch": BATCH},
            unit="bytes",
            asked={BEST: 1.0},
        )
        for net in nets.NETS
    ]


def _status(field: str) -> float:
    """Bytes that Linux tells of this process."""
    lines = dict(line.split(":", 1) for line in STATUS.read_text("ascii").splitlines())
    return 1024.0 * int(lines[field].split()[0])


def growth(call: Callable[[], Any]) -> float:
    """Bytes by which the greatest resident set during the call exceeds that before it.

    Raises
    ------
    OSError
        If the system does not tell: it needs Linux.
    """
    gc.collect()
    CLEAR.write_text("5")  # the greatest resident set is the present one
    before = _status("VmRSS")
    call()
    return _status("VmHWM") - before


def training_memory(torch: Any, p: dict[str, Any], **adam: Any) -> Prepared:
    """Build a net, and train it eagerly with Adam, in the default layout."""

    def train() -> None:
        x, y = tensors(torch, *nets.inputs(p["net"], p["batch"]))
        step = nets.training_step(torch, nets.build(p["net"], torch.nn), x, y, **adam)
        for _ in range(STEPS):
            step()

    return Prepared({"": train}, list)
