"""Ten steps from equal weights give PyTorch's losses, weights and states."""

from __future__ import annotations

import numpy as np
import pytest

import fastnn
from fastnn import optim

SGD = [
    {},
    {"lr": 0.1},
    {"lr": 0.05, "momentum": 0.9},
    {"lr": 0.05, "momentum": 0.9, "dampening": 0.3},
    {"lr": 0.05, "momentum": 0.9, "nesterov": True},
    {"lr": 0.05, "weight_decay": 0.1},
    {"lr": 0.05, "momentum": 0.8, "weight_decay": 0.1, "nesterov": True},
    {"lr": 0.01, "momentum": 0.5, "weight_decay": 0.1, "maximize": True},
]
ADAM = [
    {},
    {"lr": 0.05},
    {"lr": 0.05, "betas": (0.5, 0.7)},
    {"lr": 0.05, "eps": 1e-2},
    {"lr": 0.05, "weight_decay": 0.2},
    {"lr": 0.05, "amsgrad": True, "betas": (0.5, 0.6)},
    {"lr": 0.05, "maximize": True, "amsgrad": True, "weight_decay": 0.2},
]
RMSPROP = [
    {},
    {"lr": 0.02, "alpha": 0.9},
    {"lr": 0.02, "eps": 1e-2, "weight_decay": 0.1},
    {"lr": 0.01, "momentum": 0.7},
    {"lr": 0.01, "centered": True, "eps": 1e-3},
    {"lr": 0.01, "centered": True, "momentum": 0.5, "maximize": True, "eps": 1e-3},
]
CASES = [
    *[("SGD", settings) for settings in SGD],
    *[("Adam", settings) for settings in ADAM],
    *[("AdamW", settings) for settings in ADAM],
    ("Adam", {"lr": 0.05, "weight_decay": 0.2, "decoupled_weight_decay": True}),
    *[("RMSprop", settings) for settings in RMSPROP],
]
IDS = [f"{name}-{'-'.join(f'{k}={v}' for k, v in settings.items())}" for name, settings in CASES]

SHAPES = [(6, 8), (8,), (8, 3), (3,), ()]
TOLERANCE = {"float64": 1e-9, "float32": 1e-4}


def arrays(dtype):
    rng = np.random.RandomState(3)
    weights = [rng.standard_normal(shape).astype(dtype) for shape in SHAPES]
    x, y = rng.standard_normal((12, 6)).astype(dtype), rng.standard_normal((12, 3)).astype(dtype)
    return weights, x, y


def leaves(lib, weights):
    # A copy: both libraries would train in the arrays themselves.
    return [lib.from_numpy(np.array(w)).requires_grad_() for w in weights]


def loss_of(params, x, y, step):
    """The last parameter gets a gradient in every other step only."""
    w1, b1, w2, b2, scale = params
    out = (x @ w1 + b1).tanh() @ w2 + b2
    if step % 2:
        out = out * scale
    return ((out - y) * (out - y)).mean()


def train(lib, optimizer, params, x, y, steps):
    losses = []
    for step in steps:
        optimizer.zero_grad()
        loss = loss_of(params, lib.from_numpy(x), lib.from_numpy(y), step)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def close(ours, theirs, tolerance):
    theirs = np.asarray(theirs)
    scale = max(1.0, float(np.abs(theirs).max(initial=0.0)))
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=0, atol=tolerance * scale)


def values(params):
    return [p.detach().numpy() for p in params]


@pytest.mark.parametrize("backend", ["native", "reference"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "settings"), CASES, ids=IDS)
def test_losses_weights_and_state(torch, name, settings, dtype, backend):
    weights, x, y = arrays(dtype)
    theirs = leaves(torch, weights)
    their_optimizer = getattr(torch.optim, name)(theirs, foreach=False, **settings)
    their_losses = train(torch, their_optimizer, theirs, x, y, range(10))
    with fastnn.use_backend(backend):
        ours = leaves(fastnn, weights)
        optimizer = getattr(optim, name)(ours, foreach=False, **settings)
        losses = train(fastnn, optimizer, ours, x, y, range(10))

    tolerance = TOLERANCE[dtype]
    assert losses[0] != losses[-1]
    close(losses, their_losses, tolerance)
    for a, b in zip(values(ours), values(theirs), strict=True):
        assert a.dtype == dtype
        close(a, b, tolerance)
    state, their_state = optimizer.state_dict(), their_optimizer.state_dict()
    assert state["param_groups"] == their_state["param_groups"]
    assert state["state"].keys() == their_state["state"].keys()
    for key, entries in their_state["state"].items():
        assert state["state"][key].keys() == entries.keys()
        for entry, value in entries.items():
            mine = state["state"][key][entry]
            assert str(mine.dtype).split(".")[1] == str(value.dtype).split(".")[1]
            close(mine.numpy(), value.numpy(), tolerance)


