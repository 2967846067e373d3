"""What users write every day prints the same with either library."""

from __future__ import annotations

import copy
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Show = Callable[..., None]


def drawn(*shape: int, seed: int = 0) -> Any:
    return np.random.RandomState(seed).uniform(-1, 1, shape).astype(np.float32)


def network(L: Any) -> Any:
    """Two layers, with the same weights everywhere."""
    nn = L.nn
    net = nn.Sequential(
        OrderedDict([("hidden", nn.Linear(4, 5)), ("relu", nn.ReLU()), ("out", nn.Linear(5, 3))])
    )
    for i, parameter in enumerate(net.parameters()):
        parameter.data.copy_(L.tensor(drawn(*parameter.shape, seed=i + 1)))
    return net


def data(L: Any) -> tuple[Any, Any]:
    return L.tensor(drawn(6, 4)), L.torch.tensor([0, 2, 1, 1, 0, 2])


# -- idioms ----------------------------------------------------------------------------------


def printing(L: Any, show: Show) -> None:
    torch = L.torch
    x = torch.tensor([[1.5, -2.0], [3.25, 4.0]], requires_grad=True)
    loss = (x**2).mean()
    show(x, loss, f"{loss.item():.3f}", f"{loss.detach():.2f}", repr(x.shape), x.size())
    show(x.dtype, x.device, x.type(), x.ndim, len(x), x.requires_grad, x.is_leaf, loss.is_leaf)
    show(loss.grad_fn.name(), x.tolist(), x.detach().numpy(), x[0, 0].item(), x.size(-1))
    show([x.detach()], {"a": x.detach()[0]}, (x.detach()[0] > 1,), x.sum(0), x.T, x[None])
    n, c = x.shape
    show(n, c, x.shape[0] == 2, x.shape == (2, 2), torch.Size([2, 2]) == x.shape, x.shape.numel())
    show(torch.arange(4), torch.arange(0, 1, 0.25), torch.ones(2, dtype=torch.int64), torch.eye(2))
    show(
        torch.tensor(3), torch.tensor(True), torch.tensor([]), torch.zeros(0, 2), torch.tensor(2.5)
    )
    show(torch.float32, torch.long, torch.double, torch.bool, torch.device("cpu"))


