"""Reductions, extremes and order against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn

X = np.random.default_rng(3).standard_normal((2, 3, 4))
TIES = np.array([[1.0, 3.0, 3.0, 2.0], [5.0, 5.0, 5.0, 5.0]])

ALL_DIMS: list[dict[str, Any]] = [
    {},
    {"dim": 0},
    {"dim": -1},
    {"dim": 1, "keepdim": True},
    {"dim": (0, 2)},
    {"dim": (-1, 0), "keepdim": True},
    {"dim": ()},
    {"dim": (0, 0)},
    {"dim": 3},
]
ONE_DIM = [options for options in ALL_DIMS if not isinstance(options.get("dim"), tuple)]


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "amax", "amin", "logsumexp"])
@pytest.mark.parametrize("options", ALL_DIMS, ids=str)
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_over_dims(same: Any, name: str, options: dict[str, Any], kind: str) -> None:
    if options.get("dim", ()) == () and name in ("logsumexp", "var", "std"):
        options = {"dim": (0, 1, 2)}  # PyTorch wants a dim, or has no gradient for none
    same(lambda m, x: getattr(m, name)(x, **options), X.astype(kind))
    same(lambda m, x: getattr(x, name)(**options), X.astype(kind))


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin", "prod"])
@pytest.mark.parametrize("options", ONE_DIM, ids=str)
def test_over_one_dim(same: Any, name: str, options: dict[str, Any]) -> None:
    same(lambda m, x: getattr(m, name)(x, **options), X)
    same(lambda m, x: getattr(m, name)(x, **options), (X * 10).astype(np.int64))


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "amax", "max", "min", "prod"])
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3, 0), (1,), (1, 1)], ids=str)
def test_small_shapes(same: Any, name: str, shape: tuple[int, ...]) -> None:
    x = np.full(shape, 2.5)
    with np.errstate(all="ignore"):
        same(lambda m, x: getattr(m, name)(x), x, names=False)
        if shape and name not in ("var", "std"):
            same(lambda m, x: getattr(m, name)(x, dim=0), x, names=False)
            same(lambda m, x: getattr(m, name)(x, dim=-1, keepdim=True), x, names=False)


CASES: dict[str, Callable[..., Any]] = {
    "sum of a column": lambda m, x: x.sum(1),
    "sum as float64": lambda m, x: x.float().sum(0, dtype=m.float64),
    "mean as float64": lambda m, x: x.float().mean(dtype=m.float64),
    "var unbiased": lambda m, x: x.var(1, unbiased=False),
    "var correction": lambda m, x: x.var(dim=1, correction=0),
    "std of all, biased": lambda m, x: x.std(False),
    "cumsum": lambda m, x: m.cumsum(x, 1),
    "cumsum method": lambda m, x: x.cumsum(dim=-1),
    "norm": lambda m, x: x.norm(),
    "norm 1": lambda m, x: x.norm(1),
    "norm 3 along": lambda m, x: m.norm(x, 3, dim=1),
    "norm 2 keep": lambda m, x: m.norm(x, dim=(0, 1), keepdim=True),
    "norm inf": lambda m, x: x.norm(float("inf")),
    "norm -inf": lambda m, x: x.norm(float("-inf"), dim=0),
    "norm 0": lambda m, x: x.detach().norm(0),
    "norm half": lambda m, x: x.norm(0.5, dim=-1),
    "any": lambda m, x: (x > 1).any(),
    "any along": lambda m, x: m.any(x > 1, dim=0, keepdim=True),
    "all": lambda m, x: m.all(x > -9),
    "all along": lambda m, x: (x > 0).all(1),
    "count_nonzero": lambda m, x: m.count_nonzero(x > 0),
    "sort": lambda m, x: m.sort(x, dim=1),
    "sort down": lambda m, x: x.sort(descending=True, stable=True),
    "argsort": lambda m, x: m.argsort(x, 0),
    "topk": lambda m, x: m.topk(x, 2, dim=1),
    "topk smallest": lambda m, x: x.topk(2, largest=False),
    "topk too many": lambda m, x: x.topk(9),
}


@pytest.mark.parametrize("name", CASES)
def test_cases(same: Any, name: str) -> None:
    same(CASES[name], X, names=name not in ("norm 0", "sort", "sort down", "topk", "topk smallest"))


@pytest.mark.parametrize("name", ["max", "min", "amax", "amin"])
def test_equal_elements_share_the_gradient(same: Any, name: str) -> None:
    same(lambda m, x: getattr(m, name)(x), TIES)
    same(lambda m, x: getattr(m, name)(x, 1), TIES)
    if not name.startswith("a"):  # PyTorch's amax gives NaN to all of them
        same(lambda m, x: getattr(m, name)(x), np.array([1.0, np.nan, np.nan]))


def test_max_of_two_tensors(same: Any) -> None:
    same(lambda m, a, b: m.max(a, b), X, -X)
    same(lambda m, a, b: a.min(b), X, -X)


def test_named_results() -> None:
    found = fastnn.from_numpy(TIES).max(dim=1)
    assert found.values.tolist() == [3.0, 5.0]
    assert found.indices.tolist() == [1, 0]
    assert found._fields == ("values", "indices")


@pytest.mark.parametrize(
    "x",
    [
        [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
        [[1.0, 0.0, 3.0], [4.0, 5.0, 6.0]],
        [[0.0, 0.0, 3.0], [4.0, 0.0, 6.0]],
    ],
    ids=["no zero", "one zero", "two zeros"],
)
def test_product_with_zeros(same: Any, x: Any) -> None:
    same(lambda m, x: m.prod(x), np.array(x))
    same(lambda m, x: m.prod(x, 0), np.array(x))
    same(lambda m, x: m.prod(x, 1, keepdim=True), np.array(x))


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.bool_])
def test_integers(same: Any, kind: Any) -> None:
    x = np.array([[1, 0, 3], [4, 5, 250]]).astype(kind)
    for name in ("sum", "prod", "mean", "std", "norm", "any", "all", "cumsum"):
        args = (0,) if name == "cumsum" else ()
        same(lambda m, x, name=name, args=args: getattr(m, name)(x, *args), x, names=False)


def test_aliases() -> None:
    x = fastnn.from_numpy(X)
    assert fastnn.equal(x.sum(axis=1, keepdims=True), x.sum(dim=1, keepdim=True))
    assert fastnn.equal(x.max(axis=0).values, x.max(dim=0).values)
    assert fastnn.equal(x.mean(axis=(0, 1)), x.mean((0, 1)))
    with pytest.raises(TypeError, match="both dim=1 and axis=0"):
        x.sum(dim=1, axis=0)


def test_nothing_to_choose_from(same: Any) -> None:
    for name in ("argmax", "argmin", "max", "min", "amax", "amin"):
        same(lambda m, x, name=name: getattr(m, name)(x), np.zeros((0, 3)))
        same(lambda m, x, name=name: getattr(m, name)(x, dim=0), np.zeros((0, 3)))
        same(lambda m, x, name=name: getattr(m, name)(x, dim=1), np.zeros((0, 3)))
