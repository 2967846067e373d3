"""Which workloads a command line asks for."""

from __future__ import annotations

from collections.abc import Callable

from .bandwidth import bandwidth_cases
from .cases import FAMILIES, Case
from .grid import grid_cases
from .targets import targets, targets_avx2, targets_threads

__all__ = ["NAMES", "select", "shard"]

_SOURCES: dict[str, Callable[[], list[Case]]] = {
    **{name: (lambda cases=cases: cases) for name, cases in FAMILIES.items()},  # type: ignore[misc]
    "bandwidth": bandwidth_cases,
    "grid": grid_cases,
    "targets": targets,
    "targets_avx2": targets_avx2,
    "targets_threads": targets_threads,
}
NAMES = tuple(_SOURCES)


def select(names: list[str]) -> list[Case]:
    """Cases of the named families; a name may be ``family:text`` to keep names with that text.

    Raises
    ------
    ValueError
        If there is no such family, or nothing is left.
    """
    chosen: list[Case] = []
    for name in names:
        family, _, text = name.partition(":")
        if family not in _SOURCES:
            raise ValueError(f"unknown cases {family!r}; choose from {', '.join(NAMES)}")
        chosen += [case for case in _SOURCES[family]() if text in case.name]
    if not chosen:
        raise ValueError(f"no case matches {', '.join(names)}")
    return chosen


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
