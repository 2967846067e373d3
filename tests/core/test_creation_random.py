"""Tensors of random numbers, against PyTorch's."""

import numpy as np
import pytest

from fastnn import creation, dtypes
from fastnn.random import Generator
from fastnn.tensor import wrap


def data_of(made):
    return made._data


def calls(*table):
    """Parametrise over calls of either package."""
    return pytest.mark.parametrize("call", table, ids=[str(i) for i in range(len(table))])


# -- random ----------------------------------------------------------------------------------


@calls(
    lambda t: t.rand(2, 3),
    lambda t: t.rand((17,), dtype=t.float64),
    lambda t: t.rand_like(t.zeros(3, 4)),
    lambda t: t.rand(3, generator=t.Generator().manual_seed(9), requires_grad=True),
    lambda t: t.randint(10, (3, 4)),
    lambda t: t.randint(-5, 10, (3, 4)),
    lambda t: t.randint(high=10, size=(3,)),
    lambda t: t.randint(low=4, high=10, size=(3,)),
    lambda t: t.randint(4, high=10, size=(3,)),
    lambda t: t.randint(10, size=(3,)),
    lambda t: t.randint(10, [3], dtype=t.float32),
    lambda t: t.randint_like(t.zeros(5), 9),
    lambda t: t.randint_like(t.zeros(5, dtype=t.int64), 3, 9),
    lambda t: t.randperm(20),
    lambda t: t.randperm(5, dtype=t.float32),
    lambda t: t.randperm(5, generator=t.Generator().manual_seed(9)),
    lambda t: t.bernoulli(t.linspace(0, 1, 50)),
    lambda t: t.bernoulli(t.linspace(0, 1, 50, dtype=t.float64)),
    lambda t: t.bernoulli(t.zeros(50), 0.4),
)
def test_random_numbers_are_pytorchs(assert_same, call):
    assert_same(call)


@calls(
    lambda t: t.randn(7),
    lambda t: t.randn(5, 7),
    lambda t: t.randn(37, dtype=t.float64),
    lambda t: t.randn_like(t.zeros(4, 5)),
    lambda t: t.normal(2.0, 0.5, (4, 5)),
    lambda t: t.normal(2, 3, size=(3,), dtype=t.float64),
    lambda t: t.normal(t.arange(20.0), 0.5),
    lambda t: t.normal(1.0, t.arange(20.0)),
    lambda t: t.normal(t.arange(3.0), t.ones(2, 1)),
    lambda t: t.normal(t.zeros(2, 9), generator=t.Generator().manual_seed(9)),
)
def test_normal_numbers_are_pytorchs_to_a_few_ulps(assert_same, call):
    assert_same(call, rtol=1e-6, atol=1e-6)


def test_generators_must_be_generators():
    for make in (
        lambda g: creation.rand(2, generator=g),
        lambda g: creation.randperm(2, generator=g),
        lambda g: creation.bernoulli(creation.ones(2), generator=g),
    ):
        with pytest.raises(TypeError, match=r"must be fastnn\.Generator, not int"):
            make(3)


@pytest.mark.parametrize("arguments", [(), (3,), (1, 2, 3, (2,)), (3, 4), (1, 2, "ab")])
def test_randint_needs_its_arguments(arguments):
    with pytest.raises(TypeError, match=r"randint\(\) takes"):
        creation.randint(*arguments)


def test_randperm_of_a_narrow_type():
    assert sorted(data_of(creation.randperm(128, dtype=dtypes.int8))) == list(range(128))
    with pytest.raises(RuntimeError, match="value cannot be converted to type int8"):
        creation.randperm(129, dtype=dtypes.int8)


def test_normal_with_a_size_and_a_tensor():
    with pytest.raises(TypeError, match="only goes with numbers"):
        creation.normal(creation.zeros(2), 1.0, (2,))


@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial_follows_the_weights(replacement):
    weights = np.array([[1.0, 2, 0, 5], [4, 0, 0, 4]])
    generator = Generator().manual_seed(1)
    rows = wrap(np.repeat(weights, 4000, axis=0))
    found = data_of(creation.multinomial(rows, 1, replacement, generator=generator))
    assert found.shape == (8000, 1)
    assert found.dtype == np.int64
    for row, expected in zip(found.reshape(2, -1), weights, strict=True):
        share = np.bincount(row, minlength=4) / 4000
        np.testing.assert_allclose(share, expected / expected.sum(), atol=0.04)
        assert not share[expected == 0].any()


def test_multinomial_without_replacement_draws_each_once():
    found = data_of(creation.multinomial(creation.ones(50), 50))
    assert sorted(found.tolist()) == list(range(50))
    with_replacement = data_of(creation.multinomial(creation.ones(50), 200, replacement=True))
    assert with_replacement.shape == (200,)
    assert with_replacement.max() < 50


def test_state_of_the_default_generator():
    state = creation.get_rng_state()
    first = data_of(creation.rand(3))
    creation.set_rng_state(state)
    np.testing.assert_array_equal(data_of(creation.rand(3)), first)
    with pytest.raises(RuntimeError, match="RNG state is wrong size"):
        creation.set_rng_state(creation.zeros(3))
