"""A line search for the strong Wolfe conditions.

Algorithms 3.5 and 3.6 of Nocedal and Wright, "Numerical Optimization" (2nd edition, 2006), with
cubic interpolation (their equation 3.59).  The safeguards are those of Mark Schmidt's minFunc,
which PyTorch took over too, so that both take the same steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from ..backends import Array

# Sufficient decrease and curvature: the usual constants of quasi-Newton methods.
_C1 = 1e-4
_C2 = 0.9
# A bracket in which no parameter changes more than this is not divided further.
_NARROWEST = 1e-9


class Point(NamedTuple):
    """The objective at distance ``t``: value, gradient, slope along the direction."""

    t: float
    value: float
    gradient: Array
    slope: float


Evaluate = Callable[[float], Point]


def strong_wolfe(
    evaluate: Evaluate,
    start: Point,
    t: float,
    direction_norm: float,
    max_iterations: int,
) -> Point:
    """Search a point that satisfies the strong Wolfe conditions.

    Parameters
    ----------
    evaluate : callable
        Returns the point at a distance.
    start : Point
        The point at distance 0; its slope is negative.
    t : float
        The first distance to try.
    direction_norm : float
        Largest absolute element of the direction.
    max_iterations : int
        Bound on the evaluations after the first one.

    Returns
    -------
    Point
        The best point found.
    """
    bracket, iterations = _bracket(evaluate, start, t, max_iterations)
    low = 0 if bracket[0].value <= bracket[-1].value else 1
    insufficient = False
    done = len(bracket) == 1
    while not done and iterations < max_iterations:
        if abs(bracket[1].t - bracket[0].t) * direction_norm < _NARROWEST:
            break
        t, insufficient = _trial(bracket, insufficient)
        new = evaluate(t)
        iterations += 1
        high = 1 - low
        if _too_high(new, start) or new.value >= bracket[low].value:
            bracket[high] = new
            low = 0 if bracket[0].value <= bracket[1].value else 1
        else:
            done = abs(new.slope) <= -_C2 * start.slope
            if not done and new.slope * (bracket[high].t - bracket[low].t) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = new
    return bracket[low]


def _bracket(
    evaluate: Evaluate, start: Point, t: float, max_iterations: int
) -> tuple[list[Point], int]:
    """Go on until the last two points enclose a solution; one point if it is a solution."""
    previous, new = start, evaluate(t)
    iterations = 0
    while iterations < max_iterations:
        if _too_high(new, start) or (iterations > 1 and new.value >= previous.value):
            return [previous, new], iterations
        if abs(new.slope) <= -_C2 * start.slope:
            return [new], iterations
        if new.slope >= 0:
            return [previous, new], iterations
        t = _minimum_of_cubic(previous, new, new.t + 0.01 * (new.t - previous.t), new.t * 10)
        previous, new = new, evaluate(t)
        iterations += 1
    return [start, new], iterations


def _too_high(point: Point, start: Point) -> bool:
    return point.value > start.value + _C1 * point.t * start.slope


def _trial(bracket: list[Point], insufficient: bool) -> tuple[float, bool]:
    """Where to look next inside the bracket, and whether that hardly shrinks it.

    A point close to an end is accepted once; the next time, or outside, it moves a tenth of
    the bracket inwards.
    """
    left, right = sorted((bracket[0].t, bracket[1].t))
    t = _minimum_of_cubic(bracket[0], bracket[1], left, right)
    margin = 0.1 * (right - left)
    if not min(right - t, t - left) < margin:
        return t, False
    if not insufficient and left < t < right:
        return t, True
    return (right - margin if abs(t - right) < abs(t - left) else left + margin), False


def _minimum_of_cubic(a: Point, b: Point, low: float, high: float) -> float:
    """Minimiser of the cubic through two values and slopes, clipped to [low, high].

    The middle where there is none.
    """
    if a.t > b.t:
        a, b = b, a
    if a.t == b.t:
        return (low + high) / 2
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    # Also False for NaN, from a value that is not finite.
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    numerator, divisor = b.slope + d2 - d1, b.slope - a.slope + 2 * d2
    if divisor == 0:
        # A straight line: go as far as allowed downhill.
        return high if numerator < 0 else low
    t = b.t - (b.t - a.t) * (numerator / divisor)
    return (low + high) / 2 if math.isnan(t) else min(max(t, low), high)
