"""Whole models beside PyTorch's, and the comparison itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


def classifier(lib: Any, dtype: str) -> Any:
    nn, F = lib.nn, lib.F

    class Classifier(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            kind = lib.dtype(dtype)
            self.conv1 = nn.Conv2d(3, 4, 3, padding=1, dtype=kind)
            self.conv2 = nn.Conv2d(4, 6, 3, padding=1, stride=2, dtype=kind)
            self.pool = nn.MaxPool2d(2)
            self.drop = nn.Dropout(0.5)
            self.fc = nn.Linear(6 * 2 * 2, 10, dtype=kind)

        def forward(self, x: Any) -> Any:
            x = F.relu(self.conv1(x))
            x = self.pool(F.leaky_relu(self.conv2(x)))
            return self.fc(self.drop(x.flatten(-3)))

    return Classifier()


@pytest.mark.parametrize(("kind", "limit"), [("float32", 1e-4), ("float64", 1e-9)])
def test_ten_steps_follow_pytorch(both: Any, backend: Any, kind: str, limit: float) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((6, 3, 8, 8)).astype(kind)
    y = rng.integers(0, 10, 6)
    losses = []
    for lib in (both.ours, both.theirs):
        lib.manual_seed(3)  # equal weights, and equal masks of the dropout
        model = classifier(lib, kind)
        losses.append([])
        for _ in range(10):
            loss = lib.F.cross_entropy(model(lib.tensor(x)), lib.tensor(y), label_smoothing=0.05)
            model.zero_grad()
            loss.backward()
            with lib.root.no_grad():
                for parameter in model.parameters():
                    parameter -= 0.3 * parameter.grad
            losses[-1].append(loss.item())
    ours, theirs = losses
    np.testing.assert_allclose(ours, theirs, rtol=limit)
    assert theirs[-1] < theirs[0]


def test_an_image_of_another_size_is_refused(both: Any) -> None:
    both.same_error(
        lambda lib, x: classifier(lib, "float64")(x),
        np.ones((3, 16, 16)),
        start="mat1 and mat2 shapes cannot be multiplied (1x96 and 24x10)",
    )


def test_one_image_without_a_batch(both: Any) -> None:
    models = {}
    for lib in (both.ours, both.theirs):
        lib.manual_seed(5)
        models[id(lib)] = classifier(lib, "float64").eval()
    x = np.random.default_rng(2).standard_normal((3, 8, 8))
    both.same(lambda lib, x: models[id(lib)](x), x)
    both.same(lambda lib, x: models[id(lib)](x), x[None])


def test_the_comparison_notices_a_wrong_gradient(both: Any) -> None:
    def call(lib: Any, x: Any) -> Any:
        return x * x.detach() if lib is both.ours else x * x

    with pytest.raises(AssertionError, match="gradient 0"):
        both.same(call, np.ones(3), name=False)


def test_the_comparison_notices_a_wrong_value(both: Any) -> None:
    with pytest.raises(AssertionError, match="output"):
        both.same(lambda lib, x: x * (1.0 if lib is both.ours else 1.0 + 1e-12), np.ones(3))
