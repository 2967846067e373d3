"""Zero-size batches through every layer and loss; NaN and infinity as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Call = Callable[..., Any]

LABELS = np.zeros(0, np.int64)


def zeros(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


def layer(name: str, *args: Any, **kwargs: Any) -> Call:
    """A call of a new layer, after giving its parameters numbers; returns their gradients too."""

    def call(L: Any, *inputs: Any) -> Any:
        module = getattr(L.nn, name)(*args, **kwargs)
        rng = np.random.RandomState(3)
        for parameter in module.parameters():
            drawn = rng.standard_normal(tuple(parameter.shape)).astype(np.float32)
            parameter.data.copy_(L.tensor(drawn))
        out = module(*inputs)
        first = out[0] if isinstance(out, tuple) else out
        if not list(module.parameters()):
            return out
        first.sum().backward()
        return [module(*inputs), *[p.grad for p in module.parameters()]]

    return call


IMAGES = [(0, 4, 6, 6), (0, 4, 7, 5)]
#: layer, shapes of zero-size inputs
EMPTY_LAYERS: dict[str, tuple[Call, list[tuple[int, ...]]]] = {
    "Linear": (layer("Linear", 4, 3), [(0, 4), (2, 0, 4), (0, 0, 4)]),
    "Linear without bias": (layer("Linear", 4, 3, bias=False), [(0, 4)]),
    "Conv2d": (layer("Conv2d", 4, 6, 3), IMAGES),
    "Conv2d, groups": (layer("Conv2d", 4, 6, 3, 2, 1, groups=2), IMAGES),
    "Conv2d, dilation": (layer("Conv2d", 4, 2, 2, dilation=2, bias=False), IMAGES),
    "Conv2d, same": (layer("Conv2d", 4, 6, 3, padding="same"), IMAGES),
    "Conv2d, replicate": (layer("Conv2d", 4, 6, 3, padding=1, padding_mode="replicate"), IMAGES),
    "MaxPool2d": (layer("MaxPool2d", 2), IMAGES),
    "MaxPool2d, indices": (layer("MaxPool2d", 3, 2, 1, return_indices=True), IMAGES),
    "AvgPool2d": (layer("AvgPool2d", 2), IMAGES),
    "Flatten": (layer("Flatten"), [*IMAGES, (0, 3)]),
    "ReLU": (layer("ReLU"), [(0,), (0, 3), (2, 0)]),
    "LeakyReLU": (layer("LeakyReLU"), [(0,), (0, 3), (2, 0)]),
    "Sigmoid": (layer("Sigmoid"), [(0,), (0, 3), (2, 0)]),
    "Tanh": (layer("Tanh"), [(0,), (0, 3), (2, 0)]),
    "Softmax": (layer("Softmax", 1), [(0, 3), (2, 0), (0, 3, 2)]),
    "LogSoftmax": (layer("LogSoftmax", -1), [(0, 3), (2, 0), (0, 3, 2)]),
    "Dropout": (layer("Dropout", 0.5), [(0,), (0, 3)]),
    "Identity": (layer("Identity"), [(0, 3)]),
}


@pytest.mark.parametrize("name", EMPTY_LAYERS)
def test_no_samples_through_a_layer(agree: Any, backend: Any, name: str) -> None:
    call, shapes = EMPTY_LAYERS[name]
    for shape in shapes:
        agree(call, zeros(*shape), names=False)


LOSSES: dict[str, tuple[str, list[Any]]] = {
    "MSELoss": ("MSELoss", [zeros(0, 3), zeros(0, 3)]),
    "L1Loss": ("L1Loss", [zeros(0, 3), zeros(0, 3)]),
    "CrossEntropyLoss": ("CrossEntropyLoss", [zeros(0, 3), LABELS]),
    "CrossEntropyLoss of images": (
        "CrossEntropyLoss",
        [zeros(0, 3, 2, 2), np.zeros((0, 2, 2), int)],
    ),
    "CrossEntropyLoss of probabilities": ("CrossEntropyLoss", [zeros(0, 3), zeros(0, 3)]),
    "NLLLoss": ("NLLLoss", [zeros(0, 3), LABELS]),
    "BCEWithLogitsLoss": ("BCEWithLogitsLoss", [zeros(0, 3), zeros(0, 3)]),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_no_samples_through_a_loss(agree: Any, backend: Any, name: str, reduction: str) -> None:
    loss, arrays = LOSSES[name]
    agree(layer(loss, reduction=reduction), *arrays, names=False)


def test_a_network_takes_no_samples_and_stays_as_it_is(ours: Any, backend: Any) -> None:
    nn, torch = ours.nn, ours.torch
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10)
    )
    optimizer = ours.optim.Adam(net.parameters(), lr=0.1)
    before = {name: value.numpy().copy() for name, value in net.state_dict().items()}
    loss = nn.CrossEntropyLoss(reduction="sum")(net(torch.zeros(0, 3, 8, 8)), ours.tensor(LABELS))
    assert loss.item() == 0
    loss.backward()
    optimizer.step()
    for name, parameter in net.named_parameters():
        assert parameter.grad.shape == parameter.shape
        assert not parameter.grad.numpy().any()
        np.testing.assert_array_equal(parameter.detach().numpy(), before[name])


EMPTY_OPERATIONS: dict[str, tuple[Call, list[Any]]] = {
    "no features": (lambda L, x, w, b: L.F.linear(x, w, b), [zeros(2, 0), zeros(3, 0), zeros(3)]),
    "no outputs": (lambda L, x, w: L.F.linear(x, w), [zeros(2, 3), zeros(0, 3)]),
    "matmul": (lambda L, a, b: a @ b, [zeros(0, 3), zeros(3, 2)]),
    "inner size": (lambda L, a, b: a @ b, [zeros(2, 0), zeros(0, 3)]),
    "batches": (lambda L, a, b: a @ b, [zeros(0, 2, 3), zeros(0, 3, 4)]),
    "dot": (lambda L, a, b: L.torch.dot(a, b), [zeros(0), zeros(0)]),
    "arithmetic": (lambda L, a, b: (a + b) * a / (b + 1) - b, [zeros(0, 3), zeros(3)]),
    "reductions": (lambda L, a: [a.sum(), a.sum(0), a.mean(1), a.prod(1), a.norm()], [zeros(0, 3)]),
    "mean of nothing": (lambda L, a: a.mean(), [zeros(0, 3)]),
    "shapes": (
        lambda L, a: [a.reshape(3, 0), a.T, a.flatten(), a.unsqueeze(0), a.expand(2, 0, 3)],
        [zeros(0, 3)],
    ),
    "joined": (lambda L, a, b: L.torch.cat([a, b, a]), [zeros(0, 3), zeros(2, 3)]),
    "stacked": (lambda L, a: L.torch.stack([a, a], 1), [zeros(0, 3)]),
    "split": (lambda L, a: L.torch.split(a, 2, 1), [zeros(0, 3)]),
    "indexed": (lambda L, a: [a[:0], a[:, []], a[a[:, 0] > 5]], [zeros(2, 3)]),
    "functions": (
        lambda L, a: [a.exp(), a.log(), a.sqrt(), a.abs(), a.tanh(), a.sigmoid(), a.clamp(0, 1)],
        [zeros(0, 3)],
    ),
    "chosen": (lambda L, a, b: L.torch.where(a > b, a, b), [zeros(0, 3), zeros(3)]),
}


@pytest.mark.parametrize("name", EMPTY_OPERATIONS)
def test_operations_on_nothing(agree: Any, backend: Any, name: str) -> None:
    call, arrays = EMPTY_OPERATIONS[name]
    agree(call, *arrays, names=False)


# -- NaN and infinity ------------------------------------------------------------------------

NAN, INF = np.nan, np.inf
ROW = np.array([[1, -2, 0, 3], [NAN, 1, 2, -1], [INF, 1, -1, 0], [-INF, 0, 1, 2]])
MORE = np.array([[INF, INF, 0, 1], [-INF, -INF, -INF, -INF], [NAN, INF, -INF, 0]])


def image() -> Any:
    x = np.random.RandomState(1).standard_normal((2, 2, 9, 9))
    x[0, 0, 1, 1], x[0, 1, 4, 4], x[1, 0, 7, 2], x[1, 1, 0, 8] = NAN, INF, -INF, NAN
    x[1, 1, 4:] = -INF
    return x


def filters() -> Any:
    return np.random.RandomState(2).standard_normal((3, 2, 3, 3))


TRAVELS: dict[str, tuple[Call, list[Any]]] = {
    "relu": (lambda L, x: L.F.relu(x), [ROW]),
    "leaky_relu": (lambda L, x: L.F.leaky_relu(x, 0.1), [ROW]),
    "sigmoid and tanh": (lambda L, x: [x.sigmoid(), x.tanh()], [ROW]),
    "softmax": (lambda L, x: L.F.softmax(x, 1), [ROW]),
    "softmax of infinities": (lambda L, x: L.F.softmax(x, 1), [MORE]),
    "log_softmax": (lambda L, x: L.F.log_softmax(x, 1), [ROW]),
    "log_softmax of infinities": (lambda L, x: L.F.log_softmax(x, 1), [MORE]),
    "max_pool2d": (lambda L, x: L.F.max_pool2d(x, 2), [image()]),
    "max_pool2d, overlapping": (
        lambda L, x: L.F.max_pool2d(x, 3, 1, 1, return_indices=True),
        [image()],
    ),
    "avg_pool2d": (lambda L, x: L.F.avg_pool2d(x, 3, 2), [image()]),
    "conv2d": (lambda L, x, w: L.F.conv2d(x, w, padding=1), [image(), filters()]),
    "conv2d, stride": (lambda L, x, w: L.F.conv2d(x, w, stride=2), [image(), filters()]),
    "linear": (lambda L, x, w, b: L.F.linear(x, w, b), [ROW, ROW[:3], ROW[1, :3]]),
    "matmul": (lambda L, x, y: x @ y, [ROW, MORE.T.copy()]),
    "arithmetic": (lambda L, x, y: [x + y, x - y, x * y, x / y], [ROW, ROW[:, ::-1].copy()]),
    "powers": (lambda L, x: [x**2, x.abs(), x.exp()], [ROW]),
    "logarithm": (lambda L, x: [x.log(), x.sqrt()], [ROW]),
    "clamp": (lambda L, x: x.clamp(-1, 1), [ROW]),
    "maximum": (lambda L, x, y: [L.torch.maximum(x, y), L.torch.minimum(x, y)], [ROW, -ROW]),
    "extremes": (lambda L, x: [x.amax(1), x.amin(0), x.max(), x.min()], [ROW]),
    "extremes along": (lambda L, x: [*x.max(1), *x.min(0), x.argmax(), x.argmin(1)], [ROW]),
    "reductions": (lambda L, x: [x.sum(1), x.mean(0), x.var(1), x.prod(1), x.norm()], [ROW]),
    "comparison": (lambda L, x: [x > 0, x == x, x != x, x <= x], [ROW]),
    "mse": (lambda L, x, y: L.F.mse_loss(x, y), [ROW, ROW[::-1].copy()]),
    "l1": (lambda L, x, y: L.F.l1_loss(x, y, reduction="none"), [ROW, ROW[::-1].copy()]),
    "cross entropy": (
        lambda L, x, y: L.F.cross_entropy(x, y, reduction="none"),
        [ROW, np.array([1, 0, 2, 3])],
    ),
    "binary cross entropy": (
        lambda L, x, y: L.F.binary_cross_entropy_with_logits(x, y, reduction="none"),
        [ROW, np.abs(np.sin(np.arange(16.0).reshape(4, 4)))],
    ),
}


@pytest.mark.parametrize("name", TRAVELS)
def test_travels_as_in_pytorch(agree: Any, backend: Any, dtype: Any, name: str) -> None:
    call, arrays = TRAVELS[name]
    agree(call, *[a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays], names=False)


KERNELS = ("relu", "softmax", "log_softmax", "max_pool2d", "avg_pool2d", "conv2d", "arithmetic")


@pytest.mark.parametrize("name", [name for name in TRAVELS if name.startswith(KERNELS)])
def test_travels_on_every_instruction_set(agree: Any, isa: str, dtype: Any, name: str) -> None:
    call, arrays = TRAVELS[name]
    agree(call, *[a.astype(dtype) for a in arrays], names=False)


@pytest.mark.parametrize("name", ["conv2d", "conv2d, stride"])
def test_travels_through_every_algorithm(
    agree: Any, isa: str, algorithm: str, dtype: Any, name: str
) -> None:
    call, arrays = TRAVELS[name]
    agree(call, *[a.astype(dtype) for a in arrays], names=False)
