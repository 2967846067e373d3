"""What was measured."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from .cases import Case

__all__ = ["OWN", "SELF", "Measurement", "Result", "Run"]

#: Labels of fastnn, and of fastnn once more.
OWN, SELF = "fastnn", "self"


@dataclass
class Measurement:
    """Times of one variant of one library, seconds per call; or its memory, bytes."""

    variant: str
    times: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        """The shortest time."""
        return min(self.times)

    @property
    def median(self) -> float:
        """The median time."""
        return statistics.median(self.times)


@dataclass
class Result:
    """One case.

    Attributes
    ----------
    variants : dict
        Label of a peer to its measurements, one for each variant.
    errors : dict
        Label to the largest relative difference from the reference.
    absent : dict
        Label to the reason why there are no figures; ``""`` if it has no such thing.
    peak : float
        Floating-point operations per second, measured beside the case, for its dtype.
    chosen : str
        The algorithm that is taken, where each was forced.
    repeats : list of dict
        Ratios of each peer in further measurements of the whole case.
    """

    case: Case
    variants: dict[str, list[Measurement]] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    peak: float = 0.0
    chosen: str | None = None
    repeats: list[dict[str, float]] = field(default_factory=list)

    @property
    def measurements(self) -> dict[str, Measurement]:
        """Each peer's fastest variant."""
        return {label: min(each, key=lambda m: m.best) for label, each in self.variants.items()}

    @property
    def peers(self) -> list[str]:
        """Labels of those that fastnn is compared with."""
        return [label for label in self.variants if label not in (OWN, SELF)]

    @property
    def pair(self) -> tuple[float, float] | None:
        """Two times of the same work: fastnn's and its own again, or auto's and its choice's."""
        if SELF in self.variants:
            return self.measurements[OWN].best, self.measurements[SELF].best
        named = {m.variant: m.best for m in self.variants.get(OWN, [])}
        if self.chosen in named and "auto" in named:
            return named["auto"], named[self.chosen]
        return None

    def _first_ratio(self, label: str) -> float:
        return self.measurements[label].best / self.measurements[OWN].best

    def ratios(self) -> dict[str, float]:
        """How many times longer each peer takes than fastnn, by this measurement alone."""
        return {label: self._first_ratio(label) for label in (*self.peers, OWN)}

    def ratio(self, label: str) -> float:
        """How many times longer ``label`` takes than fastnn: the median of all measurements."""
        again = [each[label] for each in self.repeats]
        return statistics.median([self._first_ratio(label), *again])

    @property
    def worst_ratio(self) -> float:
        """Against the fastest peer; infinite without one."""
        return min((self.ratio(label) for label in self.peers), default=float("inf"))


@dataclass
class Run:
    """All cases of a run that have figures, its noise, what it took, and what ended it early."""

    results: list[Result]
    noise: float
    sweeps: int
    seconds: float
    stopped: BaseException | None = None
