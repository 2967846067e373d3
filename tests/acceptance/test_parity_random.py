"""Random programs, layers, losses and networks give PyTorch's results and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

few = settings(max_examples=40)
many = settings(max_examples=1500)

Step = tuple[str, int, int]


def numbers(seed: int, *shape: int, dtype: str = "float64") -> Any:
    return np.asarray(np.random.RandomState(seed).standard_normal(shape), dtype)


# -- programs --------------------------------------------------------------------------------

#: Every value of a program broadcasts to this.
FULL = (2, 3)
SHAPES = [(2, 3), (1, 3), (3,), (2, 1), ()]


def whole(x: Any) -> Any:
    return x.expand(FULL)


def written(L: Any, x: Any, y: Any) -> Any:
    z = whole(x).clone()
    z[0, 1:] = whole(y)[1, :2]
    z[:, 0] *= 2
    return z


def changed(L: Any, x: Any, y: Any) -> Any:
    z = whole(x) * 1
    return z.mul_(y).add_(x, alpha=2).clamp_(-3, 3)


def unrecorded(L: Any, x: Any, y: Any) -> Any:
    with L.torch.no_grad():
        z = x * y
    return z * x + y.detach()


#: What takes two values that broadcast to FULL, and gives another.
STEPS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "add": lambda L, x, y: x + y,
    "sub": lambda L, x, y: x - y,
    "mul": lambda L, x, y: x * y,
    "div": lambda L, x, y: x / (1 + y.abs()),
    "number": lambda L, x, y: 2 - x * 0.5 + 1 / (3 + y**2),
    "pow": lambda L, x, y: x**2 + (1 + y * y) ** 0.5,
    "tanh": lambda L, x, y: x.tanh() * y,
    "sigmoid": lambda L, x, y: L.torch.sigmoid(x - y),
    "exp": lambda L, x, y: x.tanh().exp() - y,
    "log": lambda L, x, y: (1 + x * x).log() + (2 + y.sigmoid()).sqrt(),
    "relu": lambda L, x, y: L.F.relu(x) - L.F.leaky_relu(y, 0.2),
    "clamp": lambda L, x, y: x.clamp(-0.5, 0.7) + y.clamp(min=0),
    "maximum": lambda L, x, y: L.torch.maximum(x, y) - L.torch.minimum(x, y * 2),
    "where": lambda L, x, y: L.torch.where(x > y, x * 2, y),
    "softmax": lambda L, x, y: whole(x).softmax(1) + whole(y).log_softmax(0),
    "sum": lambda L, x, y: whole(x).sum(0, keepdim=True) - whole(y).sum(),
    "mean": lambda L, x, y: whole(x).mean(1, keepdim=True) * whole(y).mean(0),
    "var": lambda L, x, y: whole(x).var(1, keepdim=True) + whole(y).std(0, unbiased=False),
    "extremes": lambda L, x, y: whole(x).amax(1, keepdim=True) + whole(y).max(0).values,
    "norm": lambda L, x, y: whole(x).norm() + (1 + whole(y).abs()).norm(1, dim=1, keepdim=True),
    "prod": lambda L, x, y: whole(x).prod(0) - whole(y)[:, :1],
    "matmul": lambda L, x, y: whole(x) @ whole(y).T @ whole(x) / 3,
    "mm": lambda L, x, y: L.torch.addmm(whole(x), whole(y), L.torch.mm(whole(y).t(), whole(x))),
    "linear": lambda L, x, y: L.F.linear(whole(x), whole(y).T @ whole(x), whole(y)[0]),
    "cat": lambda L, x, y: L.torch.cat([whole(x), whole(y)], 0)[1:3],
    "stack": lambda L, x, y: L.torch.stack([whole(x), whole(y)]).permute(1, 2, 0)[..., 1],
    "split": lambda L, x, y: whole(x).split(2, 1)[1] - whole(y).split([1, 1])[0],
    "index": lambda L, x, y: whole(x)[[1, 1]] + whole(y)[:, L.torch.tensor([2, 0, 2])],
    "mask": lambda L, x, y: whole(x)[whole(x) > 0].sum() + y,
    "shape": lambda L, x, y: (whole(x).flatten() * whole(y).reshape(-1)).view(FULL),
    "dims": lambda L, x, y: whole(x).unsqueeze(1).transpose(0, 1).squeeze(0) - whole(y).T.T,
    "loss": lambda L, x, y: L.F.mse_loss(whole(x), whole(y)) + L.F.l1_loss(whole(x), whole(y)),
    "labels": lambda L, x, y: L.F.cross_entropy(whole(x), L.torch.tensor([2, 0])) + y,
    "written": written,
    "changed": changed,
    "unrecorded": unrecorded,
}

programs = st.lists(
    st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 20), st.integers(0, 20)),
    min_size=1,
    max_size=6,
)


def execute(L: Any, program: list[Step], leaves: tuple[Any, ...]) -> Any:
    """Run the steps on what there is so far; the result depends on all of it."""
    values = list(leaves)
    for name, i, j in program:
        values.append(STEPS[name](L, values[i % len(values)], values[j % len(values)]).sin())
    total = values[-1].sum()
    for value in values[len(leaves) : -1]:
        total = total + value.mean()
    return [values[-1], total]


def check_program(agree: Any, program: list[Step], shapes: list[tuple[int, ...]]) -> None:
    leaves = [numbers(i, *shape) for i, shape in enumerate(shapes)]
    # every step may make the error of its operands several times larger
    agree(lambda L, *given: execute(L, program, given), *leaves, within=1e-12 * 10 ** len(program))


@pytest.mark.parametrize("name", sorted(STEPS))
@pytest.mark.parametrize("a", SHAPES, ids=str)
def test_one_step(agree: Any, name: str, a: tuple[int, ...]) -> None:
    for b in SHAPES:
        check_program(agree, [(name, 0, 1)], [a, b])
    check_program(agree, [(name, 0, 0)], [a])


@few
@given(program=programs, shapes=st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
def test_programs(agree: Any, program: list[Step], shapes: list[tuple[int, ...]]) -> None:
    check_program(agree, program, shapes)


@pytest.mark.slow
@many
@given(program=programs, shapes=st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
def test_many_programs(agree: Any, program: list[Step], shapes: list[tuple[int, ...]]) -> None:
    check_program(agree, program, shapes)


# -- layers and losses -----------------------------------------------------------------------


@st.composite
def convolutions(draw: Any) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Arguments of Conv2d, all independent, and the shape of an image that it takes."""
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    groups = draw(st.integers(1, 3))
    kernel, dilation = draw(pair), draw(pair)
    stride = draw(st.integers(1, 3) | pair)
    padding = draw(st.integers(0, 2) | pair | st.sampled_from(["valid", "same"]))
    if padding == "same":
        stride = 1
    how = {
        "in_channels": groups * draw(st.integers(1, 4)),
        "out_channels": groups * draw(st.integers(1, 4)),
        "kernel_size": kernel,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "bias": draw(st.booleans()),
        "padding_mode": draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"])),
    }
    size = [draw(st.integers(d * (k - 1) + 4, 16)) for k, d in zip(kernel, dilation, strict=True)]
    batch = draw(st.sampled_from([(), (1,), (3,)]))
    return how, (*batch, how["in_channels"], *size)


