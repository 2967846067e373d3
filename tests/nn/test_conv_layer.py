"""Conv2d and its functional form against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F

# (N, C, H, W), (K, R, S), arguments
CASES: list[tuple[Any, Any, dict[str, Any]]] = [
    ((2, 3, 8, 9), (5, 3, 3), {}),
    ((2, 3, 8, 9), (5, 3, 3), {"padding": 1}),
    ((2, 3, 8, 9), (5, 3, 2), {"stride": 2, "padding": (1, 0)}),
    ((1, 4, 11, 7), (6, 3, 3), {"stride": (1, 3), "dilation": (2, 1), "groups": 2}),
    ((3, 4, 5, 5), (4, 1, 1), {"groups": 4}),
    ((1, 1, 6, 6), (1, 6, 6), {}),
    ((2, 2, 7, 7), (3, 3, 3), {"padding": "same"}),
    ((2, 2, 7, 7), (3, 2, 4), {"padding": "same", "dilation": (3, 1)}),
    ((2, 2, 7, 7), (3, 3, 3), {"padding": "valid", "dilation": 2}),
    ((0, 2, 5, 5), (3, 3, 3), {"padding": 1}),
    ((2, 3, 6, 6), (5, 3, 3), {"stride": [2], "padding": [1, 2], "dilation": [1]}),
]


def problem(seed: int, dtype: Any, x: Any, filters: Any, groups: int = 1) -> list[Any]:
    rng = np.random.default_rng(seed)
    K, R, S = filters
    shapes = (x, (K, x[-3] // groups, R, S), (K,))
    return [np.asarray(rng.standard_normal(shape), dtype) for shape in shapes]


@pytest.mark.parametrize(("x", "filters", "how"), CASES, ids=str)
@pytest.mark.parametrize("with_bias", [True, False])
def test_functional(both: Any, dtype: Any, x: Any, filters: Any, how: Any, with_bias: bool) -> None:
    arrays = problem(1, dtype, x, filters, how.get("groups", 1))[: 2 + with_bias]
    both.same(lambda lib, *t: lib.F.conv2d(*t, **how), *arrays)


@pytest.mark.parametrize("how", [{}, {"padding": 1, "stride": 2}, {"padding": "same"}], ids=str)
def test_unbatched(both: Any, dtype: Any, how: Any) -> None:
    arrays = problem(2, dtype, (3, 7, 6), (4, 3, 3))
    both.same(lambda lib, *t: lib.F.conv2d(*t, **how), *arrays)


@pytest.mark.parametrize("seed", range(20))
def test_random_problems(both: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 4))
    how = {
        "stride": tuple(int(n) for n in rng.integers(1, 4, 2)),
        "padding": tuple(int(n) for n in rng.integers(0, 4, 2)),
        "dilation": tuple(int(n) for n in rng.integers(1, 3, 2)),
        "groups": groups,
    }
    R, S = (int(n) for n in rng.integers(1, 4, 2))
    x = (int(rng.integers(0, 3)), groups * int(rng.integers(1, 4)), *rng.integers(5, 12, 2))
    filters = (groups * int(rng.integers(1, 4)), R, S)
    arrays = problem(seed, np.float64, x, filters, groups)
    both.same(lambda lib, *t: lib.F.conv2d(*t, **how), *arrays)


@pytest.mark.parametrize("fixed", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)], ids=str)
def test_only_gradients_that_are_needed(both: Any, fixed: Any) -> None:
    arrays = problem(3, np.float64, (2, 3, 6, 6), (4, 3, 3))
    both.same(lambda lib, *t: lib.F.conv2d(*t), *arrays, fixed=fixed)


LAYERS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((3, 5, 3), {}),
    ((3, 5, (3, 2)), {"stride": 2, "padding": (1, 0), "dilation": 2}),
    ((4, 6, 3), {"groups": 2, "bias": False}),
    ((3, 5, 3), {"padding": "same"}),
    ((3, 5, (2, 4)), {"padding": "same", "padding_mode": "reflect"}),
    ((3, 5, 3), {"padding": "valid", "padding_mode": "circular"}),
    ((3, 5, 3), {"padding": 1, "padding_mode": "reflect"}),
    ((3, 5, 3), {"padding": (2, 1), "padding_mode": "replicate", "stride": 2}),
    ((3, 5, 3), {"padding": (0, 3), "padding_mode": "circular"}),
]


@pytest.mark.parametrize(("args", "kwargs"), LAYERS, ids=str)
@pytest.mark.parametrize("batch", [(2,), ()], ids=["batched", "unbatched"])
def test_layer(both: Any, copied: Any, dtype: Any, args: Any, kwargs: Any, batch: Any) -> None:
    kind = np.dtype(dtype).name
    layers = {
        id(lib): lib.nn.Conv2d(*args, **kwargs, dtype=lib.dtype(kind))
        for lib in (both.ours, both.theirs)
    }
    ours, theirs = layers.values()
    copied(ours, theirs)
    x = np.asarray(np.random.default_rng(4).standard_normal((*batch, args[0], 9, 8)), dtype)
    both.same(lambda lib, x: layers[id(lib)](x), x)
    for got, want in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(got.grad.numpy(), want.grad.numpy(), rtol=1e-4, atol=1e-4)
    assert repr(ours) == repr(theirs)


f4, f8 = np.float32, np.float64
X, W, B = np.ones((2, 3, 8, 8), f4), np.ones((5, 3, 3, 3), f4), np.ones(5, f4)

ERRORS: dict[str, tuple[list[Any], dict[str, Any], str | None]] = {
    "dimensions": ([X[0, 0], W, B], {}, None),
    "channels": ([np.ones((2, 4, 8, 8), f4), W, B], {}, None),
    "channels, unbatched": ([np.ones((4, 8, 8), f4), W, B], {}, None),
    "input double": ([X.astype(f8), W, B], {}, None),
    "input long": ([X.astype(int), W, B], {}, None),
    "bias double": ([X, W, B.astype(f8)], {}, None),
    "kernel too large": ([X[:, :, :2, :2], W, B], {}, None),
    "stride 0": ([X, W], {"stride": 0}, "non-positive stride is not supported"),
    "negative padding": ([X, W], {"padding": -1}, "negative padding is not supported"),
    "length of the bias": ([X, W, B[:4]], {}, None),
    "groups": ([X, W], {"groups": 2}, None),
    "no groups": ([X, W], {"groups": 0}, "non-positive groups is not supported"),
    "same with a stride": ([X, W], {"padding": "same", "stride": 2}, None),
    "unknown padding": ([X, W], {"padding": "full"}, None),
    "three paddings": ([X, W], {"padding": (1, 1, 1)}, None),
    "three strides": ([X, W], {"stride": (1, 1, 1)}, None),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(both: Any, case: str) -> None:
    arrays, how, start = ERRORS[case]
    both.same_error(lambda lib, *t: lib.F.conv2d(*t, **how), *arrays, start=start)


def test_errors_with_texts_of_our_own(both: Any) -> None:
    with pytest.raises(TypeError, match=r"conv2d\(\): argument 'input' \(position 1\) must be Te"):
        both.ours.F.conv2d([1.0], both.ours.tensor(W))
    with pytest.raises(TypeError, match="stride must be an int or a tuple of two ints"):
        both.ours.F.conv2d(both.ours.tensor(X), both.ours.tensor(W), stride=1.5)
    with pytest.raises(RuntimeError, match=r"Input type \(double\) and weight type \(float\) shou"):
        both.ours.F.conv2d(both.ours.tensor(X.astype(f8)), both.ours.tensor(W))


LAYER_ERRORS: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    ((3, 4, 3), {"groups": 2}, "in_channels must be divisible by groups"),
    ((4, 3, 3), {"groups": 2}, "out_channels must be divisible by groups"),
    ((3, 4, 3), {"groups": 0}, "groups must be a positive integer"),
    ((3, 4, 3), {"padding": "full"}, "Invalid padding string 'full', should be one of "),
    ((3, 4, 3), {"padding_mode": "x"}, "padding_mode must be one of "),
    ((3, 4, 3), {"padding": "same", "stride": 2}, "padding='same' is not supported for strided "),
    ((-1, 4, 3), {}, "Trying to create tensor with negative dimension -1: [4, -1, 3, 3]"),
]


@pytest.mark.parametrize(("args", "kwargs", "start"), LAYER_ERRORS, ids=str)
def test_layer_errors(both: Any, args: Any, kwargs: Any, start: str) -> None:
    both.same_error(lambda lib: lib.nn.Conv2d(*args, **kwargs), start=start)


def test_nan_and_infinity_travel(both: Any) -> None:
    arrays = problem(6, np.float64, (1, 1, 5, 5), (2, 2, 2))
    arrays[0][0, 0, 1, 1] = np.nan
    arrays[0][0, 0, 4, 4] = np.inf
    both.same(lambda lib, *t: lib.F.conv2d(*t), *arrays, grad=False)


#: Around each argument, and each form that an algorithm has: Winograd's with and without padding
#: and by phases, strides as phases, rows and columns of taps, 1x1, whole windows, single channels.
DIFFERENTIATED: list[tuple[Any, Any, dict[str, Any]]] = [
    ((1, 3, 6, 7), (4, 3, 3), {"padding": 1}),
    ((2, 4, 5, 6), (4, 3, 3), {"padding": 1, "groups": 2}),
    ((1, 2, 6, 9), (3, 3, 3), {}),
    ((2, 2, 5, 4), (3, 3, 3), {"padding": (0, 3)}),
    ((1, 3, 7, 8), (2, 3, 3), {"padding": 2, "dilation": 2}),
    ((1, 2, 7, 8), (2, 3, 3), {"padding": (1, 3), "dilation": 3, "groups": 2}),
    ((1, 2, 7, 8), (3, 3, 3), {"stride": 2, "padding": 1}),
    ((1, 2, 7, 9), (3, 3, 3), {"stride": (1, 2), "dilation": (2, 1)}),
    ((1, 2, 9, 8), (3, 5, 5), {"stride": 2, "padding": 2}),
    ((1, 2, 4, 12), (3, 1, 7), {"stride": (1, 2), "padding": (0, 3)}),
    ((1, 2, 9, 4), (2, 7, 1), {"padding": (3, 0), "dilation": 1}),
    ((2, 3, 4, 5), (4, 1, 1), {}),
    ((2, 4, 5, 5), (4, 1, 1), {"stride": 2, "groups": 2}),
    ((1, 3, 7, 8), (2, 2, 3), {"stride": (3, 2), "padding": 1, "dilation": (2, 1)}),
    ((2, 2, 4, 5), (3, 4, 5), {}),
    ((2, 3, 5, 6), (3, 3, 3), {"padding": 1, "groups": 3}),
    ((1, 3, 6, 7), (3, 5, 5), {"stride": 2, "padding": 2, "groups": 3}),
    ((17, 1, 3, 4), (2, 3, 3), {"padding": 1}),
]


def suits(filters: Any, how: dict[str, Any]) -> bool:
    """Whether Winograd's algorithm can be forced."""
    return filters[1:] == (3, 3) and how.get("stride", 1) == 1


@pytest.mark.parametrize(("size", "filters", "how"), DIFFERENTIATED, ids=str)
def test_gradients_by_every_algorithm_are_the_numerical_ones(
    way: tuple[str, str], size: Any, filters: Any, how: dict[str, Any]
) -> None:
    algorithm, precision = way
    arrays = problem(5, np.float64, size, filters, how.get("groups", 1))
    leaves = [fastnn.from_numpy(array).requires_grad_() for array in arrays]
    if algorithm == "winograd" and not suits(filters, how):
        return  # refused, as tests/kernels/test_conv2d_kernels.py sees
    with fastnn.conv_algorithm(algorithm), fastnn.set_conv_precision(precision):
        assert fastnn.autograd.gradcheck(lambda *a: F.conv2d(*a, **how), leaves)
