"""Random shapes, strides and arguments against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Rng = np.random.Generator


def _shape(rng: Rng, ndim: int, smallest: int = 0) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.integers(smallest, 5, ndim))


def _array(rng: Rng, shape: tuple[int, ...]) -> Any:
    """Random numbers, some of them equal, in an array that may be strided."""
    values = np.asarray(np.round(rng.standard_normal(shape) * 4) / 2 + 0.25)
    if len(shape) > 1 and rng.random() < 0.5:
        order = rng.permutation(len(shape))
        values = np.ascontiguousarray(values.transpose(order)).transpose(np.argsort(order))
    return values


def _broadcastable(rng: Rng, shape: tuple[int, ...]) -> tuple[int, ...]:
    kept = shape[int(rng.integers(0, len(shape) + 1)) :]
    return tuple(1 if rng.random() < 0.4 else n for n in kept)


def binary(rng: Rng, same: Callable[..., None]) -> None:
    shape = _shape(rng, int(rng.integers(0, 4)))
    a, b = _array(rng, shape), _array(rng, _broadcastable(rng, shape))
    name = str(rng.choice(["add", "sub", "mul", "div", "maximum", "minimum", "remainder", "eq"]))
    pair = (a, b) if rng.random() < 0.5 else (b, a)
    same(lambda m, x, y: getattr(m, name)(x, y), *pair)


def where(rng: Rng, same: Callable[..., None]) -> None:
    shape = _shape(rng, 3)
    a, b = _array(rng, _broadcastable(rng, shape)), _array(rng, shape)
    mask = np.asarray(rng.random(_broadcastable(rng, shape)) < 0.5)
    same(lambda m, k, x, y: m.where(k, x, y), mask, a, b)


def reduction(rng: Rng, same: Callable[..., None]) -> None:
    ndim = int(rng.integers(1, 4))
    x = _array(rng, _shape(rng, ndim, smallest=1))
    dims = tuple(int(d) for d in rng.permutation(ndim)[: rng.integers(1, ndim + 1)])
    keep = bool(rng.random() < 0.5)
    names = ["sum", "mean", "amax", "amin", "logsumexp", *(["norm"] if len(dims) < 3 else [])]
    name = str(rng.choice(names))
    same(lambda m, x: getattr(m, name)(x, dim=dims, keepdim=keep), x)
    one = str(rng.choice(["max", "min", "prod", "argmax", "argmin", "cumsum", "softmax"]))
    options = {} if one in ("cumsum", "softmax") else {"keepdim": keep}
    same(lambda m, x: getattr(m, one)(x, dim=dims[0], **options), x)


def product(rng: Rng, same: Callable[..., None]) -> None:
    rows, inner, columns = _shape(rng, 3, smallest=1)
    batch = _shape(rng, int(rng.integers(0, 3)), smallest=1)
    a = _array(rng, (*_broadcastable(rng, batch), rows, inner))
    b = _array(rng, (*batch, inner, columns))
    same(lambda m, a, b: a @ b, a, b, names=False)
    same(lambda m, a, b: b.mT @ a.mT, a, b, names=False)


def movement(rng: Rng, same: Callable[..., None]) -> None:
    ndim = int(rng.integers(1, 4))
    shape = _shape(rng, ndim, smallest=1)
    x = _array(rng, shape)
    order = [int(d) for d in rng.permutation(ndim)]
    at = int(rng.integers(-ndim - 1, ndim + 1))
    same(lambda m, x: x.permute(order).reshape(-1).view(shape).unsqueeze(at), x, names=False)
    axis = int(rng.integers(0, ndim))
    same(lambda m, x: m.cat([x, x.flip(axis)], axis).split(2, axis), x)
    same(lambda m, x: m.stack([x, x * 2], at).unbind(at), x)
    same(lambda m, x: x.expand(2, *shape).repeat(*([1] * ndim), 2), x)


def indexing(rng: Rng, same: Callable[..., None]) -> None:
    shape = _shape(rng, 3, smallest=1)
    x = _array(rng, shape)
    parts: list[Any] = []
    for size in shape[: rng.integers(1, 4)]:
        start = int(rng.integers(0, size))
        choices = [start, start - size, slice(start, None), slice(None, None, 2)]
        choices.append(rng.integers(-size, size, 3))
        parts.append(choices[int(rng.integers(len(choices)))])
    if rng.random() < 0.3:
        parts.insert(int(rng.integers(0, len(parts) + 1)), None)

    def read(m: Any, x: Any) -> Any:
        where = tuple(m.from_numpy(p) if isinstance(p, np.ndarray) else p for p in parts)
        return x[where]

    def write(m: Any, x: Any) -> Any:
        where = tuple(m.from_numpy(p) if isinstance(p, np.ndarray) else p for p in parts)
        y = x * 2
        y[where] = 3
        return y

    same(read, x, names=False)
    same(write, x, names=False)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("family", [binary, where, reduction, product, movement, indexing])
def test_random(same: Callable[..., None], family: Callable[..., None], seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(4):
        family(rng, same)
