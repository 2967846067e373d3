"""repr of layers and of trees of them, letter by letter as PyTorch's."""

from __future__ import annotations

from typing import Any

import pytest


def nested(nn: Any) -> Any:
    class Inner(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(2, 3)
            self.gone = nn.ReLU()
            self.gone = None

        def extra_repr(self) -> str:
            return "one\ntwo"

    class Net(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3, padding=1)
            self.body = nn.Sequential(nn.ReLU(), nn.Sequential(nn.ReLU(), Inner()))
            self.rows = nn.ModuleList([nn.ReLU(), nn.ReLU(), Inner(), Inner(), nn.Tanh()])
            self.named = nn.ModuleDict({"x": Inner()})

    return Net()


REPRS: dict[str, Any] = {
    "nested": nested,
    "Linear": lambda nn: nn.Linear(2, 3),
    "Linear, no bias": lambda nn: nn.Linear(2, 3, bias=False),
    "Identity": lambda nn: nn.Identity(1, x=2),
    "Conv2d": lambda nn: nn.Conv2d(3, 4, (3, 2), stride=2, padding=(1, 0), dilation=2, bias=False),
    "Conv2d same": lambda nn: nn.Conv2d(4, 4, 3, padding="same", groups=2),
    "Conv2d reflect": lambda nn: nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
    "ReLU": lambda nn: nn.ReLU(),
    "ReLU in place": lambda nn: nn.ReLU(True),
    "LeakyReLU": lambda nn: nn.LeakyReLU(),
    "LeakyReLU in place": lambda nn: nn.LeakyReLU(0.2, True),
    "Sigmoid": lambda nn: nn.Sigmoid(),
    "Tanh": lambda nn: nn.Tanh(),
    "Softmax": lambda nn: nn.Softmax(1),
    "Softmax without dim": lambda nn: nn.Softmax(),
    "LogSoftmax": lambda nn: nn.LogSoftmax(1),
    "Flatten": lambda nn: nn.Flatten(),
    "Unflatten": lambda nn: nn.Unflatten(1, (2, 2)),
    "Dropout": lambda nn: nn.Dropout(0.3, True),
    "MaxPool2d": lambda nn: nn.MaxPool2d(2),
    "MaxPool2d, all": lambda nn: nn.MaxPool2d((2, 1), (1, 2), 1, 2, ceil_mode=True),
    "AvgPool2d": lambda nn: nn.AvgPool2d(2, 1, 1),
    "MSELoss": lambda nn: nn.MSELoss(),
    "L1Loss": lambda nn: nn.L1Loss(),
    "CrossEntropyLoss": lambda nn: nn.CrossEntropyLoss(label_smoothing=0.1),
    "NLLLoss": lambda nn: nn.NLLLoss(),
    "BCEWithLogitsLoss": lambda nn: nn.BCEWithLogitsLoss(),
    "Sequential": lambda nn: nn.Sequential(),
    "ModuleList": lambda nn: nn.ModuleList(),
    "ModuleDict": lambda nn: nn.ModuleDict({"a": nn.ReLU()}),
    "Module": lambda nn: nn.Module(),
}


@pytest.mark.parametrize("name", REPRS)
def test_repr(both: Any, name: str) -> None:
    assert repr(REPRS[name](both.ours.nn)) == repr(REPRS[name](both.theirs.nn))
