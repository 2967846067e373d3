"""Activations, dropout, one_hot and the shape layers against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

SHAPES = [(), (1,), (7,), (3, 4), (2, 3, 4), (0, 3), (2, 3, 2, 5)]


def normal(dtype: Any, shape: Any) -> Any:
    return np.asarray(np.random.default_rng(1).standard_normal(shape) * 3, dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["relu", "leaky_relu", "sigmoid", "tanh"])
def test_elementwise(both: Any, dtype: Any, name: str, shape: Any) -> None:
    both.same(lambda lib, x: getattr(lib.F, name)(x), normal(dtype, shape))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax(both: Any, dtype: Any, name: str, shape: Any) -> None:
    for dim in range(-max(len(shape), 1), max(len(shape), 1)):
        both.same(lambda lib, x, dim=dim: getattr(lib.F, name)(x, dim), normal(dtype, shape))


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "sigmoid", "tanh", "softmax"])
def test_extremes(both: Any, dtype: Any, name: str) -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, 1e4, -1e4, 1e-30, -1e-30], dtype)
    args = (0,) if name == "softmax" else ()
    for each in (x, x[[0, 1, 3, 4, 5, 6, 7]], np.append(x, dtype(np.nan))):
        both.same(lambda lib, x: getattr(lib.F, name)(x, *args), each, grad=name != "softmax")


def test_gradient_of_relu_at_nan_and_zero(both: Any) -> None:
    both.same(lambda lib, x: lib.F.relu(x) * 2, np.array([0.0, np.nan, -1.0, 1.0, -0.0]))


@pytest.mark.parametrize("slope", [0.0, 0.2, -0.5, 3.0])
def test_slopes(both: Any, slope: float) -> None:
    both.same(lambda lib, x: lib.F.leaky_relu(x, slope), normal(np.float64, (5, 6)))
    both.same(lambda lib, x: lib.nn.LeakyReLU(slope)(x), normal(np.float64, (5, 6)))


@pytest.mark.parametrize("kind", ["int64", "uint8", "int32"])
def test_integers(both: Any, kind: str) -> None:
    x = np.array([[0, 1, 7], [3, 2, 5]], kind)
    for name in ("relu", "sigmoid", "tanh"):
        both.same(lambda lib, x, name=name: getattr(lib.F, name)(x), x)
    both.same(lambda lib, x: lib.F.softmax(x, 1, dtype=lib.dtype("float64")), x)


def test_softmax_in_another_dtype(both: Any) -> None:
    x = normal(np.float32, (3, 4))
    both.same(lambda lib, x: lib.F.softmax(x, 1, dtype=lib.dtype("float64")), x, terms=10**9)


ERRORS: list[tuple[str, Any, tuple[Any, ...]]] = [
    ("softmax", np.ones((2, 3)), (2,)),
    ("log_softmax", np.ones(()), (1,)),
    ("dropout", np.ones(3), (1.5,)),
    ("dropout", np.ones(3), (-0.1,)),
    ("dropout", np.ones(3, int), (0.5,)),
    ("leaky_relu", np.ones(3, int), ()),
    ("softmax", np.ones(3, int), (0,)),
    ("relu", np.ones(3), (True,)),
    ("relu", np.ones(3, bool), ()),
    ("relu", [1.0], ()),
    ("leaky_relu", [1.0], ()),
    ("dropout", [1.0], ()),
]


@pytest.mark.parametrize(("name", "x", "args"), ERRORS)
def test_errors(both: Any, name: str, x: Any, args: Any) -> None:
    start = None
    if name == "softmax" and x.dtype == int:
        start = '"softmax_lastdim_kernel_impl" not implemented for'
    both.same_error(lambda lib, x: getattr(lib.F, name)(x, *args), x, start=start)


@pytest.mark.parametrize("ndim", range(5))
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_implicit_dimension_warns(both: Any, name: str, ndim: int) -> None:
    text = f"Implicit dimension choice for {name} has been deprecated"

    def call(lib: Any, x: Any) -> Any:
        layer = {"softmax": lib.nn.Softmax, "log_softmax": lib.nn.LogSoftmax}[name]()
        with pytest.warns(UserWarning, match=text):
            a = getattr(lib.F, name)(x)
        with pytest.warns(UserWarning, match=text):
            return a + layer(x)

    both.same(call, normal(np.float64, (2,) * ndim))


@pytest.mark.parametrize("name", ["relu", "leaky_relu"])
def test_in_place(both: Any, name: str) -> None:
    def call(lib: Any, x: Any) -> Any:
        y = x * 2
        z = getattr(lib.F, name)(y, inplace=True)
        assert z is y
        return y * y

    both.same(call, normal(np.float64, (3, 4)))


def test_in_place_layers(both: Any) -> None:
    def call(lib: Any, x: Any) -> Any:
        y = lib.nn.ReLU(inplace=True)(x + 0.5) + lib.nn.LeakyReLU(0.1, inplace=True)(x - 0.5)
        return y + x

    both.same(call, normal(np.float64, (3, 4)))


def test_in_place_change_of_what_backward_needs_is_noticed(both: Any) -> None:
    def call(lib: Any, x: Any) -> None:
        y = lib.F.sigmoid(x)
        lib.F.relu(y, inplace=True)
        y.sum().backward()

    start = "one of the variables needed for gradient computation has been modified"
    both.same_error(call, normal(np.float64, (3,)), start=start)


# -- dropout ---------------------------------------------------------------------------------


def test_dropout_scales_what_it_keeps(both: Any, dtype: Any) -> None:
    ours = both.ours
    ours.manual_seed(3)
    x = ours.tensor(np.ones((200, 300), dtype))
    y = ours.F.dropout(x, 0.3).numpy()
    assert y.dtype == dtype
    assert set(np.unique(y)) == {dtype(0), dtype(1) / dtype(0.7)}
    share = np.mean(y == 0)
    # Six standard deviations.
    assert abs(share - 0.3) < 6 * np.sqrt(0.3 * 0.7 / x.numel())


def test_dropout_uses_one_mask_for_both_directions(both: Any) -> None:
    x = both.ours.tensor(np.linspace(1, 2, 1000)).requires_grad_(True)
    y = both.ours.F.dropout(x, 0.4)
    y.sum().backward()
    np.testing.assert_allclose(y.detach().numpy(), x.detach().numpy() * x.grad.numpy())
    assert y.grad_fn.name() == "MulBackward0"


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_dropout_of_nothing_and_of_all(both: Any, p: float) -> None:
    x = np.array([1.0, -2.0, np.inf])
    both.same(lambda lib, x: lib.F.dropout(x, p) * 1, x)
    both.same(lambda lib, x: lib.F.dropout(x, 0.5, training=False) * 1, x)


def test_dropout_mask_equals_pytorchs(both: Any) -> None:
    def call(lib: Any, x: Any) -> Any:
        lib.manual_seed(11)
        return lib.F.dropout(x, 0.25)

    both.same(call, np.ones((40, 50), np.float32))


def test_dropout_layer(both: Any) -> None:
    layer = both.ours.nn.Dropout(0.9)
    x = both.ours.tensor(np.ones(1000))
    assert (layer(x).numpy() == 0).sum() > 500
    assert layer.eval()(x) is x
    y = both.ours.nn.Dropout(0.9, inplace=True)(x)
    assert y is x
    assert (x.numpy() == 0).sum() > 500


# -- one_hot and shapes ----------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (0, 2)], ids=str)
@pytest.mark.parametrize("classes", [-1, 5, 9])
def test_one_hot(both: Any, shape: Any, classes: int) -> None:
    if 0 in shape:
        classes = abs(classes)  # the number cannot be read off
    index = np.random.default_rng(2).integers(0, 5, shape)
    both.same(lambda lib, x: lib.F.one_hot(x, classes), index)


@pytest.mark.parametrize(
    ("index", "classes"),
    [
        (np.array([0, 1, 2]), 2),
        (np.array([0, -1]), -1),
        (np.array([0.0]), -1),
        (np.array([], int), -1),
        (np.array([1], np.int32), -1),
    ],
    ids=str,
)
def test_one_hot_errors(both: Any, index: Any, classes: int) -> None:
    both.same_error(lambda lib, x: lib.F.one_hot(x, classes), index)


@pytest.mark.parametrize("dims", [(1, -1), (0, -1), (0, 1), (1, 2), (-3, -2), (2, 2)], ids=str)
def test_flatten(both: Any, dims: Any) -> None:
    both.same(lambda lib, x: lib.nn.Flatten(*dims)(x), normal(np.float64, (2, 3, 4, 5)))


def test_flatten_errors(both: Any) -> None:
    both.same_error(lambda lib, x: lib.nn.Flatten()(x), np.ones(3))
    both.same_error(lambda lib, x: lib.nn.Flatten(2, 1)(x), np.ones((2, 3, 4)))


def test_unflatten(both: Any) -> None:
    x = normal(np.float64, (3, 12))
    both.same(lambda lib, x: lib.nn.Unflatten(1, (2, 6))(x), x)
    both.same(lambda lib, x: lib.nn.Unflatten(-1, (3, -1, 2))(x), x)
    with pytest.raises(RuntimeError, match=r"\[5, 2\]"):
        both.ours.nn.Unflatten(1, (5, 2))(both.ours.tensor(x))


@pytest.mark.parametrize("name", ["ReLU", "Sigmoid", "Tanh", "Identity", "LeakyReLU", "Flatten"])
def test_layers_without_arguments(both: Any, name: str) -> None:
    both.same(lambda lib, x: getattr(lib.nn, name)()(x) * 2, normal(np.float32, (3, 4)))


def test_softmax_layers(both: Any) -> None:
    both.same(lambda lib, x: lib.nn.Softmax(1)(x), normal(np.float32, (3, 4)))
    both.same(lambda lib, x: lib.nn.LogSoftmax(dim=0)(x), normal(np.float32, (3, 4)))
