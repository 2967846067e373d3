"""Which workloads a command line asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from .bandwidth import bandwidth_cases
from .cases import FAMILIES, Case
from .grid import grid_cases
from .memory import memory_cases
from .targets import targets, targets_avx2, targets_threads

__all__ = ["NAMES", "select", "shard"]

_SOURCES: dict[str, Callable[[], list[Case]]] = {
    **{name: (lambda cases=cases: cases) for name, cases in FAMILIES.items()},  # type: ignore[misc]
    "bandwidth": bandwidth_cases,
    "grid": grid_cases,
    "memory": memory_cases,
    "targets": targets,
    "targets_avx2": targets_avx2,
    "targets_threads": targets_threads,
}
NAMES = tuple(_SOURCES)


#: The parts of a selection: each begins with a family, up to a colon or a blank.
_PART = re.compile(r"\s*(\w+)\s*(?:[:\s]\s*(.*?))?\s*", re.DOTALL)


def _filters(text: str) -> Iterator[tuple[str, str]]:
    """Families and what their cases' names should have in them.

    Names have commas: what follows one belongs to the text before, unless it is another family.
    """
    family, kept = "", ""
    for part in text.split(","):
        found = _PART.fullmatch(part)
        if kept and not (found and found[1] in _SOURCES):
            kept = f"{kept},{part.rstrip()}"
            continue
        if family:
            yield family, kept
        family, kept = (found[1], found[2] or "") if found else (part.strip(), "")
        if family not in _SOURCES:
            raise ValueError(f"unknown cases {family!r}; choose from {', '.join(NAMES)}")
    yield family, kept


def select(text: str) -> list[Case]:
    """Cases of the named families, each once, in the order in which they are named.

    Parameters
    ----------
    text : str
        Separated by commas: ``family``, or ``family:text`` or ``family text`` to keep the cases
        with that text in their names.

    Raises
    ------
    ValueError
        If there is no such family, or nothing is left.
    """
    chosen = {
        (case.family, case.name): case
        for family, kept in _filters(text)
        for case in _SOURCES[family]()
        if kept in case.name
    }
    if not chosen:
        raise ValueError(f"no case matches {text!r}")
    return list(chosen.values())


def shard(cases: list[Case], text: str) -> list[Case]:
    """Part ``i`` of ``n``, from 1: ``"2/4"`` takes every fourth case, from the second.

    Raises
    ------
    ValueError
        If the text is not ``i/n`` with 1 <= i <= n, or there is nothing in the part.
    """
    first, _, count = text.partition("/")
    if not (first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count)):
        raise ValueError(f"expected a shard i/n with 1 <= i <= n, but got {text!r}")
    part = cases[int(first) - 1 :: int(count)]
    if not part:
        raise ValueError(f"shard {text} of {len(cases)} cases is empty")
    return part
