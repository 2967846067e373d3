"""ReLUs whose gradient is taken by the node behind them, or over the gradient they are given."""

import numpy as np
import pytest
from compare import same_bits

import fastnn as torch
from fastnn import nn
from fastnn.backends import settings
from fastnn.nn import functional as F


@pytest.fixture
def calls(monkeypatch):
    """What the backend is asked for in a backward pass: (name, whether joined)."""
    backend = settings().backend
    found = []

    def spy(name, joined):
        function = getattr(backend, name)

        def call(*args, **kwargs):
            found.append((name, joined(args, kwargs)))
            return function(*args, **kwargs)

        monkeypatch.setattr(backend, name, call)

    spy("relu_backward", lambda a, k: len(a) > 2 and a[2])
    spy("conv2d_backward", lambda a, k: a[-1] is not None)
    spy("linear_backward", lambda a, k: len(a) > 4 and a[4] is not None)
    spy("max_pool2d_backward", lambda a, k: len(a) > 3 and a[3] is not None)
    return found


def tensors(*shapes):
    rng = np.random.default_rng(3)
    return [
        torch.tensor(rng.standard_normal(shape).astype(np.float32), requires_grad=True)
        for shape in shapes
    ]


def by_hand(x, w1, w2, grad):
    """Gradients of conv2d(relu(conv2d(x, w1)), w2), one operation of the backend after another."""
    backend = settings().backend
    how = ((1, 1), (1, 1, 1, 1), (1, 1), 1)
    x, w1, w2 = (t.detach().numpy() for t in (x, w1, w2))
    y = backend.relu(backend.conv2d(x, w1, None, *how))
    dy, dw2, _ = backend.conv2d_backward(grad, y, w2, *how, (True, True, False))
    masked = backend.relu_backward(dy, y)
    dx, dw1, _ = backend.conv2d_backward(masked, x, w1, *how, (True, True, False))
    return y, dy, masked, (dx, dw1, dw2)


def chain(x, w1, w2):
    y = F.relu(F.conv2d(x, w1, padding=1))
    return y, F.conv2d(y, w2, padding=1)


SHAPES = ((2, 3, 8, 9), (5, 3, 3, 3), (4, 5, 3, 3))


def test_a_convolution_takes_the_gradient_of_the_relu_before_it(calls):
    leaves = tensors(*SHAPES)
    _, z = chain(*leaves)
    grad = np.ones(z.shape, np.float32)
    *_, wanted = by_hand(*leaves, grad)
    calls.clear()
    z.backward(torch.from_numpy(grad))
    assert calls == [("conv2d_backward", True), ("conv2d_backward", False)]
    for leaf, want in zip(leaves, wanted, strict=True):
        assert same_bits(leaf.grad.numpy(), want)


def test_a_pooling_takes_the_gradient_of_the_relu_before_it(calls):
    x, w, _ = tensors(*SHAPES)
    F.max_pool2d(F.relu(F.conv2d(x, w, padding=1)), 2).sum().backward()
    assert calls == [("max_pool2d_backward", True), ("conv2d_backward", False)]


def test_positions_are_looked_for_only_where_a_gradient_may_be_asked_for(monkeypatch):
    (x,) = tensors((2, 3, 8, 9))
    want = F.max_pool2d(x, 3, 2)
    monkeypatch.setattr(settings().backend, "max_pool2d_recorded", None)
    with torch.no_grad():
        got = F.max_pool2d(x, 3, 2)
    for y in (got, F.max_pool2d(x.detach(), 3, 2)):
        assert same_bits(y.numpy(), want.detach().numpy())
        assert not y.requires_grad
    with pytest.raises(TypeError):
        F.max_pool2d(x, 3, 2)


@pytest.mark.parametrize("watch", ["hook", "retain_grad", "autograd.grad"])
def test_who_looks_at_the_gradient_sees_it_whole(watch):
    leaves = tensors(*SHAPES)
    y, z = chain(*leaves)
    grad = np.ones(z.shape, np.float32)
    _, dy, masked, wanted = by_hand(*leaves, grad)
    assert not same_bits(dy, masked)
    if watch == "autograd.grad":
        (seen,) = torch.autograd.grad(z, y, torch.from_numpy(grad))
        assert same_bits(seen.numpy(), dy)
        return
    seen = []
    if watch == "hook":
        y.register_hook(lambda g: seen.append(g.numpy().copy()))
    else:
        y.retain_grad()
    z.backward(torch.from_numpy(grad))
    assert same_bits(seen[0] if watch == "hook" else y.grad.numpy(), dy)
    for leaf, want in zip(leaves, wanted, strict=True):
        assert same_bits(leaf.grad.numpy(), want)


