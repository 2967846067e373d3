"""How far two measurements of the same thing lie apart, and when to stop measuring."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

__all__ = ["Budget", "noise", "percentile"]


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed; 0 of none."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def noise(pairs: Iterable[tuple[float, float]]) -> float:
    """95th percentile of ``|ln(a / b)|`` over pairs of times of the same case."""
    return percentile((abs(math.log(a / b)) for a, b in pairs), 0.95)


class Budget:
    """Decides whether another sweep over all cases is worth it and fits.

    Parameters
    ----------
    limit : float
        Noise that is low enough.
    seconds : float
        Time for all sweeps, from now on.
    clock : callable
        Seconds.
    """

    def __init__(self, limit: float, seconds: float, clock: Callable[[], float]) -> None:
        self._limit, self._clock = limit, clock
        self._begin = self._last = clock()
        self._end = self._begin + seconds

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._begin

    def fits(self, seconds: float) -> bool:
        """Whether so much time is left."""
        return self._clock() + seconds <= self._end

    def wants_more(self, noise: float) -> bool:
        """After a sweep: the noise is too high, and a sweep as long as that one still fits."""
        now = self._clock()
        duration, self._last = now - self._last, now
        return noise > self._limit and now + duration <= self._end