def python_protocols(L: Any, show: Show) -> None:
    torch = L.torch
    x = torch.tensor([3.0, 1.0, 2.0])
    show(list(x), sum(x), max(x), min(x), sorted(x.tolist()), [float(v) for v in x])
    show(int(x[0]), float(x[1]), bool(x[2]), 2.0 in x, round(float(x.mean()), 3), abs(-x), -x)
    show(1 - x, 2**x, x // 2, x % 2, 6 / x, x @ x, x**0.5, 2 * x + 1, x > 1, ~(x > 1), x == 2)
    show(np.asarray(x), np.asarray(x).dtype, np.mean(x.numpy()), np.arange(9)[x.long().numpy()])
    a, b, c = x
    show(a, b, c, x.numpy().sum(), x.sum().numpy(), torch.stack([a, b]), {x[0].item(): 1})
    y = x
    y += 1
    show(x, y is x, isinstance(x, torch.Tensor), torch.is_tensor(x), hash(x) == hash(y))
    show(copy.copy(x), copy.deepcopy(x) is x, pickle.loads(pickle.dumps(x)), bool((x == y).all()))


def indexing(L: Any, show: Show) -> None:
    torch = L.torch
    x = torch.arange(12.0).reshape(3, 4)
    x[x > 9] = 0
    x[0] = torch.tensor([5.0, 6.0, 7.0, 8.0])
    x[:, 1] += 10
    x[..., -1] = -1
    x[[0, 2], [0, 1]] = 99
    show(x, x[:, ::2], x[-1], x[1, 2], x[..., None].shape, x[None, :, 1:3].shape, x[[2, 0]])
    show(x[torch.tensor([0, 1])], x[x.sum(1) > 20], torch.where(x > 50), (x > 50).nonzero())
    show(
        x.max(1),
        x.max(),
        x.argmax(),
        x.argmax(dim=1, keepdim=True),
        x.topk(2),
        x.sort(descending=True),
    )
    show(x.unbind(0)[0], x.chunk(2, 1)[1], torch.cat([x, x[:1]]), x.repeat(1, 2)[0], x.flip(0)[0])
    values, places = torch.max(x, 1)
    show(values, places, x.gather(1, places[:, None]), x.view(-1)[:3], x.reshape((2, -1)).shape)


def accuracy(L: Any, show: Show) -> None:
    torch, F = L.torch, L.F
    x, y = data(L)
    outputs = network(L)(x)
    _, predicted = torch.max(outputs.data, 1)
    prediction = outputs.argmax(dim=1, keepdim=True)
    show(
        predicted, (predicted == y).sum().item(), prediction.eq(y.view_as(prediction)).sum().item()
    )
    show((outputs.argmax(1) == y).float().mean(), F.softmax(outputs, dim=1).max(1).values)
    show(F.one_hot(y, 3).float(), y.float().std(), torch.equal(y, predicted), y.long().sum())
    show(F.nll_loss(F.log_softmax(outputs, 1), y), F.cross_entropy(outputs, y, reduction="none"))


def training_loop(L: Any, show: Show) -> None:
    torch, nn = L.torch, L.nn
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = network(L).to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*data(L)), batch_size=4)
    show(len(loader), len(loader.dataset), optimizer, criterion, net)
    for epoch in range(2):
        net.train()
        running = 0.0
        for i, (inputs, labels) in enumerate(loader, 0):
            inputs, labels = inputs.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = criterion(net(inputs), labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            optimizer.step()
            running += loss.item()
            show(f"[{epoch + 1}, {i + 1}] loss: {running / (i + 1):.4f}")
        for group in optimizer.param_groups:
            group["lr"] *= 0.5
    net.eval()
    with torch.no_grad():
        show(net(data(L)[0].to(device)), net.training, net.out.weight.grad.norm())
    show(sorted(optimizer.state_dict()), optimizer.state_dict()["param_groups"][0]["lr"])


def by_hand(L: Any, show: Show) -> None:
    torch = L.torch
    w = torch.zeros(4, 3, requires_grad=True)
    b = torch.zeros(3, requires_grad=True)
    x, y = data(L)
    for _ in range(3):
        loss = L.F.cross_entropy(x @ w + b, y)
        loss.backward()
        with torch.no_grad():
            w -= 0.5 * w.grad
            b -= 0.5 * b.grad
            w.grad.zero_()
            b.grad = None
    w.data -= 0.1 * w.data
    show(w, b, loss, w.grad, b.grad)
    gw, gb = torch.autograd.grad(L.F.cross_entropy(x @ w + b, y), [w, b])
    show(gw, gb, w.grad is gw, b.grad)

    @torch.no_grad()
    def evaluate() -> Any:
        return (x @ w + b).argmax(1)

    with torch.inference_mode():
        show(evaluate(), torch.is_grad_enabled(), (w * 2).requires_grad)
    torch.set_grad_enabled(False)
    show((w * 2).requires_grad)
    torch.set_grad_enabled(True)
    with torch.set_grad_enabled(False), torch.enable_grad():
        show((w * 2).requires_grad)


def modules(L: Any, show: Show) -> None:
    torch, nn = L.torch, L.nn

    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.ones(3))
            self.register_buffer("calls", torch.tensor(0))

        def forward(self, x: Any) -> Any:
            self.calls += 1
            return x * self.factor

    net = nn.Sequential(network(L), Scale())
    net(data(L)[0]).sum().backward()
    show(net, len(net), net[1].calls, [type(m).__name__ for m in net.modules()], net[0].hidden)
    show([n for n, _ in net.named_parameters()], [n for n, _ in net.named_buffers()], net[:1])
    show(net.state_dict(), sum(p.numel() for p in net.parameters() if p.requires_grad))
    for parameter in net[0].parameters():
        parameter.requires_grad = False
    show([p.requires_grad for p in net.parameters()], net[1].factor, net[1].factor.grad)

    def weights_init(m: Any) -> None:
        if isinstance(m, nn.Linear):
            nn.init.constant_(m.weight, 0.5)
            m.bias.data.fill_(0.01)

    show(net.apply(weights_init) is net, net(data(L)[0])[0], next(net.children()) is net[0])
    seen: list[Any] = []
    handle = net[0].register_forward_hook(lambda m, i, o: seen.append(o.shape))
    net(data(L)[0])
    handle.remove()
    net(data(L)[0])
    show(seen, copy.deepcopy(net)[1].factor is net[1].factor, net.double()[1].factor.dtype)
    layers = nn.ModuleList([nn.Linear(2, 2), nn.Tanh()])
    layers.append(nn.Linear(2, 1))
    show(layers, len(layers), layers[-1], list(layers.state_dict()))