LOSSES = ["MSELoss", "L1Loss", "CrossEntropyLoss", "NLLLoss", "BCEWithLogitsLoss"]


@st.composite
def losses(draw: Any) -> tuple[str, dict[str, Any], list[Any]]:
    """The name of a loss, its arguments, and what it compares."""
    name = draw(st.sampled_from(LOSSES))
    reduction = draw(st.sampled_from(["mean", "sum", "none"]))
    count, places = draw(st.integers(1, 5)), draw(st.lists(st.integers(1, 4), max_size=2))
    batch = draw(st.integers(0, 5))
    seed = draw(st.integers(0, 99))
    shape = (batch, count, *places)
    how: dict[str, Any] = {"reduction": reduction}
    x = numbers(seed, *shape) * 3
    if name in ("MSELoss", "L1Loss"):
        return name, how, [x, numbers(seed + 1, *shape)]
    if draw(st.booleans()):
        how["weight"] = np.abs(numbers(seed + 2, count)) + 0.1
    if name == "BCEWithLogitsLoss":
        if "weight" in how:
            how["weight"] = np.abs(numbers(seed + 2, *shape[1:]))
        return name, how, [x, np.random.RandomState(seed).random_sample(shape)]
    labels = np.random.RandomState(seed).randint(0, count, (batch, *places))
    how["ignore_index"] = draw(st.sampled_from([-100, 0, 2]))
    if name == "NLLLoss":
        return name, how, [x, labels]
    how["label_smoothing"] = draw(st.sampled_from([0.0, 0.1]))
    if draw(st.booleans()):
        how["ignore_index"] = -100
        p = np.exp(x)
        return name, how, [x, p / p.sum(1, keepdims=True)]
    return name, how, [x, labels]


