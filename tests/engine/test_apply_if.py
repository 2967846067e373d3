"""``apply_if``, and ``apply`` without a graph: the way by a function of the backend alone computes
what the rule does; what ``apply_if`` refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn._engine import Op
from fastnn.backends import (
    is_batch_product,
    is_dot,
    is_linear,
    is_matvec,
    is_pair,
    is_product,
    settings,
)
from fastnn.ops import arithmetic, conv, linalg, linear, pool
from fastnn.tensor import apply, apply_if


def tensor(*shape: int, dtype: str = "float32") -> fastnn.Tensor:
    """Numbers from 1 to 2 of one seed."""
    return fastnn.tensor(np.random.default_rng(3).uniform(1, 2, shape).astype(dtype))


CASES: list[tuple[Callable[..., bool], Op, list[tuple[int, ...]]]] = [
    (is_product, linalg.MM, [(3, 4), (4, 5)]),
    (is_product, linalg.MM, [(3, 0), (0, 5)]),
    (is_matvec, linalg.MV, [(3, 4), (4,)]),
    (is_matvec, linalg.MV, [(3, 0), (0,)]),
    (is_dot, linalg.DOT, [(7,), (7,)]),
    (is_dot, linalg.DOT, [(0,), (0,)]),
    (is_batch_product, linalg.BMM, [(2, 3, 4), (2, 4, 5)]),
    (is_batch_product, linalg.BMM, [(0, 3, 4), (0, 4, 5)]),
    (is_linear, linear.MM, [(3, 4), (5, 4)]),
    (is_linear, linear.ADDMM, [(3, 4), (5, 4), (5,)]),
    *((is_pair, op, [(2, 3), (2, 3)]) for op in (arithmetic.ADD, arithmetic.SUB)),
    *((is_pair, op, [(2, 1, 3), (4, 1)]) for op in (arithmetic.MUL, arithmetic.DIV)),
    (is_pair, arithmetic.ADD, [(), (3,)]),
    (is_pair, arithmetic.ADD, [(), ()]),
]


@pytest.mark.parametrize("backend", ["native", "reference"])
@pytest.mark.parametrize(("usual", "op", "shapes"), CASES)
def test_the_kernel_is_the_rule(
    usual: Callable[..., bool], op: Op, shapes: list[tuple[int, ...]], backend: str
) -> None:
    for dtype in ("float32", "float64"):
        tensors = tuple(tensor(*shape, dtype=dtype) for shape in shapes)
        with fastnn.backends.use_backend(backend):
            expected = apply(op, tensors)
            for got in (apply_if(usual, op, *tensors), recorded(usual, op, tensors)):
                assert got is not None
                assert type(got._data) is np.ndarray
                assert got._data.dtype == expected._data.dtype
                np.testing.assert_array_equal(got._data, expected._data)


def recorded(usual: Callable[..., bool], op: Op, tensors: tuple[Any, ...]) -> Any:
    """The result with a graph, of which nothing is left inside ``no_grad``."""
    leaves = [t.clone().requires_grad_() for t in tensors]
    result = apply_if(usual, op, *leaves)
    assert result is not None
    assert result.grad_fn is not None
    assert result.grad_fn.name() == op.node_name
    with fastnn.no_grad():
        unrecorded = apply_if(usual, op, *leaves)
    assert unrecorded is not None
    assert unrecorded.grad_fn is None
    assert not unrecorded.requires_grad
    return result


HOW = ((1, 1), (1, 1, 0, 1), (1, 1), 1, "auto", "fast")
WINDOW = ((2, 2), (2, 2), (0, 0), (1, 1), (2, 3))
UNRECORDED: list[tuple[Op, list[tuple[int, ...] | None], tuple[Any, ...]]] = [
    (conv.CONV2D, [(2, 3, 5, 6), (4, 3, 3, 3), (4,)], (*HOW, False)),
    (conv.CONV2D, [(2, 3, 5, 6), (4, 3, 3, 3), None], (*HOW, True)),
    (pool.MAX_POOL2D, [(2, 3, 5, 6)], WINDOW),
]


@pytest.mark.parametrize("backend", ["native", "reference"])
@pytest.mark.parametrize(("op", "shapes", "params"), UNRECORDED)
def test_the_function_without_a_graph_is_the_rule(
    op: Op, shapes: list[tuple[int, ...] | None], params: tuple[Any, ...], backend: str
) -> None:
    leaves = [None if shape is None else tensor(*shape).requires_grad_() for shape in shapes]
    with fastnn.backends.use_backend(backend):
        expected = apply(op, tuple(leaves), *params)
        with fastnn.no_grad():
            got = apply(op, tuple(leaves), *params)
        assert op.unrecorded is not None
    assert expected.grad_fn is not None
    assert got.grad_fn is None
    assert not got.requires_grad
    np.testing.assert_array_equal(got._data, expected._data)


def test_what_is_not_usual() -> None:
    a, b = tensor(3, 4), tensor(4, 5)
    for other in (None, 2.0, b.numpy(), b.double(), tensor(3, 5), tensor(4), b.long()):
        assert apply_if(is_product, linalg.MM, a, other) is None
    assert apply_if(is_product, linalg.MM, a.numpy(), b) is None
    assert apply_if(is_matvec, linalg.MV, a, tensor(3)) is None
    assert apply_if(is_matvec, linalg.MV, tensor(4), tensor(4)) is None
    assert apply_if(is_dot, linalg.DOT, tensor(4), tensor(3)) is None
    assert apply_if(is_dot, linalg.DOT, tensor(4), tensor(4).double()) is None
    assert apply_if(is_linear, linear.ADDMM, a, tensor(5, 4), tensor(4)) is None
    assert apply_if(is_linear, linear.ADDMM, a, tensor(5, 4), b.numpy()) is None
    assert apply_if(is_batch_product, linalg.BMM, tensor(2, 3, 4), tensor(1, 4, 5)) is None


@pytest.mark.parametrize(
    ("a", "b"), [((2, 3), (3, 3)), ((2,), (3,)), ((4, 2), (3, 2)), ((0,), (2,))]
)
def test_shapes_that_do_not_broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    assert not is_pair(np.ones(a), np.ones(b))
    with pytest.raises(RuntimeError, match="must match the size of tensor b"):
        tensor(*a) + tensor(*b)


def test_a_view_whose_base_has_got_a_history() -> None:
    base = tensor(4, 4)
    view = base.view(2, 8)
    weight = tensor(4, 4).requires_grad_()
    base.mul_(weight)
    assert (view + view).requires_grad
    product = fastnn.mm(view, tensor(8, 2))
    product.sum().backward()
    assert weight.grad is not None


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((2, 1, 3, 4), (5, 4, 2)),
        ((2, 5, 3, 4), (2, 5, 4, 2)),
        ((5, 3, 4), (5, 4, 2)),
        ((2, 3, 4), (4,)),
        ((4,), (2, 4, 3)),
        ((4,), (4, 3)),
        ((0, 3, 4), (4,)),
        ((4,), (0, 4, 3)),
    ],
)
def test_batches_of_products(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    x, y = tensor(*a).numpy(), tensor(*b).numpy()
    got = settings().backend.matmul(x, y)
    want = np.matmul(x, y)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-5)