def saving(L: Any, show: Show) -> None:
    net, file = network(L), io.BytesIO()
    L.torch.save(net.state_dict(), file)
    file.seek(0)
    again = network(L)
    again.hidden.weight.data.zero_()
    state = L.torch.load(file)
    show(again.load_state_dict(state), L.torch.equal(again.hidden.weight, net.hidden.weight))
    show(again.load_state_dict({"x": L.torch.ones(1)}, strict=False), list(state))


def own_function(L: Any, show: Show) -> None:
    torch = L.torch

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            (x,) = ctx.saved_tensors
            return 3 * x**2 * grad

    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = Cube.apply(x)
    y.backward(torch.tensor([1.0, 0.5]))
    show(y, x.grad, y.grad_fn.name())
    x.register_hook(lambda grad: grad * 10)
    z = x * 3
    z.retain_grad()
    z.sum().backward()
    show(x.grad, z.grad)


def numpy_and_back(L: Any, show: Show) -> None:
    torch = L.torch
    array = np.arange(6.0).reshape(2, 3)
    shared, copied = torch.from_numpy(array), torch.tensor(array)
    array[0, 0] = 7
    shared[0, 1] = 8
    show(
        shared, copied, array, torch.as_tensor(array).dtype, shared.float(), torch.tensor(array[0])
    )
    show(torch.tensor([1, 2.0]), torch.tensor([[1, 2], [3, 4]]).dtype, torch.tensor([True]).dtype)
    show(torch.tensor(np.float32(2)), torch.tensor(np.arange(3)), torch.ones(2).double().numpy())
    show(
        torch.ones(2, 3).to(torch.int32),
        torch.tensor([1.7, -1.7]).long(),
        torch.tensor([0, 2]).bool(),
    )
    show((torch.ones(2) + torch.ones(2).double()).dtype, (torch.ones(2).int() * 1.5).dtype)
    show(torch.rand(2, 3, generator=torch.Generator().manual_seed(4)), torch.manual_seed(1) and 0)
    show(
        torch.rand(3),
        torch.randn(2),
        torch.randint(0, 9, (4,)),
        torch.randperm(5),
        torch.zeros(2).normal_(),
    )


IDIOMS: dict[str, Callable[[Any, Show], None]] = {
    idiom.__name__: idiom
    for idiom in (
        printing,
        python_protocols,
        indexing,
        accuracy,
        training_loop,
        by_hand,
        modules,
        saving,
        own_function,
        numpy_and_back,
    )
}


@pytest.mark.parametrize("name", IDIOMS)
def test_prints_the_same(ours: Any, theirs: Any, name: str) -> None:
    shown: list[list[str]] = []
    for library in (ours, theirs):
        texts: list[str] = []

        def show(*values: object, L: Any = library, texts: list[str] = texts) -> None:
            texts.extend(L.text(value) for value in values)

        IDIOMS[name](library, show)
        shown.append(texts)
    for mine, other in zip(*shown, strict=True):
        assert mine == other


@pytest.mark.parametrize("name", IDIOMS)
def test_runs_on_either_backend(ours: Any, backend: Any, name: str) -> None:
    IDIOMS[name](ours, lambda *values: None)
