"""Nets and training steps that run in fastnn and in PyTorch: one text for both."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

__all__ = ["NETS", "build", "forward_flops", "inputs", "step_flops", "training_step"]


class Conv(NamedTuple):
    """A square window that moves by one."""

    filters: int
    size: int
    padding: int


class Pool(NamedTuple):
    """The maxima of squares that do not overlap."""

    size: int


class Linear(NamedTuple):
    """After a Flatten where images come in."""

    outputs: int


Layer = Conv | Pool | Linear


def _vgg(*filters: int) -> tuple[Layer, ...]:
    """Two 3x3 convolutions of each number of filters, then 2x2 pooling."""
    blocks = ((Conv(k, 3, 1), Conv(k, 3, 1), Pool(2)) for k in filters)
    return tuple(layer for block in blocks for layer in block)


#: Shape of one sample, and the layers; a ReLU follows each but the last.
NETS: dict[str, tuple[tuple[int, ...], tuple[Layer, ...]]] = {
    "MLP 10-5-5-10": ((10,), (Linear(5), Linear(5), Linear(10))),
    "MLP 784-256-256-10": ((784,), (Linear(256), Linear(256), Linear(10))),
    "Classifier 3-3-3-3-10": ((3, 32, 32), (*[Conv(3, 3, 1)] * 3, Linear(10))),
    "ConvNet 3-32": ((3, 32, 32), (Conv(32, 3, 1), Pool(2), Linear(10))),
    "LeNet": (
        (1, 28, 28),
        (
            *(Conv(6, 5, 2), Pool(2), Conv(16, 5, 0), Pool(2)),
            *(Linear(120), Linear(84), Linear(10)),
        ),
    ),
    "MNIST CNN 32-64": (
        (1, 28, 28),
        (Conv(32, 3, 1), Conv(64, 3, 1), Pool(2), Linear(128), Linear(10)),
    ),
    "CIFAR CNN 64-128-256": ((3, 32, 32), (*_vgg(64, 128, 256), Linear(10))),
}


def _described(name: str) -> Iterator[tuple[Layer, tuple[int, ...], tuple[int, ...]]]:
    """Each layer of the net with the shapes of a sample before and after it."""
    if name not in NETS:
        raise ValueError(f"unknown net {name!r}; choose from {', '.join(NETS)}")
    shape, layers = NETS[name]
    for layer in layers:
        before = shape
        if isinstance(layer, Linear):
            shape = (layer.outputs,)
        elif isinstance(layer, Pool):
            shape = (before[0], *(n // layer.size for n in before[1:]))
        else:
            shape = (layer.filters, *(n + 2 * layer.padding - layer.size + 1 for n in before[1:]))
        yield layer, before, shape


def build(name: str, nn: Any) -> Any:
    """The net ``name`` out of the layers of ``nn`` (fastnn.nn or torch.nn)."""
    layers: list[Any] = []
    for layer, before, _ in _described(name):
        if isinstance(layer, Pool):
            layers.append(nn.MaxPool2d(layer.size))
        elif isinstance(layer, Conv):
            layers += [nn.Conv2d(before[0], *layer[:2], padding=layer.padding), nn.ReLU()]
        else:
            layers += [nn.Flatten()] * (len(before) > 1)
            layers += [nn.Linear(math.prod(before), layer.outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def inputs(name: str, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """A seeded batch: float32 samples and int64 labels."""
    random = np.random.default_rng(7)
    x = random.standard_normal((batch, *NETS[name][0]), dtype=np.float32)
    *_, (_, _, (classes,)) = _described(name)
    return x, random.integers(0, classes, batch)


def _layer_flops(name: str) -> list[float]:
    """Floating-point operations of each product and convolution, forward, of one sample."""
    flops = []
    for layer, before, after in _described(name):
        if isinstance(layer, Linear):
            flops.append(2.0 * math.prod(before) * layer.outputs)
        elif isinstance(layer, Conv):
            flops.append(2.0 * math.prod(after) * before[0] * layer.size**2)
    return flops


def forward_flops(name: str, batch: int) -> float:
    """Floating-point operations of products and convolutions in one forward pass."""
    return batch * sum(_layer_flops(name))


def step_flops(name: str, batch: int) -> float:
    """Of a training step: the gradients of all weights, and of all inputs but the net's own."""
    layers = _layer_flops(name)
    return batch * (3 * sum(layers) - layers[0])


def training_step(torch: Any, net: Any, x: Any, y: Any, **adam: Any) -> Callable[[], Any]:
    """Forward, cross-entropy, backward and Adam, as a training loop writes them."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, **adam)
    loss_function = torch.nn.CrossEntropyLoss()

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_function(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step
