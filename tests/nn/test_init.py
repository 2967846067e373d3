"""nn.init against PyTorch: equal seeds, equal values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

FILLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "uniform_": ((-2.0, 3.0), {}),
    "constant_": ((1.5,), {}),
    "ones_": ((), {}),
    "zeros_": ((), {}),
    "eye_": ((), {}),
    "xavier_uniform_": ((), {"gain": 1.7}),
    "kaiming_uniform_": ((), {"a": 0.3, "mode": "fan_out"}),
}
NORMAL: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "normal_": ((1.0, 2.0), {}),
    "xavier_normal_": ((), {}),
    "kaiming_normal_": ((), {"nonlinearity": "relu"}),
    "orthogonal_": ((), {"gain": 2.0}),
}


def fill(lib: Any, name: str, array: Any) -> Any:
    args, kwargs = {**FILLS, **NORMAL}[name]
    lib.manual_seed(42)
    return getattr(lib.nn.init, name)(lib.tensor(array), *args, **kwargs)


@pytest.mark.parametrize("name", FILLS)
@pytest.mark.parametrize("shape", [(5, 7), (33, 40)], ids=str)
def test_equal_bits(both: Any, dtype: Any, name: str, shape: Any) -> None:
    ours, theirs = (fill(lib, name, np.empty(shape, dtype)) for lib in (both.ours, both.theirs))
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("name", NORMAL)
@pytest.mark.parametrize("shape", [(3, 4), (12, 7), (5, 30)], ids=str)
def test_equal_to_rounding(both: Any, dtype: Any, name: str, shape: Any) -> None:
    ours, theirs = (fill(lib, name, np.empty(shape, dtype)) for lib in (both.ours, both.theirs))
    limit = 1e-4 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=limit)


LAYERS: dict[str, Any] = {
    "Linear": lambda nn, dtype: nn.Linear(17, 23, dtype=dtype),
    "Linear without inputs' bias": lambda nn, dtype: nn.Linear(17, 23, bias=False, dtype=dtype),
    "Conv2d": lambda nn, dtype: nn.Conv2d(4, 6, (3, 5), groups=2, dtype=dtype),
    "Classifier": lambda nn, dtype: nn.Sequential(
        nn.Conv2d(1, 8, 3, dtype=dtype), nn.ReLU(), nn.Linear(72, 10, dtype=dtype)
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_start_with_pytorchs_values(both: Any, dtype: Any, name: str) -> None:
    states = []
    for lib in (both.ours, both.theirs):
        lib.manual_seed(7)
        states.append(LAYERS[name](lib.nn, lib.dtype(np.dtype(dtype).name)).state_dict())
    ours, theirs = states
    assert list(ours) == list(theirs)
    for key, value in ours.items():
        np.testing.assert_array_equal(value.numpy(), theirs[key].numpy())


def test_default_bounds(both: Any) -> None:
    layer = both.ours.nn.Linear(100, 200)
    for values in (layer.weight.detach().numpy(), layer.bias.detach().numpy()):
        assert np.abs(values).max() <= 0.1
        assert np.abs(values).max() > 0.09
        assert abs(values.mean()) < 0.02


def test_trunc_normal(both: Any) -> None:
    ours = both.ours
    ours.manual_seed(1)
    values = ours.nn.init.trunc_normal_(ours.tensor(np.empty(20_000)), 0.5, 2.0, -1.0, 1.5).numpy()
    assert values.min() >= -1
    assert values.max() <= 1.5
    # Mean and deviation of that distribution by the textbook; six standard errors.
    assert abs(values.mean() - 0.2809) < 6 * 0.71 / np.sqrt(values.size)
    assert abs(values.std() - 0.7025) < 0.02
    with pytest.warns(UserWarning, match="mean is more than 2 std from"):
        ours.nn.init.trunc_normal_(ours.tensor(np.empty(10)), 5.0, 1.0)
    with pytest.raises(RuntimeError, match="trunc_normal_ expects an interval near the mean"):
        ours.nn.init.trunc_normal_(ours.tensor(np.empty(10)), 100.0, 1.0)


@pytest.mark.parametrize("shape", [(8, 3), (3, 8), (4, 2, 3)], ids=str)
def test_orthogonal(both: Any, shape: Any) -> None:
    q = both.ours.nn.init.orthogonal_(both.ours.tensor(np.empty(shape)), gain=3.0).numpy()
    q = q.reshape(shape[0], -1) / 3
    small = q @ q.T if q.shape[0] < q.shape[1] else q.T @ q
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-12)


@pytest.mark.parametrize(
    "args",
    [
        ("linear",),
        ("conv2d",),
        ("sigmoid",),
        ("tanh",),
        ("relu",),
        ("selu",),
        ("leaky_relu",),
        ("leaky_relu", 0.3),
        ("leaky_relu", 0),
    ],
)
def test_gains(both: Any, args: Any) -> None:
    assert both.ours.nn.init.calculate_gain(*args) == both.theirs.nn.init.calculate_gain(*args)


ERRORS: list[Any] = [
    lambda lib: lib.nn.init.calculate_gain("foo"),
    lambda lib: lib.nn.init.calculate_gain("leaky_relu", "a"),
    lambda lib: lib.nn.init.kaiming_uniform_(lib.tensor(np.ones((2, 2))), mode="x"),
    lambda lib: lib.nn.init.kaiming_uniform_(lib.tensor(np.ones(3))),
    lambda lib: lib.nn.init.xavier_normal_(lib.tensor(np.ones(3))),
    lambda lib: lib.nn.init.orthogonal_(lib.tensor(np.ones(3))),
    lambda lib: lib.nn.init.eye_(lib.tensor(np.ones(3))),
    lambda lib: lib.nn.init.uniform_(lib.tensor(np.ones(3)), 3.0, 1.0),
]


@pytest.mark.parametrize("call", ERRORS)
def test_errors(both: Any, call: Any) -> None:
    both.same_error(call)


def test_empty_layers_warn(both: Any) -> None:
    for lib in (both.ours, both.theirs):
        with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
            layer = lib.nn.Linear(0, 3)
        assert layer(lib.tensor(np.ones((2, 0), np.float32))).shape == (2, 3)
