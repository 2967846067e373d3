"""Training gives the same weights, bit for bit, with any number of threads.

The layers are large enough that the work is cut into several tasks; with more threads than
processors they also finish in ever other orders.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from forked import needs_fork, workers_used

import fastnn
import fastnn.nn.functional as F
from fastnn import nn, optim

COUNTS = (1, 2, 3, 7)
STEPS = 3


@pytest.fixture
def _threads_put_back() -> Iterator[None]:
    before = fastnn.get_num_threads()
    yield
    fastnn.set_num_threads(before)


def convnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(),
        nn.Conv2d(24, 36, 3, stride=2, padding=1), nn.Tanh(), nn.AvgPool2d(3, 2),
        nn.Flatten(), nn.Linear(36 * 4 * 4, 70), nn.Sigmoid(), nn.Linear(70, 10),
    )  # fmt: skip


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(3 * 37 * 37, 130), nn.ReLU(), nn.Linear(130, 90), nn.ReLU(),
        nn.Linear(90, 10),
    )  # fmt: skip


def trained(build: Callable[[], nn.Module], dtype: fastnn.dtype, threads: int) -> list[bytes]:
    """Losses and weights after some steps of Adam from equal beginnings."""
    fastnn.set_num_threads(threads)
    fastnn.manual_seed(3)
    net = build().to(dtype)
    images = fastnn.randn(33, 3, 37, 37, dtype=dtype)
    labels = fastnn.randint(0, 10, (33,))
    optimizer = optim.Adam(net.parameters(), lr=0.01, weight_decay=0.01)
    seen = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        seen.append(loss.detach().numpy().tobytes())
    assert all(np.isfinite(p.detach().numpy()).all() for p in net.parameters())
    return seen + [p.detach().numpy().tobytes() for p in net.parameters()]


@pytest.mark.usefixtures("_threads_put_back")
@pytest.mark.parametrize("kind", [fastnn.float32, fastnn.float64], ids=str)
@pytest.mark.parametrize("algorithm", ["auto", "direct", "im2col", "batch"])
def test_convnet(algorithm: str, kind: fastnn.dtype) -> None:
    with fastnn.conv_algorithm(algorithm):
        alone = trained(convnet, kind, COUNTS[0])
        assert len(set(alone[:STEPS])) == STEPS, "nothing was learnt"
        for count in COUNTS[1:]:
            assert trained(convnet, kind, count) == alone, f"{count} threads"


@pytest.mark.usefixtures("_threads_put_back")
@pytest.mark.parametrize("kind", [fastnn.float32, fastnn.float64], ids=str)
def test_mlp(kind: fastnn.dtype) -> None:
    alone = trained(mlp, kind, COUNTS[0])
    for count in COUNTS[1:]:
        assert trained(mlp, kind, count) == alone, f"{count} threads"


@needs_fork
@pytest.mark.usefixtures("_threads_put_back")
@pytest.mark.parametrize("build", [convnet, mlp])
def test_the_work_is_shared_out(build: Callable[[], nn.Module]) -> None:
    assert workers_used(lambda: trained(build, fastnn.float32, 3)) == 2