@pytest.mark.parametrize(("name", "settings"), CASES, ids=IDS)
def test_state_moves_from_torch_and_back(torch, name, settings):
    weights, x, y = arrays("float64")
    theirs = leaves(torch, weights)
    their_optimizer = getattr(torch.optim, name)(theirs, foreach=False, **settings)
    train(torch, their_optimizer, theirs, x, y, range(3))

    ours = leaves(fastnn, values(theirs))
    optimizer = getattr(optim, name)(ours, lr=123.0)
    optimizer.load_state_dict(their_optimizer.state_dict())
    losses = train(fastnn, optimizer, ours, x, y, range(3, 7))
    close(losses, train(torch, their_optimizer, theirs, x, y, range(3, 7)), 1e-9)

    again = leaves(torch, values(ours))
    their_optimizer = getattr(torch.optim, name)(again, lr=123.0)
    state = optimizer.state_dict()
    state["state"] = {
        number: {key: torch.from_numpy(np.array(value.numpy())) for key, value in entries.items()}
        for number, entries in state["state"].items()
    }
    their_optimizer.load_state_dict(state)
    their_losses = train(torch, their_optimizer, again, x, y, range(7, 10))
    close(train(fastnn, optimizer, ours, x, y, range(7, 10)), their_losses, 1e-9)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_param_groups_and_changed_settings(torch, name):
    weights, x, y = arrays("float64")

    def run(lib, module):
        params = leaves(lib, weights)
        groups = [{"params": params[:2], "lr": 0.05}, {"params": params[2:4], "weight_decay": 0.3}]
        optimizer = getattr(module, name)(groups, lr=0.01)
        losses = train(lib, optimizer, params, x, y, range(4))
        optimizer.add_param_group({"params": params[4], "lr": 0.2})
        losses += train(lib, optimizer, params, x, y, range(4, 8))
        for group in optimizer.param_groups:
            group["lr"] *= 0.5
        return losses + train(lib, optimizer, params, x, y, range(8, 12)), repr(optimizer)

    (losses, text), (their_losses, their_text) = run(fastnn, optim), run(torch, torch.optim)
    close(losses, their_losses, 1e-9)
    assert text == their_text


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_tensor_learning_rate_and_named_parameters(torch, name):
    weights, x, y = arrays("float64")

    def run(lib, module):
        params = leaves(lib, weights)
        named = [(f"weight{i}", p) for i, p in enumerate(params)]
        optimizer = getattr(module, name)(
            named, lr=lib.tensor(0.03, dtype=lib.float64), foreach=False
        )
        losses = train(lib, optimizer, params, x, y, range(6))
        return losses, optimizer.state_dict()["param_groups"][0]["param_names"]

    (losses, names), (their_losses, their_names) = run(fastnn, optim), run(torch, torch.optim)
    close(losses, their_losses, 1e-9)
    assert names == their_names


DEFAULTS = ["SGD", "Adam", "AdamW", "RMSprop", "LBFGS"]


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_and_repr(torch, name):
    ours = getattr(optim, name)([fastnn.zeros(2).requires_grad_()])
    theirs = getattr(torch.optim, name)([torch.zeros(2).requires_grad_()])
    assert ours.defaults == theirs.defaults
    assert repr(ours) == repr(theirs)


BAD_SETTINGS = [
    ("SGD", {"lr": -1}),
    ("SGD", {"momentum": -0.5}),
    ("SGD", {"weight_decay": -2}),
    ("SGD", {"nesterov": True}),
    ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
    ("SGD", {"fused": True, "differentiable": True}),
    ("SGD", {"fused": True, "foreach": True}),
    *[
        (name, bad)
        for name in ("Adam", "AdamW")
        for bad in (
            {"lr": -1.0},
            {"eps": -1e-3},
            {"betas": (1.0, 0.9)},
            {"betas": (0.9, -0.1)},
            {"betas": (0, 0.9)},
            {"weight_decay": -0.1},
            {"fused": True, "foreach": True},
        )
    ],
    ("RMSprop", {"lr": -1}),
    ("RMSprop", {"eps": -1}),
    ("RMSprop", {"momentum": -1}),
    ("RMSprop", {"weight_decay": -1}),
    ("RMSprop", {"alpha": -1}),
    ("LBFGS", {"lr": -1}),
]


@pytest.mark.parametrize(("name", "settings"), BAD_SETTINGS)
def test_bad_settings_raise_the_same(torch, name, settings):
    with pytest.raises((ValueError, RuntimeError)) as theirs:
        getattr(torch.optim, name)([torch.zeros(2).requires_grad_()], **settings)
    with pytest.raises(theirs.type) as ours:
        getattr(optim, name)([fastnn.zeros(2).requires_grad_()], **settings)
    assert str(ours.value) == str(theirs.value)
