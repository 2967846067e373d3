"""One call of each operation of a backend, at two sizes, for tests about all of them at once."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from cases import Array, Conv2dCase, PoolCase

from fastnn.backends import CONV_ALGORITHMS

Call = tuple[str, Callable[..., Any], tuple[Array, ...]]


@dataclass(frozen=True)
class Sizes:
    """m x k x n for products, rows x length for everything that works along an axis."""

    conv: tuple[Conv2dCase, ...]
    pool: tuple[PoolCase, ...]
    m: int
    k: int
    n: int
    rows: int
    length: int


#: Odd everywhere, with tails in each direction.
SMALL = Sizes(
    (
        Conv2dCase((2, 4, 7, 19), 6, (3, 3), (1, 2), (1, 0, 2, 1), (1, 1), 2),
        Conv2dCase((2, 3, 9, 19), 6, padding=(1, 0, 2, 1), groups=3),
    ),
    tuple(PoolCase((2, 3, 7, width), (3, 3), (2, 2), (1, 1)) for width in (19, 25)),
    13, 19, 33, 9, 19,
)  # fmt: skip
#: Enough work that every operation may be shared out among threads.
LARGE = Sizes(
    (
        Conv2dCase((5, 16, 29, 31), 33, padding=(1, 1, 1, 1)),
        Conv2dCase((2, 3, 301, 303), 3, padding=(1, 1, 1, 1), groups=3),
        Conv2dCase((2, 33, 61, 63), 33, (5, 5), (2, 2), (2, 2, 2, 2), groups=33),
        Conv2dCase((9, 128, 14, 14), 32, (1, 7), (2, 2), (0, 0, 3, 3), groups=2),
        Conv2dCase((2, 512, 7, 7), 512, (1, 1)),
        Conv2dCase((2, 32, 112, 112), 32, (1, 1), groups=32),
    ),
    (  # planes are tasks, and rows of planes
        PoolCase((16, 17, 29, 31), (3, 3), (2, 2), (1, 1)),
        PoolCase((1, 5, 200, 203), (3, 3), (2, 2), (1, 1)),
        PoolCase((5, 17, 29, 31), (5, 5), (1, 1), (2, 2)),
    ),
    203, 397, 211, 2003, 131,
)  # fmt: skip


def several(result: Any) -> tuple[Array, ...]:
    return result if isinstance(result, tuple) else (result,)


def calls(backend: Any, dtype: Any, sizes: Sizes) -> Iterator[Call]:
    """Name, function of arrays that gives arrays, and the arrays."""
    rng = np.random.default_rng(6)

    def normal(*shape: int) -> Array:
        return np.asarray(rng.standard_normal(shape), dtype)

    yield from _products(backend, normal, sizes)
    for case in sizes.conv:
        ways = [(each, "fast") for each in CONV_ALGORITHMS[1:]]
        yield from convolutions(backend, dtype, case, ways)
    for pool in sizes.pool:
        yield from _poolings(backend, dtype, pool)
    yield from _elementwise(backend, normal, sizes)
    yield from _along_an_axis(backend, normal, sizes)
    yield from _cross_entropy(backend, normal, rng, sizes)
    yield from _optimisers(backend, normal, sizes)


def _products(backend: Any, normal: Any, sizes: Sizes) -> Iterator[Call]:
    m, k, n = sizes.m, sizes.k, sizes.n
    yield "matmul", backend.matmul, (normal(m, k), normal(k, n))
    yield "matmul batched", backend.matmul, (normal(2, 1, 5, k), normal(20, k, 17))
    yield "matmul vector", backend.matmul, (normal(1, k), normal(k, n))
    yield "matmul vectors", backend.matmul, (normal(9 * k), normal(9 * k))
    yield "matmul matrix by vector", backend.matmul, (normal(m, k), normal(k))
    yield "linear", backend.linear, (normal(m, k), normal(n, k), normal(n))
    yield "linear_relu", backend.linear_relu, (normal(m, k), normal(n, k), normal(n))
    yield (
        "linear_packed",
        lambda x, weight, bias: backend.linear_packed(x, backend.pack_linear(weight), bias),
        (normal(m, k), normal(n, k), normal(n)),
    )
    yield (
        "linear_backward",
        lambda *a: backend.linear_backward(*a, (True, True, True)),
        (normal(m, n), normal(m, k), normal(n, k)),
    )
    yield (
        "linear_backward gated",
        lambda *a: backend.linear_backward(*a[:3], (True, False, False), a[3])[0],
        (normal(m, n), normal(m, k), normal(n, k), normal(m, k)),
    )


def convolutions(
    backend: Any, dtype: Any, case: Conv2dCase, ways: Iterable[tuple[str, str]]
) -> Iterator[Call]:
    """Both passes by each algorithm and precision that can do the case."""
    x, weight, bias, grad = case.arrays(dtype)
    for way in ways:
        if not case.suits(way[0]):
            continue
        yield (
            f"conv2d {' '.join(way)} {case}",
            lambda *a, by=way: backend.conv2d(*a, *case.how, *by),
            (x, weight, bias),
        )
        yield (
            f"conv2d_backward {' '.join(way)} {case}",
            lambda *a, by=way: backend.conv2d_backward(*a, *case.how, (True,) * 3, *by),
            (grad, x, weight),
        )


def _poolings(backend: Any, dtype: Any, case: PoolCase) -> Iterator[Call]:
    x, grad = case.arrays(dtype)
    how, size = (case.kernel, case.stride, case.padding), case.x[2:]
    index = backend.max_pool2d(x, *how, (1, 1), case.out_size)[1]
    recorded = backend.max_pool2d_recorded(x, *how, (1, 1), case.out_size)[1]
    for name in ("max_pool2d", "max_pool2d_recorded", "max_pool2d_values"):
        pool = getattr(backend, name)
        yield name, lambda a, pool=pool: pool(a, *how, (1, 1), case.out_size), (x,)
    for told in (index, recorded):
        yield (
            f"max_pool2d_backward {told.dtype}",
            lambda *a: backend.max_pool2d_backward(*a, size),
            (grad, told),
        )
    yield "avg_pool2d", lambda a: backend.avg_pool2d(a, *how, case.out_size, True, None), (x,)
    yield (
        "avg_pool2d_backward",
        lambda a: backend.avg_pool2d_backward(a, size, *how, True, None),
        (grad,),
    )


def _elementwise(backend: Any, normal: Any, sizes: Sizes) -> Iterator[Call]:
    rows, length = sizes.rows, sizes.length
    for name in ("add", "sub", "mul", "div"):
        function = getattr(backend, name)
        yield name, function, (normal(3, rows, length), normal(3, rows, length))
        yield f"{name} rows", function, (normal(3, rows, length), normal(length))
        yield f"{name} columns", function, (normal(rows, 1), normal(rows, length))
    for name in ("exp", "log", "tanh", "sigmoid", "relu"):
        yield name, getattr(backend, name), (np.abs(normal(3, rows, length)),)
    for name in ("tanh_backward", "sigmoid_backward", "relu_backward"):
        yield name, getattr(backend, name), (normal(rows, length), normal(rows, length))


def _along_an_axis(backend: Any, normal: Any, sizes: Sizes) -> Iterator[Call]:
    rows, length = sizes.rows, sizes.length
    for name in ("sum", "mean"):
        for axes in ((0,), (2,), (1,), (0, 2), (0, 1, 2)):
            yield (
                f"{name} {axes}",
                lambda a, by=name, axes=axes: getattr(backend, by)(a, axes),
                (normal(3, rows, length),),
            )
    for name in ("softmax", "log_softmax"):
        for axis in (0, 1):
            yield (
                f"{name} {axis}",
                lambda a, by=name, axis=axis: getattr(backend, by)(a, axis),
                (normal(rows, length),),
            )
            yield (
                f"{name}_backward {axis}",
                lambda *a, by=f"{name}_backward", axis=axis: getattr(backend, by)(*a, axis),
                (normal(rows, length), normal(rows, length)),
            )


def _cross_entropy(backend: Any, normal: Any, rng: Any, sizes: Sizes) -> Iterator[Call]:
    how = (-100, 0.1, "mean")
    logits, weight = normal(sizes.rows, sizes.length), np.abs(normal(sizes.length))
    target = rng.integers(0, sizes.length, sizes.rows)
    lse, divisor = backend.cross_entropy(logits, target, weight, *how)[1:]
    yield (
        "cross_entropy",
        lambda *a: backend.cross_entropy(*a, *how)[:2],
        (logits, target, weight),
    )
    yield (
        "cross_entropy_backward",
        lambda g, z, t, w, s: backend.cross_entropy_backward(g, z, t, w, *how, s, divisor),
        (np.ones((), logits.dtype), logits, target, weight, lse),
    )


def _optimisers(backend: Any, normal: Any, sizes: Sizes) -> Iterator[Call]:
    """Steps on copies, so that these too leave their inputs alone."""

    def sgd(*a: Array) -> tuple[Array, ...]:
        p, g = (np.array(v, order="C") for v in a)
        backend.sgd_step(
            [p], [g], None, first=False, lr=0.1, momentum=0.0, dampening=0.0,
            weight_decay=0.01, nesterov=False, maximize=True,
        )  # fmt: skip
        return (p,)

    def momentum(*a: Array) -> tuple[Array, ...]:
        p, g, b = (np.array(v, order="C") for v in a)
        backend.sgd_step(
            [p, p[:1].copy()], [g, g[:1].copy()], [b, b[:1].copy()], first=False, lr=0.1,
            momentum=0.9, dampening=0.1, weight_decay=0.01, nesterov=False, maximize=False,
        )  # fmt: skip
        return p, b

    def adam(*a: Array) -> tuple[Array, ...]:
        p, g, m, v, top = (np.array(w, order="C") for w in a)
        backend.adam_step(
            [p], [g], [m], [v], [top], step=3, lr=0.1, beta1=0.9, beta2=0.99, eps=1e-8,
            weight_decay=0.1, decoupled=True, maximize=False,
        )  # fmt: skip
        return p, m, v, top

    shape = (sizes.rows, sizes.length)
    yield "sgd_step", sgd, tuple(normal(*shape) for _ in range(2))
    yield "sgd_step with momentum", momentum, tuple(normal(*shape) for _ in range(3))
    squares = tuple(np.abs(normal(*shape)) for _ in range(2))
    yield "adam_step", adam, (*(normal(*shape) for _ in range(3)), *squares)