def test_a_kept_gradient_is_not_written_over():
    """The hook of a ReLU's output, and the caller, keep their arrays."""
    (x,) = tensors((3, 4))
    kept = []
    y = (x * 2).relu()
    y.register_hook(lambda g: kept.append(g))
    z = y * 3
    z.sum().backward()
    assert (kept[0].numpy() == 3).all()
    grad = torch.ones(3, 4)
    (x * 2).relu().backward(grad)
    assert (grad.numpy() == 1).all()


@pytest.mark.parametrize("other_first", [False, True])
def test_a_relu_with_two_readers(other_first):
    x, w1, w2 = tensors((2, 3, 8, 9), (3, 3, 3, 3), (3, 3, 3, 3))
    y = F.relu(F.conv2d(x, w1, padding=1))
    z = y + F.conv2d(y, w2, padding=1) if other_first else F.conv2d(y, w2, padding=1) + y
    grad = np.ones(z.shape, np.float32)
    _, dy, _, _ = by_hand(x, w1, w2, grad)
    backend = settings().backend
    masked = backend.relu_backward(dy + grad, y.detach().numpy())
    how = ((1, 1), (1, 1, 1, 1), (1, 1), 1)
    dx, *_ = backend.conv2d_backward(
        masked, x.detach().numpy(), w1.detach().numpy(), *how, (True, False, False)
    )
    z.backward(torch.from_numpy(grad))
    np.testing.assert_allclose(x.grad.numpy(), dx, rtol=1e-5, atol=1e-6)


def test_a_weight_that_was_computed():
    """Then the convolution's gradients go to two nodes, and the ReLU waits in the queue."""
    x, w1, w2 = tensors(*SHAPES)
    z = F.conv2d(F.relu(F.conv2d(x, w1, padding=1)), w2 * 1.0, padding=1)
    grad = np.ones(z.shape, np.float32)
    *_, (dx, _, dw2) = by_hand(x, w1, w2, grad)
    z.backward(torch.from_numpy(grad))
    assert same_bits(x.grad.numpy(), dx)
    assert same_bits(w2.grad.numpy(), dw2)


def test_graph_twice_and_changes_in_place_are_still_reported():
    leaves = tensors(*SHAPES)
    _, z = chain(*leaves)
    z.sum().backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        z.sum().backward()
    y, z = chain(*leaves)
    y.detach().add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_retained_graphs_give_the_same_again():
    leaves = tensors(*SHAPES)
    _, z = chain(*leaves)
    first = torch.autograd.grad(z.sum(), leaves, retain_graph=True)
    second = torch.autograd.grad(z.sum(), leaves)
    for a, b in zip(first, second, strict=True):
        assert same_bits(a.numpy(), b.numpy())


@pytest.mark.parametrize("bias", [False, True])
def test_a_linear_layer_takes_the_gradient_of_the_relu_before_it(calls, bias):
    """Also where the ReLU's result was flattened in between."""
    x, w, b = tensors((2, 3, 4), (5, 12), (5,))
    F.linear(x.relu().flatten(1), w, b if bias else None).sum().backward()
    assert calls == [("linear_backward", True)]
    wanted = np.where(x.detach().numpy() > 0, w.detach().numpy().sum(0).reshape(3, 4), 0)
    np.testing.assert_allclose(x.grad.numpy(), wanted, rtol=1e-6)


def test_joined_layers_are_the_same_to_the_bit():
    torch.manual_seed(0)
    conv, relu = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU()
    (x,) = tensors((2, 3, 8, 9))
    joined = nn.Sequential(conv, relu)(x)
    apart = relu(conv(x))
    assert same_bits(joined.detach().numpy(), apart.detach().numpy())
    names = ["ReluBackward0", "ConvolutionBackward0"]
    for y in (joined, apart):
        node = y.grad_fn
        assert [node.name(), node.next_functions[0][0].name()] == names
    one = nn.Sequential(conv, relu)(x[0])
    assert same_bits(one.detach().numpy(), relu(conv(x[0])).detach().numpy())
    with torch.no_grad():
        assert same_bits(
            nn.Sequential(conv, nn.ReLU(inplace=True))(x).numpy(), joined.detach().numpy()
        )


