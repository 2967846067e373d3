"""Module: attributes, walks, modes, conversion, copies."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from fastnn import dtypes, nn
from fastnn.tensor import Tensor


def tensor(*shape: int, kind: str = "float32") -> Tensor:
    return Tensor(np.ones(shape, kind))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(2, 3)
        self.b = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
        self.register_buffer("seen", tensor(2))
        self.register_buffer("scratch", tensor(2), persistent=False)
        self.register_buffer("nothing", None)
        self.register_parameter("absent", None)
        self.scale = nn.Parameter(tensor(1))
        self.size = 7

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x)) * self.scale


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.second = self.first
        self.tied = nn.Linear(2, 2)
        self.tied.weight = self.first.weight


# -- attributes ------------------------------------------------------------------------------


def test_attributes_are_registered() -> None:
    net = Net()
    assert list(net._parameters) == ["absent", "scale"]
    assert list(net._modules) == ["a", "b"]
    assert list(net._buffers) == ["seen", "scratch", "nothing"]
    assert net.absent is None
    assert net.nothing is None
    assert net.a.weight is net._modules["a"]._parameters["weight"]
    assert net.size == 7
    assert "size" not in net._parameters


@pytest.mark.parametrize("how", ["item", "pop", "popitem", "clear", "update", "ior", "default"])
def test_registries_and_attributes_agree(how: str) -> None:
    net = nn.Module()
    net.x, net.y = nn.ReLU(), nn.Tanh()
    new = nn.Sigmoid()
    modules: Any = net._modules
    if how == "item":
        modules["x"] = new
        del modules["y"]
        assert net.x is new
    elif how == "pop":
        assert isinstance(modules.pop("y"), nn.Tanh)
        assert modules.pop("y", 5) == 5
        with pytest.raises(KeyError):
            modules.pop("y")
    elif how == "popitem":
        assert modules.popitem()[0] == "y"
    elif how == "clear":
        modules.clear()
        assert not hasattr(net, "x")
    elif how == "update":
        modules.update(z=new)
        assert net.z is new
    elif how == "ior":
        modules |= {"z": new}
        assert net.z is new
    else:
        assert modules.setdefault("z", new) is net.z is new
        return
    assert hasattr(net, "y") == ("y" in modules)
    assert list(net.children()) == list(modules.values())


def test_assigning_over_another_kind() -> None:
    net = Net()
    net.a = None  # type: ignore[assignment]
    assert net._modules["a"] is None
    net.size = nn.Parameter(tensor(2))  # type: ignore[assignment]
    assert "size" in net._parameters
    net.size = None  # type: ignore[assignment]
    assert net._parameters["size"] is None
    net.seen = nn.ReLU()
    assert "seen" not in net._buffers
    assert isinstance(net.seen, nn.ReLU)
    net.scratch = None
    assert net._buffers["scratch"] is None
    net.scratch = tensor(4)
    assert net._buffers["scratch"].shape == (4,)
    net.b = nn.Parameter(tensor(1))  # type: ignore[assignment]
    assert list(net._modules) == ["a", "seen"]


def test_deleting() -> None:
    net = Net()
    del net.a, net.scale, net.scratch, net.size
    assert list(net.state_dict()) == ["seen", "b.0.weight", "b.0.bias"]
    for name in ("a", "scale", "scratch", "size"):
        assert not hasattr(net, name)
        with pytest.raises(AttributeError, match=name):
            delattr(net, name)


def test_missing_attribute() -> None:
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'foo'"):
        _ = Net().foo


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (nn.ReLU(), "cannot assign module before Module.__init__() call"),
        (nn.Parameter(), "cannot assign parameters before Module.__init__() call"),
    ],
    ids=["module", "parameter"],
)
def test_forgotten_init(value: Any, text: str) -> None:
    class Forgetful(nn.Module):
        def __init__(self) -> None:
            self.plain = 3
            self.value = value

    with pytest.raises(AttributeError) as caught:
        Forgetful()
    assert str(caught.value) == text


def test_forgotten_init_of_a_buffer() -> None:
    class Forgetful(nn.Module):
        def __init__(self) -> None:
            self.register_buffer("x", None)

    with pytest.raises(AttributeError, match="cannot assign buffer before Module"):
        Forgetful()


WRONG: list[tuple[Any, type[Exception], str]] = [
    (lambda n: setattr(n, "scale", tensor(1)), TypeError, "cannot assign 'Tensor' as parameter 's"),
    (lambda n: setattr(n, "a", 3), TypeError, "cannot assign 'int' as child module 'a' ("),
    (lambda n: setattr(n, "seen", 3), TypeError, "cannot assign 'int' as buffer 'seen' ("),
    (
        lambda n: n.register_parameter("x", tensor(2)),
        TypeError,
        "cannot assign 'Tensor' object to ",
    ),
    (lambda n: n.register_parameter("a", None), KeyError, "attribute 'a' already exists"),
    (lambda n: n.register_parameter("a.b", None), KeyError, "parameter name can't contain"),
    (lambda n: n.register_parameter("", None), KeyError, "parameter name can't be empty"),
    (
        lambda n: n.register_parameter(3, None),
        TypeError,
        "parameter name should be a string. Got i",
    ),
    (lambda n: n.register_buffer("x", 3), TypeError, "cannot assign 'int' object to buffer 'x'"),
    (lambda n: n.register_buffer("a", tensor(2)), KeyError, "attribute 'a' already exists"),
    (lambda n: n.register_buffer("a.b", None), KeyError, "buffer name can't contain"),
    (lambda n: n.add_module("x", 3), TypeError, "int is not a Module subclass"),
    (lambda n: n.add_module("seen", nn.ReLU()), KeyError, "attribute 'seen' already exists"),
    (lambda n: n.add_module("a.b", nn.ReLU()), KeyError, "module name can't contain"),
    (lambda n: n.add_module("", nn.ReLU()), KeyError, "module name can't be empty"),
    (lambda n: n.train(3), ValueError, "training mode is expected to be boolean"),
    (lambda n: n.get_submodule("b.7"), AttributeError, "Sequential has no attribute `7`"),
    (lambda n: n.get_submodule("a.weight"), AttributeError, "`weight` is not an nn.Module"),
    (lambda n: n.get_parameter("a.foo"), AttributeError, "Linear has no attribute `foo`"),
    (lambda n: n.get_parameter("size"), AttributeError, "`size` is not an nn.Parameter"),
    (lambda n: n.get_buffer("foo"), AttributeError, "Net has no attribute `foo`"),
    (lambda n: n.get_buffer("a.weight"), AttributeError, "`weight` is not a buffer"),
    (lambda n: n.to(dtypes.int64), TypeError, "nn.Module.to only accepts floating point"),
    (lambda n: n.to("cuda"), RuntimeError, "cuda"),
    (lambda n: n.to(7), TypeError, "to() takes a dtype, a device or a tensor, not 7"),
    (lambda n: nn.Module()(3), NotImplementedError, 'Module [Module] is missing the required "f'),
    (lambda n: nn.Module(3), TypeError, "__init__() takes 1 positional argument but 2 were given"),
    (lambda n: nn.Parameter(3), TypeError, "Parameter data must be a Tensor, not int"),
]


@pytest.mark.parametrize(("action", "kind", "text"), WRONG)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        action(Net())
    assert text in caught.value.args[0]


def test_parameters_of_integers_cannot_require_grad() -> None:
    with pytest.raises(RuntimeError, match="floating point"):
        nn.Parameter(tensor(2, kind="int64"))
    assert not nn.Parameter(tensor(2, kind="int64"), requires_grad=False).requires_grad


# -- walks -----------------------------------------------------------------------------------


def test_walks() -> None:
    net = Net()
    names = ["scale", "a.weight", "a.bias", "b.0.weight", "b.0.bias"]
    assert [name for name, _ in net.named_parameters()] == names
    assert [id(p) for p in net.parameters()] == [id(p) for _, p in net.named_parameters()]
    assert [name for name, _ in net.named_parameters("net", recurse=False)] == ["net.scale"]
    assert [name for name, _ in net.named_buffers()] == ["seen", "scratch"]
    assert len(list(net.buffers())) == 2
    assert [name for name, _ in net.named_modules()] == ["", "a", "b", "b.0", "b.1"]
    assert next(iter(net.modules())) is net
    assert [name for name, _ in net.named_children()] == ["a", "b"]
    assert list(net.children()) == [net.a, net.b]
    assert net.get_submodule("b.0") is net.b[0]
    assert net.get_submodule("") is net
    assert net.get_parameter("b.0.weight") is net.b[0].weight
    assert net.get_buffer("seen") is net.seen


def test_shared_parts_are_walked_once() -> None:
    net = Shared()
    names = ["first.weight", "first.bias", "tied.bias"]
    assert [name for name, _ in net.named_parameters()] == names
    assert [name for name, _ in net.named_modules()] == ["", "first", "tied"]
    assert len(list(net.children())) == 2
    everywhere = [name for name, _ in net.named_parameters(remove_duplicate=False)]
    assert everywhere == [
        f"{m}.{p}" for m in ("first", "second", "tied") for p in ("weight", "bias")
    ]
    assert len(net.state_dict()) == 6


# -- modes and conversion --------------------------------------------------------------------


def test_modes() -> None:
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert net.train() is net
    assert all(module.training for module in net.modules())
    assert net.requires_grad_(False) is net
    assert not any(p.requires_grad for p in net.parameters())
    visited: list[nn.Module] = []
    assert net.apply(visited.append) is net
    assert visited == [net.a, net.b[0], net.b[1], net.b, net]


def test_zero_grad() -> None:
    net = Net()
    net(tensor(4, 2)).sum().backward()
    grad = net.a.weight.grad
    net.zero_grad(set_to_none=False)
    assert net.a.weight.grad is grad
    assert (grad.numpy() == 0).all()
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_conversion_keeps_the_parameters() -> None:
    net = Net()
    net.register_buffer("count", tensor(1, kind="int64"))
    net(tensor(4, 2)).sum().backward()
    parameters = list(net.parameters())
    assert net.double() is net
    assert all(p is q for p, q in zip(parameters, net.parameters(), strict=True))
    assert {p.dtype for p in net.parameters()} == {dtypes.float64}
    assert {p.grad.dtype for p in net.parameters()} == {dtypes.float64}
    assert net.seen.dtype is dtypes.float64
    assert net.count.dtype is dtypes.int64
    net(tensor(4, 2, kind="float64")).sum().backward()
    assert net.float().a.weight.dtype is dtypes.float32
    assert net.to("cpu", dtypes.float64).a.bias.dtype is dtypes.float64
    assert net.to(tensor(1)).a.bias.dtype is dtypes.float32
    assert net.to(device="cpu", non_blocking=True) is net.cpu() is net
    assert net.to(dtype=dtypes.float64).scale.dtype is dtypes.float64


# -- copies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_deepcopy_and_pickle(copier: Any) -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.3), nn.Conv2d(1, 2, 3), nn.CrossEntropyLoss())
    net.eval()
    net[0].bias.requires_grad_(False)
    twin = copier(net)
    assert repr(twin) == repr(net)
    assert not twin[1].training
    assert [p.requires_grad for p in twin.parameters()] == [True, False, True, True]
    for ours, theirs in zip(net.parameters(), twin.parameters(), strict=True):
        assert type(theirs) is nn.Parameter
        assert ours is not theirs
        np.testing.assert_array_equal(ours.detach().numpy(), theirs.detach().numpy())
    nn.init.zeros_(twin[0].weight)
    assert net[0].weight.detach().numpy().any()
    twin._modules["0"] = nn.ReLU()
    assert isinstance(twin[0], nn.ReLU)


def test_copies_keep_what_is_shared() -> None:
    twin = copy.deepcopy(Shared())
    assert twin.first is twin.second
    assert twin.tied.weight is twin.first.weight
    other = pickle.loads(pickle.dumps(twin))
    assert other.first is other.second
    assert other.tied.weight is other.first.weight


def test_dir_and_parameter_repr() -> None:
    assert {"weight", "bias", "forward", "training"} <= set(dir(nn.Linear(1, 1)))
    assert "0" not in dir(nn.Sequential(nn.ReLU()))
    assert repr(nn.Parameter(tensor(2))) == (
        "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    )
    assert repr(nn.Parameter(tensor(2), False)) == "Parameter containing:\ntensor([1., 1.])"


def test_a_parameter_shares_its_tensor() -> None:
    base = tensor(3)
    parameter = nn.Parameter(base)
    assert parameter.is_leaf
    assert parameter.requires_grad
    assert not base.requires_grad
    assert nn.Parameter().shape == (0,)
    nn.init.constant_(parameter, 5.0)
    assert base.numpy()[0] == 5
