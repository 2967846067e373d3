"""F.pad against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

CONSTANT: list[tuple[Any, Any, float | None]] = [
    ((4, 3), (1, 2), None),
    ((4, 3), (0, 0), None),
    ((4, 3), (-1, 2, 0, 1), 2.5),
    ((2, 3, 4, 5), (1, 0, 2, 3), -1.0),
    ((2, 3), (-1, -2), None),
    ((2, 3), (1, 1, 2, 0), np.nan),
    ((0, 3), (1, 1), 0.5),
    ((), (), None),
]
COPIES: list[tuple[Any, Any]] = [
    ((2, 3, 4, 5), (1, 1, 2, 2)),
    ((3, 4, 5), (4, 0, 0, 3)),
    ((3, 5), (2, 1)),
    ((2, 3, 5), (0, 4)),
    ((2, 3, 4, 5), (-1, -1, 0, 2)),
    ((2, 3, 4, 5), (-2, -1, -1, -3)),
    ((1, 2, 3, 4, 5), (1, 2, 0, 1, 2, 1)),
    ((0, 3, 4, 5), (1, 1, 1, 1)),
]
MODES = ["reflect", "replicate", "circular"]


def normal(dtype: Any, shape: Any) -> Any:
    return np.asarray(np.random.default_rng(1).standard_normal(shape), dtype)


@pytest.mark.parametrize(("shape", "amounts", "value"), CONSTANT, ids=str)
def test_constant(both: Any, dtype: Any, shape: Any, amounts: Any, value: Any) -> None:
    both.same(lambda lib, x: lib.F.pad(x, amounts, value=value), normal(dtype, shape))


@pytest.mark.parametrize(("shape", "amounts"), COPIES, ids=str)
@pytest.mark.parametrize("mode", MODES)
def test_copies(both: Any, dtype: Any, mode: str, shape: Any, amounts: Any) -> None:
    named = mode != "circular"  # PyTorch's circular padding ends in CopySlices
    both.same(lambda lib, x: lib.F.pad(x, amounts, mode), normal(dtype, shape), name=named)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("amounts", [(-1, 1), (2, -1), (-2, 3), (-1, 4), (3, -2)], ids=str)
def test_crop_on_one_side_and_pad_on_the_other(both: Any, mode: str, amounts: Any) -> None:
    named = mode != "circular"
    both.same(lambda lib, x: lib.F.pad(x, amounts, mode), normal(float, (2, 3, 5)), name=named)


def test_wide_replication(both: Any) -> None:
    both.same(lambda lib, x: lib.F.pad(x, (7, 9), "replicate"), normal(float, (2, 3, 2)))


def test_integers(both: Any) -> None:
    x = np.arange(24).reshape(2, 3, 4)
    both.same(lambda lib, x: lib.F.pad(x, (1, 1), value=3), x)
    for mode in MODES:
        both.same(lambda lib, x, mode=mode: lib.F.pad(x, (1, 1), mode), x)


ERRORS: list[tuple[Any, Any, dict[str, Any], str | None]] = [
    ((4, 3), (1,), {}, None),
    ((4, 3), (1, 1, 1, 1, 1, 1), {}, None),
    ((4, 3), (1, 1), {"mode": "foo"}, None),
    ((2, 3, 4, 5), (1, 1), {"mode": "reflect"}, None),
    ((5,), (1, 1), {"mode": "replicate"}, None),
    ((2, 3, 4, 5), (7, 7, 0, 0), {"mode": "reflect"}, None),
    ((2, 3, 4, 5), (7, 7, 7, 7), {"mode": "circular"}, None),
    ((2, 3, 4, 5), (1, 1, 1, 1), {"mode": "reflect", "value": 1.0}, None),
]


@pytest.mark.parametrize(("shape", "amounts", "how", "start"), ERRORS, ids=str)
def test_errors(both: Any, shape: Any, amounts: Any, how: Any, start: Any) -> None:
    both.same_error(lambda lib, x: lib.F.pad(x, amounts, **how), normal(float, shape), start=start)


def test_cropping_too_much(both: Any) -> None:
    x = both.ours.tensor(np.ones((2, 3, 4)))
    for mode in ("constant", *MODES):
        with pytest.raises(RuntimeError, match="crops more than dimension 2"):
            both.ours.F.pad(x, (-3, -2), mode)
