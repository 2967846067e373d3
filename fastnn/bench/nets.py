"""Nets and training steps that run in fastnn and in PyTorch: one text for both."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = ["INPUT_SHAPES", "build", "forward_flops", "inputs", "step_flops", "training_step"]

#: Shape of one sample and number of classes.
INPUT_SHAPES: dict[str, tuple[tuple[int, ...], int]] = {
    "MLP 10-5-5-10": ((10,), 10),
    "MLP 784-256-256-10": ((784,), 10),
    "Classifier 3-3-3-3-10": ((3, 32, 32), 10),
    "LeNet": ((1, 28, 28), 10),
}


def build(name: str, nn: Any) -> Any:
    """The net ``name`` out of the layers of ``nn`` (fastnn.nn or torch.nn)."""
    if name.startswith("MLP "):
        sizes = [int(size) for size in name[4:].split("-")]
        layers: list[Any] = []
        for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            layers += [nn.ReLU()] * (i > 0) + [nn.Linear(fan_in, fan_out)]
        return nn.Sequential(*layers)
    if name == "Classifier 3-3-3-3-10":
        layers = []
        for _ in range(3):
            layers += [nn.Conv2d(3, 3, 3, padding=1), nn.ReLU()]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(3 * 32 * 32, 10))
    if name == "LeNet":
        return nn.Sequential(
            *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
        )
    raise ValueError(f"unknown net {name!r}; choose from {', '.join(INPUT_SHAPES)}")


def inputs(name: str, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """A seeded batch: float32 samples and int64 labels."""
    shape, classes = INPUT_SHAPES[name]
    random = np.random.default_rng(7)
    x = random.standard_normal((batch, *shape), dtype=np.float32)
    return x, random.integers(0, classes, batch)


def _layer_flops(name: str) -> list[float]:
    """Floating-point operations of each product and convolution, forward, of one sample."""
    if name.startswith("MLP "):
        sizes = [int(size) for size in name[4:].split("-")]
        return [2.0 * a * b for a, b in pairwise(sizes)]
    if name == "LeNet":
        layers = [2.0 * 6 * 25 * 28**2, 2.0 * 16 * 6 * 25 * 10**2]
        return layers + [2.0 * a * b for a, b in ((400, 120), (120, 84), (84, 10))]
    return [2.0 * 3 * 3 * 9 * 32**2] * 3 + [2.0 * 3 * 32**2 * 10]


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
