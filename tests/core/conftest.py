"""Asking fastnn and PyTorch the same question, and comparing what comes out of files."""

import warnings

import numpy as np
import pytest

from fastnn import creation, dtypes
from fastnn.random import Generator, manual_seed
from fastnn.tensor import Tensor


class Mine:
    """``fastnn`` as far as the tables of calls use it."""

    Generator = Generator
    device = dtypes.device
    Size = dtypes.Size
    manual_seed = staticmethod(manual_seed)

    def __getattr__(self, name):
        try:
            return getattr(creation, name)
        except AttributeError:
            return getattr(dtypes, name)


def outcome(call, module):
    """What a call returns, or the exception it raises."""
    module.manual_seed(5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call(module)
        except Exception as error:
            return error


@pytest.fixture
def outcomes(torch):
    """Run a call with fastnn, then with PyTorch."""
    return lambda call: (outcome(call, Mine()), outcome(call, torch))


@pytest.fixture
def assert_same(outcomes):
    """Assert that both give the same values, type, shape and requires_grad."""

    def check(call, **tolerance):
        found, expected = outcomes(call)
        assert isinstance(found, Tensor), found
        assert not isinstance(expected, Exception), expected
        a, b = found._data, expected.detach().numpy()
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, **({"rtol": 0, "atol": 0} | tolerance))
        assert found.requires_grad == expected.requires_grad

    return check


@pytest.fixture
def assert_fails_alike(outcomes):
    """Assert that both raise the same class, and that ours begins with PyTorch's sentence."""

    def check(call):
        found, expected = outcomes(call)
        assert isinstance(found, Exception), found
        assert type(found) is type(expected), (found, expected)
        text = str(expected).split("\n")[0].split(". ")[0].split(", but got")[0].rstrip(".")
        for start in ("value cannot be converted to type ", "Expected p_in >= 0 && p_in <= 1"):
            if text.startswith(start):  # what follows is C's name of the type, or an apology
                text = start
        assert str(found).startswith(text), (str(found), text)

    return check


@pytest.fixture
def assert_equal():
    """Assert that what came out of a file is what went in: types, order, values."""
    return _assert_equal


def _assert_equal(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, Tensor):
        assert found.requires_grad == expected.requires_grad
        found, expected = found._data, expected._data
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        assert found.flags.writeable
        np.testing.assert_array_equal(found, expected, strict=True)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        assert list(map(type, found)) == list(map(type, expected))
        for key in expected:
            _assert_equal(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            _assert_equal(a, b)
    else:
        assert found == expected or (found != found and expected != expected)
