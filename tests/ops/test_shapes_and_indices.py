"""Shapes, joining, indexing and matrix products against PyTorch."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn

X = np.random.default_rng(4).standard_normal((2, 3, 4))
M = X[0]

SHAPES: dict[str, Callable[..., Any]] = {
    "reshape": lambda m, x: x.reshape(6, 4),
    "reshape tuple": lambda m, x: m.reshape(x, (4, -1)),
    "reshape of transposed": lambda m, x: x.transpose(0, 1).reshape(-1),
    "reshape bad": lambda m, x: x.reshape(5, 5),
    "reshape two unknown": lambda m, x: x.reshape(-1, -1),
    "view": lambda m, x: x.view(3, 8),
    "view of slice": lambda m, x: x[:, 0].view(2, 2, 2),
    "view impossible": lambda m, x: x.transpose(0, 1).view(-1),
    "view_as": lambda m, x: x.view_as(m.zeros(6, 4)),
    "flatten": lambda m, x: x.flatten(),
    "flatten from 1": lambda m, x: m.flatten(x, 1),
    "flatten middle": lambda m, x: m.flatten(x, 0, 1),
    "flatten wrong": lambda m, x: m.flatten(x, 2, 1),
    "flatten transposed": lambda m, x: x.transpose(0, 2).flatten(1),
    "unflatten": lambda m, x: x.unflatten(2, (2, -1)),
    "transpose": lambda m, x: x.transpose(0, 2),
    "transpose out of range": lambda m, x: x.transpose(0, 3),
    "swapaxes": lambda m, x: x.swapaxes(-1, 0),
    "permute": lambda m, x: x.permute(2, 0, 1),
    "permute tuple": lambda m, x: m.permute(x, (2, 0, -2)),
    "permute few": lambda m, x: x.permute(0),
    "permute twice": lambda m, x: x.permute(0, 0, 1),
    "movedim": lambda m, x: m.movedim(x, 0, -1),
    "T": lambda m, x: x[0].T,
    "mT": lambda m, x: x.mT,
    "t": lambda m, x: x[0].t(),
    "t of vector": lambda m, x: x[0, 0].t(),
    "t of three": lambda m, x: x.t(),
    "unsqueeze": lambda m, x: x.unsqueeze(1),
    "unsqueeze end": lambda m, x: m.unsqueeze(x, -1),
    "unsqueeze wrong": lambda m, x: m.unsqueeze(x, 5),
    "unsqueeze transposed": lambda m, x: x.transpose(0, 2).unsqueeze(1),
    "squeeze": lambda m, x: x[:1, :, :1].squeeze(),
    "squeeze one": lambda m, x: x[:1].squeeze(0),
    "squeeze not": lambda m, x: x.squeeze(0),
    "squeeze two": lambda m, x: x[:1, :, :1].squeeze((0, 2)),
    "expand": lambda m, x: x[:1].expand(5, 3, 4),
    "expand new": lambda m, x: x[0].expand(2, -1, -1),
    "expand wrong": lambda m, x: x.expand(5, 3, 4),
    "expand_as": lambda m, x: x[:1].expand_as(x),
    "broadcast_to": lambda m, x: m.broadcast_to(x[0, 0], (2, 4)),
    "repeat": lambda m, x: x.repeat(2, 1, 3),
    "repeat more": lambda m, x: x.repeat(2, 2, 1, 1),
    "repeat fewer": lambda m, x: x.repeat(2),
    "tile": lambda m, x: x.tile(2),
    "flip": lambda m, x: x.flip(0, 2),
    "flip list": lambda m, x: m.flip(x, [1]),
    "roll": lambda m, x: m.roll(x, 2, 1),
    "roll two": lambda m, x: m.roll(x, (1, 2), (0, 2)),
    "roll flat": lambda m, x: m.roll(x[0, 0], 3),
    "tril": lambda m, x: m.tril(x),
    "triu": lambda m, x: x.triu(1),
    "narrow": lambda m, x: x.narrow(1, 1, 2),
    "narrow wrong": lambda m, x: x.narrow(1, 2, 2),
    "select": lambda m, x: x.select(1, 2),
    "cat": lambda m, x: m.cat([x, x * 2], 1),
    "cat last": lambda m, x: m.cat((x, x[:, :, :1]), dim=-1),
    "cat mixed": lambda m, x: m.cat([x.float(), x]),
    "cat empty": lambda m, x: m.cat([x[0, 0], m.zeros(0, dtype=m.float64)]),
    "cat empties": lambda m, x: m.cat([m.zeros(0, dtype=m.int8), x[0, 0, :0]]),
    "cat none": lambda m, x: m.cat([]),
    "cat sizes": lambda m, x: m.cat([x, x[:, :1]]),
    "cat dims": lambda m, x: m.cat([x, x[0]]),
    "stack": lambda m, x: m.stack([x[0], x[1], x[0]]),
    "stack last": lambda m, x: m.stack([x, x], -1),
    "stack scalars": lambda m, x: m.stack([x[0, 0, 0], x[1, 1, 1]]),
    "stack sizes": lambda m, x: m.stack([x, x[0]]),
    "split": lambda m, x: x.split(2, 1),
    "split sizes": lambda m, x: m.split(x, [1, 3], 2),
    "split wrong": lambda m, x: m.split(x, [1, 1], 2),
    "chunk": lambda m, x: m.chunk(x, 2, -1),
    "chunk uneven": lambda m, x: m.chunk(x, 2, 1),
    "chunk zero": lambda m, x: m.chunk(x, 0),
    "unbind": lambda m, x: m.unbind(x, 1),
    "iteration": lambda m, x: list(x),
    "one part of a split": lambda m, x: x.split(2, 2)[1],
    "clone": lambda m, x: x.clone(),
    "contiguous": lambda m, x: x.transpose(0, 1).contiguous(),
    "double": lambda m, x: x.float().double(),
    "to": lambda m, x: x.to(m.float32),
    "type_as": lambda m, x: x.type_as(m.zeros(1)),
    "to int": lambda m, x: (x * 10).long(),
    "to bool": lambda m, x: x.bool(),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(same: Any, name: str) -> None:
    same(SHAPES[name], X, names=not name.startswith(("roll", "permute few", "expand wrong")))


def index(*parts: Any) -> Any:
    return parts if len(parts) > 1 else parts[0]


INDICES: dict[str, Any] = {
    "int": 1,
    "negative": -1,
    "slice": slice(0, 1),
    "step": index(slice(None), slice(None, None, 2)),
    "ints": (1, 2, 3),
    "ellipsis": (..., 0),
    "ellipsis alone": ...,
    "none": None,
    "none inside": (slice(None), None, 1),
    "all": slice(None),
    "empty slice": slice(5, 9),
    "list": [0, 1, 1],
    "array": np.array([[0, 1], [1, 1]]),
    "array beside": (slice(None), np.array([2, 0, 2])),
    "two arrays": (np.array([0, 1]), np.array([2, 0])),
    "arrays apart": (np.array([0, 1]), slice(None), np.array([3, 0])),
    "mask": np.array([True, False]),
    "mask of two": np.array([[True, False, True], [False, True, True]]),
    "mask inside": (0, np.array([True, False, True])),
    "array and int": (np.array([1, 0]), 2),
    "int apart from an array": (1, slice(None), np.array([0, 2, 1])),
    "array apart from an int": (np.array([1, 0]), slice(None), 2),
    "int between": (slice(None), 1, np.array([3, 0])),
    "int, none and array": (0, None, np.array([2, 0])),
    "int, ellipsis and array": (1, ..., np.array([3, 0])),
    "int and a mask apart": (1, slice(None), np.array([True, False, True, True])),
    "int and a mask of two": (-1, np.eye(3, 4, dtype=bool)),
    "int out of range beside an array": (2, slice(None), np.array([0])),
    "True": True,
    "out of range": 7,
    "too many": (0, 0, 0, 0),
    "array out of range": np.array([0, 5]),
    "backwards": slice(None, None, -1),
    "float": 0.5,
    "floats": np.array([0.5]),
    "wrong mask": np.array([True, False, True]),
}


def _for(module: Any, where: Any) -> Any:
    if isinstance(where, tuple):
        return tuple(_for(module, part) for part in where)
    return module.from_numpy(where) if isinstance(where, np.ndarray) else where


@pytest.mark.parametrize("name", INDICES)
def test_reading(same: Any, name: str) -> None:
    where = INDICES[name]
    same(lambda m, x: x[_for(m, where)], X, names=name not in ("array and int", "mask inside"))


@pytest.mark.parametrize("name", INDICES)
def test_writing(same: Any, name: str) -> None:
    where = INDICES[name]

    def write_number(m: Any, x: Any) -> Any:
        y = x * 1
        y[_for(m, where)] = 5
        return y * 2

    def write_tensor(m: Any, x: Any, v: Any) -> Any:
        y = x * 1
        y[_for(m, where)] = v
        return y * 2

    def write_to_new(m: Any, v: Any) -> Any:
        y = m.zeros(2, 3, 4, dtype=m.float64)
        y[_for(m, where)] = v
        return y * 2

    twice = name in ("list", "array", "array beside")
    same(write_number, X, names=False)
    same(write_tensor, X, np.array(3.0), names=False)
    if not twice:  # which of two values stays is undefined
        part = np.zeros((2, 3, 4))
        try:
            part = part[where if not isinstance(where, list) else np.array(where)]
        except IndexError:
            return
        same(
            write_to_new,
            np.asarray(np.random.default_rng(5).standard_normal(part.shape)),
            names=False,
        )


def test_tensor_scalars_as_indices(same: Any) -> None:
    same(lambda m, x: x[m.tensor(1)], X)
    same(lambda m, x: x[m.tensor(1), m.tensor([0, 2])], X, names=False)


PICKS: dict[str, Callable[..., Any]] = {
    "index_select": lambda m, x: m.index_select(x, 1, m.tensor([2, 0, 2])),
    "index_select out of range": lambda m, x: m.index_select(x[0, 0], 0, m.tensor([4])),
    "index_select of floats": lambda m, x: m.index_select(x, 1, m.tensor([0.0])),
    "gather": lambda m, x: m.gather(x, 1, m.tensor([[[0, 2, 1, 1]], [[2, 2, 0, 0]]])),
    "gather last": lambda m, x: x[0].gather(-1, m.tensor([[0, 0], [3, 1], [2, 2]])),
    "gather out of range": lambda m, x: x[0].gather(1, m.tensor([[4]])),
    "gather below range": lambda m, x: x[0].gather(1, m.tensor([[-1]])),
    "gather int32": lambda m, x: x[0].gather(1, m.tensor([[3]], dtype=m.int32)),
    "gather nothing": lambda m, x: x[0].gather(1, m.zeros(2, 0, dtype=m.int64)),
    "gather bool": lambda m, x: x[0].gather(1, m.tensor([[1]]).bool()),
    "gather dims": lambda m, x: x.gather(1, m.tensor([4])),
    "masked_fill": lambda m, x: x.masked_fill(x > 0, 2.0),
    "masked_fill row": lambda m, x: m.masked_fill(x, m.tensor([True, False, True, False]), -1),
    "masked_fill by ints": lambda m, x: x.masked_fill(m.tensor([1, 0, 1, 0]), 1),
    "masked_fill tensor": lambda m, x: x.masked_fill(x > 0, m.tensor(2.0, dtype=m.float64)),
    "masked_select": lambda m, x: m.masked_select(x, x.detach() > 0),
    "masked_fill shape": lambda m, x: x.masked_fill(m.zeros(7) > 0, 1),
    "masked_select shape": lambda m, x: m.masked_select(x, m.zeros(7) > 0),
    "take": lambda m, x: m.take(x, m.tensor([[0, 5], [5, 7]])),
    "nonzero": lambda m, x: m.nonzero(x > 0),
    "nonzero tuple": lambda m, x: (x > 0).nonzero(as_tuple=True),
    "argwhere": lambda m, x: m.argwhere(x > 0),
}


@pytest.mark.parametrize("name", PICKS)
def test_picks(same: Any, name: str) -> None:
    same(PICKS[name], X, names=name not in ("masked_select", "take"))


PRODUCTS = [
    ((2, 3), (3, 4)),
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)),
    ((6, 5, 2, 3), (5, 3, 4)),
    ((1, 2, 3), (5, 3, 4)),
    ((2, 0), (0, 3)),
    ((0, 3), (3, 2)),
    ((2, 0), (0,)),
    ((0,), (0, 4)),
    ((2, 3, 0), (0,)),
    ((2, 3, 0), (0, 4)),
    ((2, 0, 3), (3, 4)),
    ((2, 3), (4, 2)),
    ((3,), (4,)),
    ((2, 3), (4,)),
    ((5, 2, 3), (4, 3, 2)),
    ((), (3,)),
]


@pytest.mark.parametrize(("a", "b"), PRODUCTS, ids=str)
@pytest.mark.parametrize("kind", ["float32", "float64", "int64"])
def test_matmul(same: Any, a: Any, b: Any, kind: str) -> None:
    rng = np.random.default_rng(6)
    x = np.asarray(rng.standard_normal(a) * 9).astype(kind)
    y = np.asarray(rng.standard_normal(b) * 9).astype(kind)
    same(lambda m, x, y: x @ y, x, y, names=len(b) == 2 and len(a) == 2)
    same(lambda m, x, y: m.matmul(x, y), x, y, names=False)


NAMED_PRODUCTS: dict[str, Callable[..., Any]] = {
    "mm": lambda m, x, y: m.mm(x, y),
    "mm of transposed": lambda m, x, y: m.mm(y.t(), x.t()),
    "mm of three": lambda m, x, y: m.mm(x[None], y),
    "mv": lambda m, x, y: m.mv(x, y[:, 0]),
    "dot": lambda m, x, y: m.dot(x[0], y[:, 0]),
    "dot lengths": lambda m, x, y: m.dot(x[0], y[0]),
    "bmm": lambda m, x, y: m.bmm(x[None], y[None]),
    "bmm sizes": lambda m, x, y: m.bmm(x[None], x[None]),
    "addmm": lambda m, x, y: m.addmm(y[0], x, y),
    "addmm scaled": lambda m, x, y: m.addmm(y[0], x, y, beta=0.5, alpha=2),
    "addmm ignoring": lambda m, x, y: m.addmm(y[0] * float("nan"), x, y, beta=0),
    "addmm shapes": lambda m, x, y: m.addmm(y[0], x, x),
    "addmm bias": lambda m, x, y: m.addmm(x[0], x, y),
    "outer": lambda m, x, y: m.outer(x[0], y[0]),
    "inner": lambda m, x, y: m.inner(x, x),
    "float and double": lambda m, x, y: x.float() @ y,
    "double and int": lambda m, x, y: x @ y.long(),
    "mm float and double": lambda m, x, y: m.mm(x, y.float()),
    "dot float and double": lambda m, x, y: m.dot(x[0].float(), y[:, 0]),
    "addmm float and double": lambda m, x, y: m.addmm(y[0].float(), x, y),
    "addmm ints": lambda m, x, y: m.addmm(y[0].long(), x.long(), y.long(), beta=2),
    "a number": lambda m, x, y: x @ 3,
    "bools": lambda m, x, y: (x > 0) @ (y > 0),
}


@pytest.mark.parametrize("name", NAMED_PRODUCTS)
def test_named_products(same: Any, name: str) -> None:
    rng = np.random.default_rng(7)
    x, y = rng.standard_normal((2, 3)), rng.standard_normal((3, 4))
    same(NAMED_PRODUCTS[name], x, y, names=name not in ("outer", "inner", "addmm bias"))


SCALARS: dict[str, Callable[..., Any]] = {
    "reshape": lambda m, x: x.reshape(1, 1),
    "flatten": lambda m, x: x.flatten(),
    "unsqueeze": lambda m, x: x.unsqueeze(0),
    "squeeze": lambda m, x: x.squeeze(),
    "expand": lambda m, x: x.expand(2, 3),
    "permute": lambda m, x: x.permute(()),
    "transpose": lambda m, x: x.transpose(0, -1),
    "t": lambda m, x: x.t(),
    "repeat": lambda m, x: x.repeat(3),
    "stack": lambda m, x: m.stack([x, x]),
    "none": lambda m, x: x[None],
    "ellipsis": lambda m, x: x[...],
    "mask": lambda m, x: x[m.tensor(True)],
    "index": lambda m, x: x[0],
    "masked_fill": lambda m, x: x.masked_fill(m.tensor(False), 1.0),
    "where": lambda m, x: m.where(x > 0, x, -x),
    "clone": lambda m, x: x.clone(),
    "to": lambda m, x: x.float(),
    "flip": lambda m, x: m.flip(x, ()),
    "cumsum": lambda m, x: x.cumsum(0),
    "softmax": lambda m, x: x.softmax(0),
    "max": lambda m, x: x.max(0),
    "sort": lambda m, x: x.sort(),
    "topk": lambda m, x: x.topk(1),
    "gather": lambda m, x: x.gather(0, m.tensor(0)),
    "index_select": lambda m, x: x.index_select(0, m.tensor([0])),
    "norm": lambda m, x: x.norm(),
    "norm 1": lambda m, x: x.norm(1),
    "norm 3": lambda m, x: x.norm(3.0),
    "norm inf": lambda m, x: x.norm(float("inf")),
    "prod": lambda m, x: x.prod(),
    "logsumexp": lambda m, x: x.logsumexp(0),
    "amax": lambda m, x: x.amax(),
    "var": lambda m, x: x.var(correction=0),
    "std": lambda m, x: (x * m.ones(2, dtype=m.float64)).std(),
    "any": lambda m, x: (x > 0).any(),
    "argmax": lambda m, x: x.argmax(),
    "in place": lambda m, x: (x * 2).mul_(x).add_(1).neg_(),
    "filled": lambda m, x: (x * 2).fill_(3),
    "copied": lambda m, x: (x * 2).copy_(x),
    "of a vector": lambda m, x: x * m.ones(3, dtype=m.float64),
    "from a vector": lambda m, x: -(x * m.ones(3, dtype=m.float64)).sum(),
    "dot": lambda m, x: m.dot(x.expand(2), x.expand(2)),
}


@pytest.mark.parametrize("name", SCALARS)
def test_tensors_without_dimensions(same: Any, name: str) -> None:
    skipped = ("sort", "topk", "expand", "transpose", "flip", "mask", "filled", "copied")
    same(SCALARS[name], np.array(1.25), names=name not in skipped)


def test_views_share_memory() -> None:
    base = fastnn.zeros(2, 3)
    for view in (base[0], base[:, 1], base.t(), base.view(6), base[None], base.unbind()[1]):
        assert np.shares_memory(view.numpy(), base.numpy())
    for copy in (base[[0]], base.clone(), base[base == 0]):
        assert not np.shares_memory(copy.numpy(), base.numpy())
    assert isinstance(base[0, 0], fastnn.Tensor)
    assert base[0, 0].shape == ()


@pytest.mark.parametrize("wrong", [1.0, "a", None], ids=repr)
def test_dimensions_that_are_no_integers(wrong: Any) -> None:
    x = fastnn.zeros(2, 3)
    for call in (x.flatten, x.unsqueeze, x.argsort, lambda dim: x.transpose(dim, 0)):
        with pytest.raises(TypeError, match=re.escape(repr(wrong))):
            call(wrong)
