"""Linear and its functional form against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

LEADING = [(), (1,), (7,), (0,), (3, 5), (2, 1, 4), (2, 0, 4), (0, 0)]


def normal(rng: Any, dtype: Any, *shape: int) -> Any:
    return np.asarray(rng.standard_normal(shape), dtype)


@pytest.mark.parametrize("leading", LEADING, ids=str)
@pytest.mark.parametrize("with_bias", [True, False])
def test_any_leading_dimensions(both: Any, dtype: Any, leading: Any, with_bias: bool) -> None:
    rng = np.random.default_rng(1)
    arrays = [normal(rng, dtype, *leading, 6), normal(rng, dtype, 3, 6)]
    if with_bias:
        arrays.append(normal(rng, dtype, 3))
    both.same(lambda lib, *t: lib.F.linear(*t), *arrays)


@pytest.mark.parametrize("seed", range(12))
def test_random_shapes(both: Any, dtype: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    leading = rng.integers(0, 5, rng.integers(0, 4))
    inside, outside = rng.integers(1, 40, 2)
    arrays = [normal(rng, dtype, *leading, inside), normal(rng, dtype, outside, inside)]
    if seed % 2:
        arrays.append(normal(rng, dtype, outside))
    both.same(lambda lib, *t: lib.F.linear(*t), *arrays)


@pytest.mark.parametrize("fixed", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)], ids=str)
def test_only_gradients_that_are_needed(both: Any, fixed: Any) -> None:
    rng = np.random.default_rng(2)
    arrays = [normal(rng, np.float64, *s) for s in ((4, 6), (3, 6), (3,))]
    both.same(lambda lib, *t: lib.F.linear(*t), *arrays, fixed=fixed)


def test_zero_features(both: Any) -> None:
    arrays = [np.zeros((4, 0)), np.zeros((3, 0)), np.ones(3)]
    both.same(lambda lib, *t: lib.F.linear(*t), *arrays)


def test_integers(both: Any) -> None:
    arrays = [np.arange(6).reshape(2, 3), np.arange(12).reshape(4, 3), np.arange(4)]
    both.same(lambda lib, *t: lib.F.linear(*t), *arrays)
    both.same(lambda lib, *t: lib.F.linear(*t), *arrays[:2])


f4, f8, i8 = np.float32, np.float64, np.int64

ERRORS: dict[str, tuple[list[Any], str | None]] = {
    "features": ([np.ones((1, 768), f4), np.ones((10, 3072), f4), np.ones(10, f4)], None),
    "features of a vector": ([np.ones(5, f4), np.ones((3, 4), f4), np.ones(3, f4)], None),
    "features of a batch": ([np.ones((2, 2, 5), f4), np.ones((3, 4), f4)], None),
    "bias": ([np.ones((2, 4), f4), np.ones((3, 4), f4), np.ones(4, f4)], None),
    "input double": ([np.ones((2, 4), f8), np.ones((3, 4), f4), np.ones(3, f4)], None),
    "input long": ([np.ones((2, 4), i8), np.ones((3, 4), f4), np.ones(3, f4)], None),
    "input double, no bias": ([np.ones((2, 4), f8), np.ones((3, 4), f4)], None),
    "bias double": ([np.ones((2, 4), f4), np.ones((3, 4), f4), np.ones(3, f8)], None),
    "no tensor": ([[1.0, 2.0], np.ones((3, 2), f4)], None),
    "weight is no tensor": ([np.ones((3, 2), f4), None], "linear(): argument 'weight'"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(both: Any, case: str) -> None:
    arrays, start = ERRORS[case]
    both.same_error(lambda lib, *t: lib.F.linear(*t), *arrays, start=start)


def test_layer(both: Any, copied: Any, dtype: Any) -> None:
    kind = np.dtype(dtype).name
    ours = both.ours.nn.Linear(6, 3, dtype=both.ours.dtype(kind))
    theirs = both.theirs.nn.Linear(6, 3, dtype=both.theirs.dtype(kind))
    copied(ours, theirs)
    layers = {id(both.ours): ours, id(both.theirs): theirs}
    x = normal(np.random.default_rng(3), dtype, 5, 6)
    both.same(lambda lib, x: layers[id(lib)](x), x)
    for got, want in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(got.grad.numpy(), want.grad.numpy(), rtol=1e-5)


def test_the_same_layer_twice_in_one_forward(both: Any, copied: Any) -> None:
    ours, theirs = both.ours.nn.Linear(4, 4), both.theirs.nn.Linear(4, 4)
    copied(ours, theirs)
    layers = {id(both.ours): ours, id(both.theirs): theirs}

    def call(lib: Any, x: Any) -> Any:
        layer = layers[id(lib)]
        return layer(lib.F.relu(layer(x))) + layer(x)

    both.same(call, normal(np.random.default_rng(4), np.float32, 3, 4))
    for got, want in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(got.grad.numpy(), want.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_nan_and_infinity_travel(both: Any) -> None:
    x = np.array([[1, np.nan, 2], [np.inf, 0, 1], [1, 2, 3]])
    w = np.array([[1.0, 2, 3], [-1, 0.5, 2]])
    both.same(lambda lib, *t: lib.F.linear(*t), x, w, np.array([0.5, np.inf]), grad=False)
