"""Tensors of one value or of a series, against PyTorch's; the options of all factories."""

import inspect

import numpy as np
import pytest

from fastnn import creation, dtypes
from fastnn.tensor import wrap

inf, nan = float("inf"), float("nan")


def data_of(made):
    return made._data


def calls(*table):
    """Parametrise over calls of either package."""
    return pytest.mark.parametrize("call", table, ids=[str(i) for i in range(len(table))])


# -- one value, series -----------------------------------------------------------------------


@calls(
    lambda t: t.zeros(2, 3),
    lambda t: t.zeros((2, 3)),
    lambda t: t.zeros([2, 3]),
    lambda t: t.zeros(t.Size([2, 0])),
    lambda t: t.zeros(()),
    lambda t: t.zeros(size=(2,)),
    lambda t: t.zeros(np.int64(2), dtype=t.int64),
    lambda t: t.ones(2, dtype=t.bool),
    lambda t: t.ones(2, 2, requires_grad=True),
    lambda t: t.full((2,), 1),
    lambda t: t.full((2,), 1.5),
    lambda t: t.full([2], True),
    lambda t: t.full((), nan),
    lambda t: t.full((2,), 1.5, dtype=t.int64),
    lambda t: t.full((2,), -1, dtype=t.uint8),
    lambda t: t.full((2,), 1, dtype=t.float64, requires_grad=True),
    lambda t: t.full((2,), t.tensor(2.5)),
    lambda t: t.zeros_like(t.ones(2, 3, dtype=t.int64)),
    lambda t: t.ones_like(t.zeros(2, 3), dtype=t.int32),
    lambda t: t.full_like(t.ones(2), 5, requires_grad=True),
    lambda t: t.full_like(t.ones(2, dtype=t.int64), 5.5),
    lambda t: t.full_like(t.ones(2, dtype=t.bool), 5.5),
    lambda t: t.zeros_like(t.ones(2, requires_grad=True)),
    lambda t: t.arange(5),
    lambda t: t.arange(0),
    lambda t: t.arange(5.0),
    lambda t: t.arange(1, 5),
    lambda t: t.arange(start=1, end=4),
    lambda t: t.arange(1, 2.5, 0.5),
    lambda t: t.arange(5, 0, -1),
    lambda t: t.arange(0, 7, 3),
    lambda t: t.arange(3, 3),
    lambda t: t.arange(0.5, 3.5, dtype=t.int64),
    lambda t: t.arange(2.5, dtype=t.int64),
    lambda t: t.arange(0, 5, dtype=t.uint8),
    lambda t: t.arange(5, dtype=t.float64),
    lambda t: t.arange(2**62, 2**62 + 3),
    lambda t: t.arange(t.tensor(3)),
    lambda t: t.arange(3.0, requires_grad=True),
    lambda t: t.linspace(0, 1, 5),
    lambda t: t.linspace(3, 1, 1),
    lambda t: t.linspace(0, 1, 0),
    lambda t: t.linspace(0, 10, 7, dtype=t.int64),
    lambda t: t.linspace(-5, 5, 4, dtype=t.int64),
    lambda t: t.linspace(0, 9, 11, dtype=t.int32),
    lambda t: t.eye(2),
    lambda t: t.eye(2, 3, dtype=t.int64),
    lambda t: t.eye(3, 2, dtype=t.bool),
    lambda t: t.eye(0),
    lambda t: t.eye(2, requires_grad=True),
)
def test_values(assert_same, call):
    assert_same(call)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "arguments", [(0, 1, 0.001), (0, 100, 0.1), (-3, 7, 0.37), (1, 0, -0.01), (0, 1, 0.1)]
)
def test_floating_series_to_the_last_bit(assert_same, dtype, arguments):
    bound = max(map(abs, arguments)) * np.finfo(dtype).eps
    assert_same(lambda t: t.arange(*arguments, dtype=getattr(t, dtype)), atol=bound)
    start, end, _ = arguments
    for steps in (2, 3, 5, 77, 1000):
        assert_same(
            lambda t, n=steps: t.linspace(start, end, n, dtype=getattr(t, dtype)),
            atol=bound,
        )
    assert_same(
        lambda t: t.logspace(0, 3, 7, dtype=getattr(t, dtype)), rtol=8 * np.finfo(dtype).eps
    )
    assert_same(
        lambda t: t.logspace(-2, 2, 5, base=2, dtype=getattr(t, dtype)),
        rtol=8 * np.finfo(dtype).eps,
    )