@pytest.mark.parametrize("watch", ["hook", "retain_grad", "autograd.grad"])
@pytest.mark.parametrize("flattened", [False, True])
def test_who_looks_at_a_linear_layers_gradient_sees_it_whole(watch, flattened):
    """At the ReLU's result, or at a flattened view of it on the way to the layer."""
    x, w = tensors((2, 3, 4), (5, 12))
    y = x.relu()
    view = y.flatten(1)
    target = view if flattened else y
    z = F.linear(view, w).sum()
    whole = np.tile(w.detach().numpy().sum(0), (2, 1)).reshape(target.shape)
    seen = []
    if watch == "autograd.grad":
        seen.append(torch.autograd.grad(z, target)[0].numpy())
    elif watch == "hook":
        target.register_hook(lambda g: seen.append(g.numpy().copy()))
        z.backward()
    else:
        target.retain_grad()
        z.backward()
        seen.append(target.grad.numpy())
    np.testing.assert_allclose(seen[0], whole, rtol=1e-6)
    assert ((x.detach().numpy() <= 0) & (whole.reshape(x.shape) != 0)).any()


@pytest.mark.parametrize("bias", [False, True])
def test_a_joined_linear_layer_is_the_same_to_the_bit(bias):
    torch.manual_seed(0)
    linear, relu = nn.Linear(20, 7, bias=bias), nn.ReLU()
    names = ["ReluBackward0", "AddmmBackward0" if bias else "MmBackward0"]
    (x,) = tensors((5, 20))
    joined, apart = nn.Sequential(linear, relu)(x), relu(linear(x))
    found = []
    for y in (joined, apart):
        node = y.grad_fn
        assert [node.name(), node.next_functions[0][0].name()] == names
        x.grad = linear.weight.grad = None
        y.sum().backward()
        found.append([y.detach().numpy(), x.grad.numpy(), linear.weight.grad.numpy()])
    for got, want in zip(*found, strict=True):
        assert same_bits(got, want)
    with torch.no_grad():
        assert same_bits(nn.Sequential(linear, relu)(x).numpy(), apart.detach().numpy())
    vector = nn.Sequential(linear, relu)(x[0])
    assert same_bits(vector.detach().numpy(), relu(linear(x[0])).detach().numpy())


class Doubled(nn.ReLU):
    def forward(self, input):
        return super().forward(input) * 2


def test_layers_with_something_of_their_own_are_called():
    conv, relu = nn.Conv2d(3, 6, 3), nn.ReLU()
    (x,) = tensors((2, 3, 8, 9))
    y = relu(conv(x)).detach().numpy()
    assert same_bits(nn.Sequential(conv, Doubled())(x).detach().numpy(), y * 2)
    seen = []
    handle = conv.register_forward_hook(lambda module, args, output: seen.append(output))
    assert same_bits(nn.Sequential(conv, relu)(x).detach().numpy(), y)
    assert (seen[0].detach().numpy() < 0).any()
    handle.remove()
    handle = relu.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    nn.Sequential(conv, relu)(x)
    assert (seen[1].detach().numpy() < 0).any()
    handle.remove()
    relu.forward = lambda input: input * 0
    assert (nn.Sequential(conv, relu)(x).detach().numpy() == 0).all()
    assert same_bits(nn.Sequential(conv)(x).detach().numpy(), conv(x).detach().numpy())


@pytest.mark.parametrize("replaced", [nn.Linear, nn.ReLU])
def test_layers_whose_class_was_patched_are_called(replaced, monkeypatch):
    net = nn.Sequential(nn.Linear(5, 7), nn.ReLU())
    (x,) = tensors((3, 5))
    own = replaced.forward
    monkeypatch.setattr(replaced, "forward", lambda self, input: own(self, input) + 2)
    y = net(x)
    assert same_bits(y.detach().numpy(), net[1](net[0](x)).detach().numpy())
    monkeypatch.undo()
    assert not same_bits(y.detach().numpy(), net(x).detach().numpy())
