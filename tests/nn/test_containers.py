"""Sequential, ModuleList, ModuleDict, beside PyTorch's."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest


@pytest.fixture(params=["ours", "theirs"])
def nn(request: pytest.FixtureRequest, both: Any) -> Any:
    """Each library: what holds for PyTorch has to hold for fastnn."""
    return getattr(both, request.param).nn


def row(nn: Any, kind: str) -> Any:
    modules = [nn.ReLU(), nn.Tanh(), nn.Sigmoid()]
    return nn.Sequential(*modules) if kind == "Sequential" else nn.ModuleList(modules)


def names(module: Any) -> list[str]:
    return [f"{key}:{type(child).__name__}" for key, child in module.named_children()]


@pytest.mark.parametrize("kind", ["Sequential", "ModuleList"])
def test_sequences(nn: Any, kind: str) -> None:
    modules = row(nn, kind)
    assert len(modules) == 3
    assert type(modules[-1]) is nn.Sigmoid
    assert [type(m) for m in modules] == [nn.ReLU, nn.Tanh, nn.Sigmoid]
    assert modules[1] in modules
    assert type(modules[1:]) is type(modules)
    assert [type(m) for m in modules[::-2]] == [nn.Sigmoid, nn.ReLU]
    assert modules.append(nn.Identity()) is modules
    assert modules.extend([nn.Flatten()]) is modules
    modules.insert(1, nn.Dropout())
    modules[0] = nn.LeakyReLU()
    assert names(modules) == [
        "0:LeakyReLU",
        "1:Dropout",
        "2:Tanh",
        "3:Sigmoid",
        "4:Identity",
        "5:Flatten",
    ]
    assert type(modules.pop(1)) is nn.Dropout
    del modules[-1]
    assert names(modules) == ["0:LeakyReLU", "1:Tanh", "2:Sigmoid", "3:Identity"]
    del modules[1:3]
    assert names(modules) == ["0:LeakyReLU", "1:Identity"]
    both = modules + row(nn, kind)
    assert len(both) == 5
    assert len(modules) == 2
    modules += row(nn, kind)
    assert names(modules)[2:] == ["2:ReLU", "3:Tanh", "4:Sigmoid"]


ERRORS: list[tuple[str, Any, type[Exception], str]] = [
    ("Sequential", lambda m, nn: m[5], IndexError, "index 5 is out of range"),
    ("Sequential", lambda m, nn: m[-4], IndexError, "index -4 is out of range"),
    ("ModuleList", lambda m, nn: m[3], IndexError, "index 3 is out of range"),
    ("Sequential", lambda m, nn: m.__delitem__(9), IndexError, "index 9 is out of range"),
    ("Sequential", lambda m, nn: m.append(3), TypeError, "int is not a Module subclass"),
    ("ModuleList", lambda m, nn: m.append(3), TypeError, "int is not a Module subclass"),
    ("ModuleList", lambda m, nn: m.extend(3), TypeError, "ModuleList.extend should be called wi"),
    ("ModuleList", lambda m, nn: m(3), NotImplementedError, "Module [ModuleList] is missing the r"),
    ("Sequential", lambda m, nn: m + 3, ValueError, "add operator supports only objects of Seq"),
    ("Sequential", lambda m, nn: m.insert(9, nn.ReLU()), IndexError, "Index out of range: 9"),
    ("Sequential", lambda m, nn: nn.Sequential(3), TypeError, "int is not a Module subclass"),
    ("Sequential", lambda m, nn: m.__setitem__(0, 3), TypeError, "cannot assign 'int' as child mo"),
]


@pytest.mark.parametrize(("kind", "action", "error", "text"), ERRORS)
def test_errors(nn: Any, kind: str, action: Any, error: type[Exception], text: str) -> None:
    modules = row(nn, kind)
    with pytest.raises(error) as caught:
        action(modules, nn)
    assert str(caught.value).startswith(text)
    assert len(modules) == 3


def test_named_sequential(nn: Any) -> None:
    modules = nn.Sequential(OrderedDict(first=nn.ReLU(), second=nn.Linear(2, 2)))
    assert modules.second is modules[1]
    assert list(modules.state_dict()) == ["second.weight", "second.bias"]
    assert names(modules[1:]) == ["second:Linear"]
    assert len(nn.Sequential()) == 0


def test_sequential_forward(both: Any) -> None:
    def call(lib: Any, x: Any) -> Any:
        return lib.nn.Sequential(lib.nn.Tanh(), lib.nn.Sequential(lib.nn.ReLU()), lib.nn.Tanh())(x)

    both.same(call, np.linspace(-1, 1, 9).reshape(3, 3))


def test_sequential_calls_its_children(nn: Any) -> None:
    seen: list[str] = []

    class Called(nn.Tanh):  # type: ignore[misc, name-defined]
        def __call__(self, input: Any) -> Any:
            seen.append("call")
            return super().__call__(input)

    class Hooking(nn.Identity):  # type: ignore[misc, name-defined]
        def forward(self, input: Any) -> Any:
            behind.register_forward_hook(lambda *_: seen.append("hook"))
            return input

    behind, replaced = nn.Sigmoid(), nn.Tanh()
    replaced.forward = lambda input: seen.append("forward") or input
    net = nn.Sequential(Called(), Hooking(), behind, replaced)
    x = next(nn.Linear(2, 3).parameters())
    assert net(x).shape == (3, 2)
    assert seen == ["call", "hook", "forward"]
    net.add_module("none", None)
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        net(x)


def test_module_dict(nn: Any) -> None:
    modules = nn.ModuleDict({"a": nn.ReLU()})
    modules["b"] = nn.Tanh()
    modules.update([("c", nn.Sigmoid()), ("a", nn.Identity())])
    modules.update(nn.ModuleDict({"d": nn.ReLU()}))
    assert list(modules) == list(modules.keys()) == ["a", "b", "c", "d"]
    assert type(modules["a"]) is nn.Identity
    assert modules.b is modules["b"]
    assert "c" in modules
    assert [key for key, _ in modules.items()] == ["a", "b", "c", "d"]
    assert [type(m) for m in modules.values()][1] is nn.Tanh
    assert type(modules.pop("b")) is nn.Tanh
    del modules["c"]
    assert len(modules) == 2
    modules.clear()
    assert len(modules) == 0
    for wrong, error in ((3, TypeError), ([3], TypeError), ([("x",)], ValueError)):
        with pytest.raises(error, match=r"ModuleDict.update|ModuleDict update sequence"):
            modules.update(wrong)
    with pytest.raises(KeyError):
        modules["a"]


def test_children_of_lists_and_dicts_count(nn: Any) -> None:
    class Net(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.rows = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1)])
            self.named = nn.ModuleDict({"x": nn.Linear(1, 1)})

    assert [name for name, _ in Net().named_parameters()] == [
        "rows.0.weight",
        "rows.0.bias",
        "rows.1.weight",
        "rows.1.bias",
        "named.x.weight",
        "named.x.bias",
    ]
