"""Pooling against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn as torch

# (..., H, W), arguments
MAX: list[tuple[Any, dict[str, Any]]] = [
    ((2, 3, 8, 9), {"kernel_size": 2}),
    ((3, 8, 9), {"kernel_size": 2}),
    ((2, 3, 8, 9), {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0)}),
    ((2, 3, 9, 9), {"kernel_size": 3, "dilation": 2, "padding": 1}),
    ((2, 3, 7, 8), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    ((1, 1, 5, 5), {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True}),
    ((0, 3, 8, 8), {"kernel_size": 2}),
    ((1, 2, 4, 4), {"kernel_size": [2, 2], "stride": []}),
]
AVG: list[tuple[Any, dict[str, Any]]] = [
    ((2, 3, 8, 9), {"kernel_size": 2}),
    ((3, 8, 9), {"kernel_size": 2}),
    ((2, 3, 8, 9), {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0)}),
    ((2, 3, 8, 9), {"kernel_size": 3, "padding": 1, "count_include_pad": False}),
    ((2, 3, 8, 9), {"kernel_size": 3, "padding": 1, "divisor_override": 5}),
    ((2, 3, 7, 8), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    (
        (2, 3, 7, 8),
        {"kernel_size": 3, "stride": 2, "ceil_mode": True, "count_include_pad": False},
    ),
    ((0, 3, 8, 8), {"kernel_size": 2}),
]


def image(seed: int, dtype: Any, shape: Any) -> Any:
    # Few values: many maxima are met more than once.
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(dtype)


@pytest.mark.parametrize(("shape", "how"), MAX, ids=str)
@pytest.mark.parametrize("return_indices", [False, True])
def test_max_pool2d(both: Any, dtype: Any, shape: Any, how: Any, return_indices: bool) -> None:
    both.same(
        lambda lib, x: lib.F.max_pool2d(x, **how, return_indices=return_indices),
        image(1, dtype, shape),
    )


@pytest.mark.parametrize(
    ("size", "how"),
    [((2, 24), (4, 2, 1)), ((2, 25), (5, 2, 2)), ((4, 24), (4, 2, 1)), ((7, 27), (4, 2, 1))],
    ids=str,
)
def test_gradients_of_windows_that_look_like_others_by_their_sizes(size: Any, how: Any) -> None:
    """As many as 3x3 windows with a border would be, but wider."""
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.standard_normal((1, 400, *size)).astype(np.float32), requires_grad=True)
    y = torch.nn.functional.max_pool2d(x, *how)
    grad = torch.tensor(rng.integers(1, 9, y.shape).astype(np.float32))
    y.backward(grad)
    totals = x.grad.numpy().sum((2, 3))
    np.testing.assert_array_equal(totals, grad.numpy().sum((2, 3)))


@pytest.mark.parametrize(("shape", "how"), AVG, ids=str)
def test_avg_pool2d(both: Any, dtype: Any, shape: Any, how: Any) -> None:
    both.same(lambda lib, x: lib.F.avg_pool2d(x, **how), image(2, dtype, shape))


@pytest.mark.parametrize("seed", range(12))
def test_random_windows(both: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    kernel = tuple(int(n) for n in rng.integers(1, 5, 2))
    how = {
        "kernel_size": kernel,
        "stride": tuple(int(n) for n in rng.integers(1, 4, 2)),
        "padding": tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel),
        "ceil_mode": bool(rng.integers(2)),
    }
    x = image(seed, np.float64, (*rng.integers(1, 4, 2), *rng.integers(4, 12, 2)))
    both.same(lambda lib, x: lib.F.max_pool2d(x, **how), x)
    both.same(lambda lib, x: lib.F.avg_pool2d(x, **how), x)


def test_layers(both: Any) -> None:
    x = image(3, np.float32, (2, 3, 9, 9))
    both.same(lambda lib, x: lib.nn.MaxPool2d(3, 2, 1, return_indices=True)(x), x)
    both.same(lambda lib, x: lib.nn.AvgPool2d(3, 2, 1, False, False)(x), x)


def test_nan_and_infinity(both: Any) -> None:
    x = image(4, np.float64, (1, 1, 6, 6))
    x[0, 0, 1, 1], x[0, 0, 2, 2], x[0, 0, 5] = np.nan, np.inf, -np.inf
    both.same(lambda lib, x: lib.F.max_pool2d(x, 2, return_indices=True), x)
    both.same(lambda lib, x: lib.F.avg_pool2d(x, 2), x, grad=False)


X = np.ones((2, 3, 8, 8))
ERRORS: list[tuple[str, Any, dict[str, Any], str | None]] = [
    ("max_pool2d", X, {"kernel_size": 2, "padding": 2}, None),
    ("avg_pool2d", X, {"kernel_size": 2, "padding": 2}, None),
    ("max_pool2d", X[:, :, :1, :1], {"kernel_size": 2}, None),
    ("avg_pool2d", X[:, :, :1, :1], {"kernel_size": 2}, None),
    ("max_pool2d", X, {"kernel_size": 2, "stride": 0}, "stride should not be zero"),
    ("avg_pool2d", X, {"kernel_size": 2, "stride": 0}, "stride should not be zero"),
    ("max_pool2d", X, {"kernel_size": 2, "dilation": 0}, None),
    ("max_pool2d", X, {"kernel_size": (2, 2, 2)}, None),
    ("max_pool2d", X[:, :0], {"kernel_size": 2}, None),
    ("avg_pool2d", X, {"kernel_size": 2, "divisor_override": 0}, None),
]


@pytest.mark.parametrize(("name", "x", "how", "start"), ERRORS)
def test_errors(both: Any, name: str, x: Any, how: Any, start: str | None) -> None:
    both.same_error(lambda lib, x: getattr(lib.F, name)(x, **how), x, start=start)


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_integers_are_refused(both: Any, name: str) -> None:
    x = both.ours.tensor(np.ones((1, 3, 4, 4), int))
    with pytest.raises(NotImplementedError, match=f"\"{name}\" not implemented for 'Long'"):
        getattr(both.ours.F, name)(x, 2)
