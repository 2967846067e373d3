"""state_dict and load_state_dict."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import fastnn.nn


def build(nn: Any, tensor: Any) -> Any:
    """The same model of either library."""

    class Net(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(2, 3)
            self.b = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
            self.register_buffer("seen", tensor(np.ones(2, np.float32)))
            self.register_buffer("scratch", tensor(np.ones(2, np.float32)), persistent=False)
            self.register_parameter("absent", None)
            self.scale = nn.Parameter(tensor(np.array(2.0, np.float32)))

    return Net()


@pytest.fixture
def net(both: Any) -> Any:
    return build(both.ours.nn, both.ours.tensor)


def values(module: Any) -> dict[str, Any]:
    return {k: v.numpy().copy() for k, v in module.state_dict().items()}


def unchanged(module: Any, before: dict[str, Any]) -> bool:
    return all(np.array_equal(v, before[k]) for k, v in values(module).items())


def test_keys_and_shapes(both: Any, net: Any) -> None:
    theirs = build(both.theirs.nn, both.theirs.tensor).state_dict()
    ours = net.state_dict()
    assert type(ours) is OrderedDict
    assert list(ours) == list(theirs)
    assert [tuple(v.shape) for v in ours.values()] == [tuple(v.shape) for v in theirs.values()]


def test_values_share_memory_and_are_detached(net: Any) -> None:
    state = net.state_dict(prefix="net.")
    weight = state["net.a.weight"]
    assert not weight.requires_grad
    fastnn.nn.init.zeros_(net.a.weight)
    assert not weight.numpy().any()
    assert net.state_dict(keep_vars=True)["a.weight"] is net.a.weight
    into: dict[str, Any] = {"first": 1}
    assert net.state_dict(destination=into) is into
    assert list(into)[:2] == ["first", "scale"]


def test_loading(both: Any, net: Any) -> None:
    other = build(both.ours.nn, both.ours.tensor)
    parameter, version = net.a.weight, net.a.weight._version[0]
    result = net.load_state_dict(other.state_dict())
    assert repr(result) == str(result) == "<All keys matched successfully>"
    assert result == ([], [])
    assert net.a.weight is parameter
    assert parameter._version[0] > version
    assert unchanged(net, values(other))
    fastnn.nn.init.zeros_(other.a.weight)
    assert net.a.weight.detach().numpy().any()


def test_arrays_and_other_dtypes(net: Any) -> None:
    state = {k: v.astype(np.float64) + 1 for k, v in values(net).items()}
    net.load_state_dict(state)
    assert net.a.weight.detach().numpy().dtype == np.float32
    np.testing.assert_allclose(net.a.weight.detach().numpy(), state["a.weight"], rtol=1e-6)


def test_a_scalar_from_one_dimension(net: Any) -> None:
    net.load_state_dict({**values(net), "scale": np.array([7.0])})
    assert net.scale.item() == 7


def wrong_state(lib: Any) -> dict[str, Any]:
    state = dict(build(lib.nn, lib.tensor).state_dict())
    del state["a.weight"], state["b.0.bias"]
    state["foo"] = lib.tensor(np.ones(1))
    state["b.x.y"] = lib.tensor(np.ones(1))
    state["a.bias"] = lib.tensor(np.ones(7))
    state["b.0.weight"] = lib.tensor(np.ones((2, 2)))
    return state


@pytest.mark.parametrize("strict", [True, False])
def test_the_error_lists_everything_and_changes_nothing(both: Any, net: Any, strict: bool) -> None:
    theirs = build(both.theirs.nn, both.theirs.tensor)
    with pytest.raises(RuntimeError) as expected:
        theirs.load_state_dict(wrong_state(both.theirs), strict=strict)
    before = values(net)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(wrong_state(both.ours), strict=strict)
    assert str(caught.value) == str(expected.value).replace("torch.", "fastnn.")
    assert unchanged(net, before)


def test_not_strict(both: Any, net: Any) -> None:
    state = wrong_state(both.ours)
    del state["a.bias"], state["b.0.weight"]
    state["seen"] = np.array([3.0, 4.0])
    result = net.load_state_dict(state, strict=False)
    assert result.missing_keys == ["a.weight", "a.bias", "b.0.weight", "b.0.bias"]
    assert result.unexpected_keys == ["foo", "b.x.y"]
    assert repr(result).startswith("_IncompatibleKeys(missing_keys=['a.weight'")
    assert net.seen.numpy().tolist() == [3, 4]


@pytest.mark.parametrize("value", [[1, 2], np.array([object()] * 3), np.array(["x"] * 3)])
def test_what_is_no_tensor(net: Any, value: Any) -> None:
    before = values(net)
    with pytest.raises(RuntimeError, match=r'While copying the parameter named "a\.bias"'):
        net.load_state_dict({**values(net), "scale": np.array(9.0), "a.bias": value})
    assert unchanged(net, before)


def test_what_is_no_dict(net: Any) -> None:
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like, got <class 'int'>"):
        net.load_state_dict(3)


def test_assign(net: Any) -> None:
    state = {k: v.astype(np.float64) for k, v in values(net).items()}
    net.b[0].bias.requires_grad_(False)
    net.load_state_dict(state, assign=True)
    assert net.a.weight.detach().numpy().dtype == np.float64
    assert type(net.a.weight) is fastnn.nn.Parameter
    assert net.a.weight.requires_grad
    assert not net.b[0].bias.requires_grad
    assert net.seen.numpy() is state["seen"]


def test_loading_changes_what_a_backward_needs(net: Any, both: Any) -> None:
    x = both.ours.tensor(np.ones((2, 2), np.float32)).requires_grad_(True)
    y = net.a(x).sum()
    net.load_state_dict(values(net))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()
