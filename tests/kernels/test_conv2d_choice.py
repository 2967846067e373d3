"""Choices are remembered for the problems met last: each call still does what it was asked to."""

import itertools

import numpy as np
import pytest
from compare import same_bits

from fastnn.backends import _native
from fastnn.backends import native as native_module

native = native_module.backend
rng = np.random.default_rng(5)
X = rng.standard_normal((2, 16, 9, 9), np.float32)
WEIGHT = rng.standard_normal((16, 16, 3, 3), np.float32)
GRAD = rng.standard_normal((2, 16, 9, 9), np.float32)
HOW = ((1, 1), (1, 1, 1, 1), (1, 1), 1)


def compute(isa, threads, dtype, algorithm, precision):
    _native.set_isa(isa)
    _native.set_num_threads(threads)
    x, weight, grad = (array.astype(dtype) for array in (X, WEIGHT, GRAD))
    y = native.conv2d(x, weight, None, *HOW, algorithm, precision)
    wish = ((True, True, False), algorithm, precision)
    return (y, *native.conv2d_backward(grad, x, weight, *HOW, *wish)[:2])


def forget():
    """Meet more problems than are remembered."""
    for width in range(1, 400):
        native.conv2d(
            np.ones((1, 1, 1, width), np.float32),
            np.ones((1, 1, 1, 1), np.float32),
            None,
            (1, 1),
            (0, 0, 0, 0),
            (1, 1),
            1,
        )


@pytest.fixture
def as_before():
    isa, threads = _native.get_isa(), _native.get_num_threads()
    yield
    _native.set_isa(isa)
    _native.set_num_threads(threads)


def test_wishes_in_any_order(as_before):
    wishes = list(
        itertools.product(
            _native.isa_available(),
            (1, 2),
            (np.float32, np.float64),
            ("auto", "direct", "im2col", "batch", "winograd"),
            ("fast", "strict"),
        )
    )
    alone = {}
    for wish in wishes:
        forget()
        alone[wish] = compute(*wish)
    bits = {tuple(array.tobytes() for array in arrays) for arrays in alone.values()}
    assert len(bits) > 8, "wishes that cannot be told apart"
    for i in rng.permutation(np.repeat(np.arange(len(wishes)), 2)):
        got = compute(*wishes[i])
        assert all(same_bits(a, b) for a, b in zip(got, alone[wishes[i]], strict=True)), wishes[i]


def test_what_joins_a_pass_is_not_remembered():
    y = native.conv2d(X, WEIGHT, None, *HOW)
    joined = native.conv2d(X, WEIGHT, None, *HOW, relu=True)
    assert same_bits(joined, native.relu(y))
    assert same_bits(native.conv2d(X, WEIGHT, None, *HOW), y)
    needs = (True, False, False)
    dx, *_ = native.conv2d_backward(GRAD, X, WEIGHT, *HOW, needs)
    gated, *_ = native.conv2d_backward(GRAD, X, WEIGHT, *HOW, needs, gate=X)
    assert same_bits(gated, native.relu_backward(dx, X))
    assert same_bits(native.conv2d_backward(GRAD, X, WEIGHT, *HOW, needs)[0], dx)


def test_what_cannot_be_done_stays_an_error():
    weight = np.ones((16, 16, 2, 2), np.float32)
    for _ in range(3):
        native.conv2d(X, weight, None, *HOW)
        with pytest.raises(RuntimeError, match="'winograd' cannot do input"):
            native.conv2d(X, weight, None, *HOW, "winograd")


def test_a_workspace_is_of_as_many_threads_as_there_are(as_before):
    """Else it would be written beyond its end."""
    x = np.ones((4, 64, 28, 28), np.float32)
    weight = np.ones((64, 64, 3, 3), np.float32)
    large = np.ones((1, 64, 224, 224)), np.ones((64, 64, 3, 3))
    wanted = []
    for threads in (1, 2, 1, 2):
        _native.set_num_threads(threads)
        plan = _native.conv2d_plan(x.shape, weight.shape, *HOW, "forward", "float32", "im2col")
        _native.release_memory()
        y = native.conv2d(x, weight, None, *HOW, "im2col")
        before = _native.cached_bytes()
        z = native.conv2d(*large, None, *HOW, "im2col")  # wants more: the other's is given back
        assert _native.cached_bytes() - before >= plan["workspace"], threads
        wanted.append(plan["workspace"])
        del y, z
    assert wanted[1] > 1.5 * wanted[0], "a workspace that threads do not enlarge"
