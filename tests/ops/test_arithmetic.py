"""Arithmetic, promotion and comparison against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn

RNG = np.random.default_rng(1)


def f32(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


def f64(*shape: int) -> Any:
    return RNG.standard_normal(shape)


OPERATORS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "add": lambda m, a, b: a + b,
    "sub": lambda m, a, b: a - b,
    "mul": lambda m, a, b: a * b,
    "div": lambda m, a, b: a / b,
    "mod": lambda m, a, b: a % b,
    "floordiv": lambda m, a, b: a // b,
    "pow": lambda m, a, b: abs(a) ** b,
    "eq": lambda m, a, b: a == b,
    "ne": lambda m, a, b: a != b,
    "lt": lambda m, a, b: a < b,
    "le": lambda m, a, b: a <= b,
    "gt": lambda m, a, b: a > b,
    "ge": lambda m, a, b: a >= b,
    "named add": lambda m, a, b: m.add(a, b, alpha=2),
    "named sub": lambda m, a, b: a.sub(b, alpha=3),
    "named mul": lambda m, a, b: m.mul(a, b),
    "trunc": lambda m, a, b: m.div(a, b, rounding_mode="trunc"),
    "remainder": lambda m, a, b: m.remainder(a, b),
    "fmod": lambda m, a, b: m.fmod(a, b),
    "fmod number": lambda m, a, b: m.fmod(a, 0.7) + m.fmod(b * 1e9, 3),
    "in place": lambda m, a, b: a.detach().clone().add_(b),
    "where": lambda m, a, b: m.where(m.tensor(True), a, b),
}

#: Everything that can stand on either side.
OPERANDS: dict[str, Any] = {
    "f32": f32(2, 3),
    "f32 row": f32(3),
    "f32 scalar": f32(),
    "f64": f64(2, 3),
    "f64 scalar": f64(),
    "int64": np.array([[1, -2, 3], [4, 5, -6]]),
    "int32": np.array([[1, 2, 3], [4, 5, 6]], np.int32),
    "int8 row": np.array([1, 2, -3], np.int8),
    "uint8": np.array([[1, 2, 3], [4, 5, 6]], np.uint8),
    "int64 scalar": np.array(3),
    "bool": np.array([[True, True, True], [True, True, True]]),
    "3": 3,
    "-2": -2,
    "1.5": 1.5,
    "True": True,
}


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("left", OPERANDS)
def test_operands(same: Any, operator: str, left: str) -> None:
    for right, value in OPERANDS.items():
        first = OPERANDS[left]
        if not isinstance(first, np.ndarray) and not isinstance(value, np.ndarray):
            continue
        if not isinstance(first, np.ndarray) and ("named" in operator or "in place" in operator):
            continue
        if operator == "pow" and "f" not in (left + right)[:1]:
            continue
        same(OPERATORS[operator], first, value, names=operator in ("add", "mul"))


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow"])
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((2, 3), (2, 3)),
        ((2, 3), (3,)),
        ((2, 3), (2, 1)),
        ((1, 3), (2, 1)),
        ((), (2, 3)),
        ((), ()),
        ((1,), ()),
        ((4, 1, 3), (2, 1)),
        ((0, 3), (3,)),
        ((0, 3), (1, 3)),
        ((2, 3), (2, 4)),
        ((2, 3), (3, 3)),
    ],
)
def test_broadcasting(same: Any, name: str, a: Any, b: Any) -> None:
    x, y = np.abs(f64(*a)) + 0.5, f64(*b)
    same(lambda m, x, y: getattr(m, name)(x, y), np.asarray(x), np.asarray(y))


NUMBERS: dict[str, Callable[..., Any]] = {
    "x + 2": lambda m, x: x + 2,
    "2 + x": lambda m, x: 2 + x,
    "x - 2": lambda m, x: x - 2,
    "2 - x": lambda m, x: 2 - x,
    "x * 2.5": lambda m, x: x * 2.5,
    "x / 3": lambda m, x: x / 3,
    "x ** 2": lambda m, x: x**2,
    "x ** 3": lambda m, x: x**3,
    "x ** 0": lambda m, x: x**0,
    "x ** -1": lambda m, x: x**-1,
    "x ** 0.5": lambda m, x: x**0.5,
    "2 ** x": lambda m, x: 2**x,
    "x % 2": lambda m, x: x % 2,
    "-x": lambda m, x: -x,
    "abs(x)": lambda m, x: abs(x),
    "x * 1e300": lambda m, x: x * 1e300,
    "x * nan": lambda m, x: x * float("nan"),
    "x / 0": lambda m, x: x / 0,
    "x * numpy": lambda m, x: x * np.float64(2),
    "numpy * x": lambda m, x: np.float64(2) * x,
}


@pytest.mark.parametrize("text", NUMBERS)
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_numbers(same: Any, text: str, kind: str) -> None:
    same(NUMBERS[text], np.abs(f64(3, 2)).astype(kind) + np.asarray(0.1, kind))
    same(NUMBERS[text], np.array(1.7, kind))


def test_number_divided_by_a_tensor(same: Any) -> None:
    same(lambda m, x: 2 / x, f64(3), names=False)


FAILURES: dict[str, Callable[[Any], Any]] = {
    "bool minus bool": lambda m: m.tensor([True]) - m.tensor([True]),
    "minus bool": lambda m: -m.tensor([True]),
    "division by zero": lambda m: m.tensor([1]) // m.tensor([0]),
    "remainder by zero": lambda m: m.tensor([1]) % 0,
    "fmod of integers": lambda m: m.fmod(m.tensor([7, -7]), 3),
    "fmod by zero": lambda m: m.fmod(m.tensor([1]), 0),
    "fmod of large quotients": lambda m: m.fmod(m.tensor([1e7, 7.0, 3e38]), m.tensor(0.1)),
    "fmod by infinity": lambda m: m.fmod(m.tensor([7.0]), float("inf")),
    "negative power": lambda m: m.tensor([1, 2]) ** -1,
    "rounding mode": lambda m: m.div(m.ones(2), 2, rounding_mode="up"),
    "alpha": lambda m: m.add(m.tensor([1]), 1, alpha=1.5),
    "a string": lambda m: m.ones(2) + "a",
    "None": lambda m: m.ones(2) * None,
    "a list": lambda m: m.ones(2) - [1, 2],
    "named": lambda m: m.mul(m.ones(2), "a"),
    "shapes": lambda m: m.ones(2, 3) + m.ones(2),
    "compare shapes": lambda m: m.ones(3) < m.ones(2),
    "compare None": lambda m: m.ones(3) < None,
    "bits of floats": lambda m: m.ones(2) & m.ones(2),
    "not of floats": lambda m: ~m.ones(2),
    "abs of bool": lambda m: m.tensor([True]).abs(),
    "two truths": lambda m: bool(m.ones(2)),
    "no truth": lambda m: bool(m.ones(0)),
    "float of two": lambda m: float(m.ones(2)),
    "item of two": lambda m: m.ones(2).item(),
    "index of a float": lambda m: m.tensor(1.5).__index__(),
    "len of a scalar": lambda m: len(m.tensor(1)),
    "iteration over a scalar": lambda m: list(m.tensor(1)),
    "contains": lambda m: "a" in m.ones(2),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures(same: Any, name: str) -> None:
    same(FAILURES[name])


LOGIC: dict[str, Callable[..., Any]] = {
    "and": lambda m, a, b: a & b,
    "or": lambda m, a, b: a | b,
    "xor": lambda m, a, b: a ^ b,
    "invert": lambda m, a, b: ~a,
    "logical_and": lambda m, a, b: m.logical_and(a, b),
    "logical_or": lambda m, a, b: m.logical_or(a, b),
    "logical_xor": lambda m, a, b: m.logical_xor(a, b),
    "logical_not": lambda m, a, b: m.logical_not(a),
    "equal": lambda m, a, b: m.equal(a, a),
    "eq none": lambda m, a, b: a == None,  # noqa: E711
    "eq text": lambda m, a, b: a != "x",
}


@pytest.mark.parametrize("name", LOGIC)
@pytest.mark.parametrize("kind", [bool, np.int64, np.uint8])
def test_logic(same: Any, name: str, kind: Any) -> None:
    same(LOGIC[name], np.array([0, 1, 1, 0], kind), np.array([0, 0, 1, 1], kind))


def test_kinds_of_numbers(same: Any) -> None:
    x = np.array([1.0, np.nan, np.inf, -np.inf, 0.0])
    for name in ("isnan", "isinf", "isfinite", "logical_not"):
        same(lambda m, x, name=name: getattr(m, name)(x), x)
    same(lambda m, x: m.allclose(x, x, equal_nan=True), x)
    same(lambda m, x: m.allclose(x, x), x)
    same(lambda m, x: m.isclose(x, x + 1e-9), x)
    same(lambda m, x: m.allclose(x, x.float()), x)


def test_an_array_on_either_side() -> None:
    t, array = fastnn.ones(3), np.full(3, 2.0)
    for result in (t + array, array + t, t * array, array * t, array - t, array / t):
        assert isinstance(result, fastnn.Tensor)
        assert result.dtype is fastnn.float64
    assert (array - t).tolist() == [1.0, 1.0, 1.0]
    assert (t @ array.astype(np.float32)).item() == 6
