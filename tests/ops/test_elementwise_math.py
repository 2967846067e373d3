"""Elementwise mathematics, choices and activations against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

UNARY = [
    *("exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "rsqrt", "abs", "sign", "sin"),
    *("cos", "tan", "square", "reciprocal", "floor", "ceil", "round", "trunc", "sigmoid", "tanh"),
    *("relu", "neg"),
]


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "bool"])
def test_unary(same: Any, name: str, kind: str) -> None:
    x = np.array([[0.3, 1.7, 2.5], [4.1, 0.5, 1.0]]).astype(kind)
    if name == "relu" and kind == "bool":
        pytest.skip("PyTorch refuses the maximum of bools")
    same(lambda m, x: getattr(m, name)(x), x, names=name != "square")
    same(lambda m, x: getattr(x, name)(), x, names=name != "square")
    same(lambda m, x: getattr(m, name)(x), np.asarray(x[0, 1]), names=name != "square")


@pytest.mark.parametrize("name", UNARY)
def test_special_values(same: Any, name: str) -> None:
    x = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan])
    same(lambda m, x: getattr(m, name)(x), x, names=name != "square")


@pytest.mark.parametrize("bounds", [(0.2, None), (None, 0.3), (-0.5, 0.5), (0.5, -0.5), (0, 1)])
@pytest.mark.parametrize("kind", ["float64", "int64"])
def test_clamp(same: Any, bounds: Any, kind: str) -> None:
    x = np.array([-3.0, -0.5, 0.0, 0.2, 0.5, 1.0, 4.0]).astype(kind)
    same(lambda m, x: m.clamp(x, *bounds), x)
    same(lambda m, x: x.clamp(min=bounds[0], max=bounds[1]), x)
    same(lambda m, x: x.clamp(*bounds), np.asarray(x[3]))


def test_clamp_by_tensors(same: Any) -> None:
    x = np.array([[-3.0, 0.0, 1.0], [4.0, np.nan, 2.0]])
    low, high = np.array([-1.0, 0.0, 3.0]), np.array([[1.0], [2.0]])
    same(lambda m, x, low: m.clamp(x, low), x, low)
    same(lambda m, x, high: m.clamp(x, max=high), x, high)
    same(lambda m, x, low, high: m.clamp(x, low, high), x, low, high)
    same(lambda m, x: m.clamp(x), x)


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_maximum(same: Any, name: str) -> None:
    a = np.array([1.0, 2.0, 3.0, np.nan, 0.0])
    b = np.array([2.0, 2.0, 1.0, 0.0, np.nan])
    same(lambda m, a, b: getattr(m, name)(a, b), a, b)
    same(lambda m, a, b: getattr(m, name)(a, b), a[:2], b[:1])
    same(lambda m, a, b: getattr(m, name)(a, b), np.array([1, 5]), np.array([2.5]))
    same(lambda m, a: getattr(m, name)(a, 2), a)


def test_where(same: Any) -> None:
    mask = np.array([[True], [False]])
    a, b = np.arange(6.0).reshape(2, 3), np.arange(3.0) - 9
    same(lambda m, k, a, b: m.where(k, a, b), mask, a, b)
    same(lambda m, k, a: m.where(k, a, 2), mask, a)
    same(lambda m, k, a: m.where(k, 2.5, a), mask, a)
    same(lambda m, k: m.where(k, 1, 2.5), mask)
    same(lambda m, k: m.where(k, 1, 2), mask)
    same(lambda m, k, a, b: a.where(k, b), mask, a, b)
    same(lambda m, k: m.where(k), mask)
    same(lambda m, a: m.where(a, 1, 2), np.array([1, 0]))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax(same: Any, name: str) -> None:
    x = np.random.default_rng(2).standard_normal((2, 3, 4))
    for dim in (0, 1, -1):
        same(lambda m, x, dim=dim: getattr(m, name)(x, dim), x)
    same(lambda m, x: getattr(x, name)(dim=1), x)
    same(lambda m, x: getattr(m, name)(x, 3), x)
    same(lambda m, x: getattr(m, name)(x, 0), x[0, 0, 0])
    same(lambda m, x: getattr(m, name)(x, 0), np.arange(3), names=False)


def test_rounding_to_digits(same: Any) -> None:
    same(lambda m, x: m.round(x, decimals=2), np.array([1.234567, -2.5]), names=False)