@calls(
    lambda t: t.ones(-1),
    lambda t: t.empty(2, -3),
    lambda t: t.full((-2,), 1),
    lambda t: t.rand(2, -3),
    lambda t: t.zeros(2**40, 2**40),
    lambda t: t.ones((2**62, 4)),
    lambda t: t.zeros(1.5),
    lambda t: t.zeros("a"),
    lambda t: t.zeros(True),
    lambda t: t.zeros(),
    lambda t: t.full(2, 1.0),
    lambda t: t.full((2,), "a"),
    lambda t: t.full((2,), 300, dtype=t.uint8),
    lambda t: t.full((2,), 1e300),
    lambda t: t.full_like(t.ones(2), -1e300),
    lambda t: t.full_like(t.ones(2, dtype=t.int8), 128),
    lambda t: t.zeros(2, dtype=t.int64, requires_grad=True),
    lambda t: t.zeros_like([1]),
    lambda t: t.zeros_like(t.ones(2, dtype=t.int64), requires_grad=True),
    lambda t: t.arange(5, 0),
    lambda t: t.arange(0, 5, -1),
    lambda t: t.arange(0, 5, 0),
    lambda t: t.arange(0, inf),
    lambda t: t.arange(0, nan),
    lambda t: t.arange(5, dtype=t.bool),
    lambda t: t.arange(3, requires_grad=True),
    lambda t: t.linspace(0, 1, -1),
    lambda t: t.eye(-1),
    lambda t: t.eye(2, -1),
    lambda t: t.rand(2, dtype=t.int64),
    lambda t: t.randn(2, dtype=t.int64),
    lambda t: t.rand_like(t.ones(2, dtype=t.int64)),
    lambda t: t.randint(5, 3, (2,)),
    lambda t: t.randint(0, 300, (2,), dtype=t.uint8),
    lambda t: t.randperm(-1),
    lambda t: t.randperm(2.5),
    lambda t: t.normal(0.0, -1.0, (2,)),
    lambda t: t.normal(t.zeros(2), t.full((2,), -1.0)),
    lambda t: t.bernoulli(t.full((2,), 2.0)),
    lambda t: t.bernoulli(t.ones(2), 2.0),
    lambda t: t.bernoulli(t.ones(2, dtype=t.int64)),
    lambda t: t.multinomial(t.zeros(2), 1),
    lambda t: t.multinomial(t.tensor([1.0, -1.0]), 1),
    lambda t: t.multinomial(t.tensor([1.0, inf]), 1),
    lambda t: t.multinomial(t.ones(2), 3),
    lambda t: t.multinomial(t.ones(2), 0),
)
def test_bad_arguments_fail_as_in_pytorch(assert_fails_alike, call):
    assert_fails_alike(call)


FACTORIES = [
    lambda **options: creation.tensor([1.0], **options),
    lambda **options: creation.empty(2, **options),
    lambda **options: creation.zeros(2, **options),
    lambda **options: creation.ones(2, **options),
    lambda **options: creation.full((2,), 1.0, **options),
    lambda **options: creation.zeros_like(wrap(np.zeros(2)), **options),
    lambda **options: creation.arange(3, **options),
    lambda **options: creation.linspace(0, 1, 3, **options),
    lambda **options: creation.eye(2, **options),
    lambda **options: creation.rand(2, **options),
    lambda **options: creation.randn(2, **options),
    lambda **options: creation.randint(2, (2,), **options),
    lambda **options: creation.randperm(2, **options),
    lambda **options: creation.normal(0, 1, (2,), **options),
]


@pytest.mark.parametrize("make", FACTORIES, ids=map(str, range(len(FACTORIES))))
def test_every_factory_takes_the_options(make):
    made = make(dtype=dtypes.float64, device="cpu", requires_grad=True)
    assert data_of(made).dtype == np.float64
    assert made.requires_grad
    with pytest.raises(RuntimeError, match="there is no device 'cuda'"):
        make(device="cuda")


def test_the_default_type_is_used():
    dtypes.set_default_dtype(dtypes.float64)
    try:
        for make in (
            lambda: creation.tensor([1.5]),
            lambda: creation.tensor([]),
            lambda: creation.zeros(2),
            lambda: creation.full((2,), 1.5),
            lambda: creation.arange(2.5),
            lambda: creation.rand(2),
            lambda: creation.linspace(0, 1, 2),
        ):
            assert data_of(make()).dtype == np.float64
    finally:
        dtypes.set_default_dtype(dtypes.float32)


@pytest.mark.parametrize("name", ["empty_like", "zeros_like", "ones_like", "rand_like"])
def test_likes_keep_the_order_of_memory(torch, name):
    array = np.ones((2, 3, 4), np.float32).transpose(2, 0, 1)
    found = data_of(getattr(creation, name)(wrap(array)))
    expected = getattr(torch, name)(torch.from_numpy(array)).numpy()
    assert found.strides == expected.strides


def test_sizes_twice():
    with pytest.raises(TypeError, match="got sizes twice"):
        creation.zeros(2, size=(3,))


def test_what_is_too_large_is_not_tried(monkeypatch):
    """An overflow is found before NumPy is asked for memory."""
    monkeypatch.setattr(np, "empty", lambda *_: pytest.fail("allocated"))
    for sizes in ((2**61,), (2**31, 2**31), (2**62, 0, 4)):
        with pytest.raises(RuntimeError, match="Storage size calculation overflowed"):
            creation.empty(*sizes, dtype=dtypes.float64)


def test_everything_public_is_documented():
    for name in creation.__all__:
        assert inspect.getdoc(getattr(creation, name)), name
