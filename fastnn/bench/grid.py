"""The grid of convolutions: a list of cells that covers every combination that matters.

``grid.txt`` beside this file is the list, written by ``python -P -m fastnn.bench.grid``: float32
cells for what nets are mostly made of and for every possible triple of values of different axes,
and float64 cells for every possible pair.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from itertools import combinations, product
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np

from .cases import Case, conv_case

__all__ = ["AXES", "Cell", "cells", "generate", "grid_cases"]

LIST = Path(__file__).with_name("grid.txt")
#: Largest number of cells in the list.
MOST = 400
#: Output channels of the first layers; every other layer has as many as it has inputs.
FIRST_LAYERS = {1: 32, 3: 64}
KERNELS = {"1": (1, 1), "3": (3, 3), "5": (5, 5), "7": (7, 7), "1x7": (1, 7), "7x1": (7, 1)}


class Cell(NamedTuple):
    """One convolution pass; the fields are the axes of the grid, all but ``dtype`` covered."""

    dtype: str
    kernel: str
    stride: int
    padding: str
    dilation: int
    groups: str
    batch: int
    ladder: str
    which: str

    def __str__(self) -> str:
        return " ".join(map(str, self))

    @classmethod
    def parse(cls, text: str) -> Cell:
        """Read what ``str`` wrote.

        Raises
        ------
        ValueError
            If a word is not one of its axis's values.
        """
        words = text.split()
        if len(words) != len(cls._fields):
            raise ValueError(f"a cell has {len(cls._fields)} words, not {len(words)}: {text!r}")
        values = dict(zip(cls._fields, words, strict=True))
        for name, word in values.items():
            if word not in map(str, AXES[name]):
                raise ValueError(f"{word!r} is no {name} of the grid: {text!r}")
        numbers = {name: int(values[name]) for name in ("stride", "dilation", "batch")}
        return cls(**{**values, **numbers})  # type: ignore[arg-type]

    @property
    def shape(self) -> dict[str, int]:
        """The parameters of :func:`.cases.conv_case`."""
        channels, size = map(int, self.ladder.split("@"))
        r, s = KERNELS[self.kernel]
        groups = channels if self.groups == "channels" else int(self.groups)
        outputs = FIRST_LAYERS.get(channels, channels) if self.groups == "1" else channels
        same = self.padding == "same"
        return {
            "n": self.batch,
            "c": channels,
            "size": size,
            "k": outputs,
            "r": r,
            "s": s,
            "stride": self.stride,
            "pad_h": self.dilation * (r // 2) if same else 0,
            "pad_w": self.dilation * (s // 2) if same else 0,
            "dilation": self.dilation,
            "groups": groups,
        }

    @property
    def is_possible(self) -> bool:
        """Whether there is such a convolution, and it is no other cell under a second name."""
        p = self.shape
        if p["c"] % p["groups"]:
            return False
        if self.kernel == "1" and (self.dilation > 1 or self.padding == "same"):
            return False  # neither changes anything
        reach = p["dilation"] * (max(p["r"], p["s"]) - 1) + 1
        return p["size"] + 2 * max(p["pad_h"], p["pad_w"]) >= reach

    @property
    def case(self) -> Case:
        """The workload."""
        return conv_case("grid", str(self), self.which, self.dtype, **self.shape)


#: Axis to values, in the order of the fields of :class:`Cell`.
AXES: dict[str, tuple[str | int, ...]] = {
    "dtype": ("float32", "float64"),
    "kernel": tuple(KERNELS),
    "stride": (1, 2),
    "padding": ("none", "same"),
    "dilation": (1, 2),
    "groups": ("1", "4", "channels"),
    "batch": (1, 16),
    "ladder": ("1@28", "3@224", "16@112", "32@56", "64@56", "128@28", "256@14", "512@7"),
    "which": ("forward", "input", "weight"),
}


def possible(dtype: str) -> list[Cell]:
    """Every cell there can be of one dtype."""
    names = [name for name in AXES if name != "dtype"]
    made = (Cell(dtype, *values) for values in product(*(AXES[name] for name in names)))  # type: ignore[arg-type]
    return [cell for cell in made if cell.is_possible]


def combinations_of(cell: Cell, strength: int) -> Iterator[tuple[tuple[str, str | int], ...]]:
    """The combinations of ``strength`` values of different axes that a cell shows."""
    named = cell._asdict()
    del named["dtype"]
    return combinations(named.items(), strength)


def is_common(cell: Cell) -> bool:
    """What most nets are made of: 1x1, 3x3 and depthwise 3x3, all of which keep (H, W)."""
    form = (cell.kernel, cell.padding, cell.groups)
    forms = (("1", "none", "1"), ("3", "same", "1"), ("3", "same", "channels"))
    return form in forms and cell.stride == cell.dilation == 1


def covering(dtype: str, strength: int, chosen: list[Cell]) -> list[Cell]:
    """``chosen`` and cells with which every possible combination of ``strength`` values is shown.

    Greedy: always the cell that shows the most new combinations, of those the first in an order
    that favours no value.
    """
    candidates = sorted(possible(dtype), key=lambda cell: (crc32(str(cell).encode()), cell))
    number: dict[object, int] = {}
    shown = np.array(
        [
            [number.setdefault(each, len(number)) for each in combinations_of(cell, strength)]
            for cell in candidates
        ]
    )
    missing = np.ones(len(number), bool)
    chosen = list(chosen)
    missing[shown[[candidates.index(cell) for cell in chosen]].ravel()] = False
    while missing.any():
        best = int(missing[shown].sum(1).argmax())
        missing[shown[best]] = False
        chosen.append(candidates[best])
    return sorted(chosen)


def generate() -> list[Cell]:
    """The list: in float32 what is common and every triple of values, in float64 every pair.

    Raises
    ------
    ValueError
        If it has more than ``MOST`` cells.
    """
    common = [cell for cell in possible("float32") if is_common(cell)]
    made = [*covering("float32", 3, common), *covering("float64", 2, [])]
    if len(made) > MOST:
        raise ValueError(f"the grid has {len(made)} cells, more than {MOST}")
    return made


@cache
def cells() -> tuple[Cell, ...]:
    """The committed list."""
    return tuple(map(Cell.parse, LIST.read_text("utf-8").splitlines()))


def grid_cases() -> list[Case]:
    """The list as workloads."""
    return [cell.case for cell in cells()]


if __name__ == "__main__":
    sys.stdout.writelines(f"{cell}\n" for cell in generate())