def check_convolution(agree: Any, how: dict[str, Any], shape: tuple[int, ...], dtype: str) -> None:
    def call(L: Any, x: Any, *parameters: Any) -> Any:
        layer = L.nn.Conv2d(**how, dtype=getattr(L.torch, dtype))
        # as leaves of agree's, so that their gradients are compared
        for name, parameter in zip(list(layer._parameters), parameters, strict=False):
            del layer._parameters[name]
            setattr(layer, name, parameter)
        return layer(x)

    weight = (how["out_channels"], how["in_channels"] // how["groups"], *how["kernel_size"])
    arrays = [numbers(1, *shape, dtype=dtype), numbers(2, *weight, dtype=dtype)]
    if how["bias"]:
        arrays.append(numbers(3, how["out_channels"], dtype=dtype))
    agree(call, *arrays, names=len(shape) == 4)


def check_loss(agree: Any, name: str, how: dict[str, Any], arrays: list[Any]) -> None:
    def call(L: Any, *given: Any) -> Any:
        made = {k: L.tensor(v) if isinstance(v, np.ndarray) else v for k, v in how.items()}
        return getattr(L.nn, name)(**made)(*given)

    agree(call, *arrays, names=False)


dtypes = st.sampled_from(["float32", "float64"])


@few
@given(case=convolutions(), dtype=dtypes)
def test_convolutions(agree: Any, case: Any, dtype: str) -> None:
    check_convolution(agree, *case, dtype)


@few
@given(case=losses())
def test_losses(agree: Any, case: Any) -> None:
    check_loss(agree, *case)


@pytest.mark.slow
@many
@given(case=convolutions(), dtype=dtypes)
def test_many_convolutions(agree: Any, case: Any, dtype: str) -> None:
    check_convolution(agree, *case, dtype)


@pytest.mark.slow
@many
@given(case=losses())
def test_many_losses(agree: Any, case: Any) -> None:
    check_loss(agree, *case)


# -- networks --------------------------------------------------------------------------------

LAYERS: dict[str, Callable[[Any], Any]] = {
    "Conv2d": lambda nn: nn.Conv2d(3, 3, 3, padding=1),
    "Conv2d same": lambda nn: nn.Conv2d(3, 3, 2, padding="same", groups=3),
    "MaxPool2d": lambda nn: nn.MaxPool2d(3, 1, 1),
    "AvgPool2d": lambda nn: nn.AvgPool2d(3, 1, 1),
    "ReLU": lambda nn: nn.ReLU(),
    "ReLU in place": lambda nn: nn.Sequential(nn.Identity(), nn.LeakyReLU(0.1), nn.ReLU(True)),
    "LeakyReLU": lambda nn: nn.LeakyReLU(),
    "Sigmoid": lambda nn: nn.Sigmoid(),
    "Tanh": lambda nn: nn.Tanh(),
    "Softmax": lambda nn: nn.Softmax(1),
    "LogSoftmax": lambda nn: nn.LogSoftmax(-1),
    "Dropout": lambda nn: nn.Dropout(0.4),
    "Linear": lambda nn: nn.Linear(4, 4),
    "Flatten": lambda nn: nn.Sequential(
        nn.Flatten(), nn.Linear(60, 60), nn.Unflatten(1, (3, 5, 4))
    ),
}


def check_network(agree: Any, names: list[str], again: int, training: bool) -> None:
    def call(L: Any, x: Any) -> Any:
        L.torch.manual_seed(6)
        layers = [LAYERS[name](L.nn) for name in names]
        layers.append(layers[again % len(layers)])  # one of them is used twice
        net = L.nn.Sequential(*layers).double().train(training)
        out = net(x)
        (out * out).sum().backward()
        gradients = [p.grad for p in net.parameters()]
        return [net(x), *gradients, repr(net), list(net.state_dict())]

    agree(call, numbers(1, 2, 3, 5, 4), names=False)


networks = st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=6)


@few
@given(names=networks, again=st.integers(0, 5), training=st.booleans())
def test_networks(agree: Any, names: list[str], again: int, training: bool) -> None:
    check_network(agree, names, again, training)


@pytest.mark.slow
@many
@given(names=networks, again=st.integers(0, 5), training=st.booleans())
def test_many_networks(agree: Any, names: list[str], again: int, training: bool) -> None:
    check_network(agree, names, again, training)


def test_a_wrong_gradient_is_noticed(agree: Any) -> None:
    def call(L: Any, x: Any) -> Any:
        return x * x.detach() if L.torch.__name__ == "fastnn" else x * x

    with pytest.raises(AssertionError, match="gradient 0"):
        agree(call, numbers(1, 3))
    with pytest.raises(AssertionError, match="result"):
        agree(lambda L, x: x * (1 + 1e-12 * (L.torch.__name__ == "fastnn")), numbers(1, 3))
