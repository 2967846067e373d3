"""fastnn.prepack: the same results from packed weights, in inference only, until they change."""

import copy
import pickle

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn.nn.prepack import PackedLinear


class Twice(nn.Module):
    """One layer, used twice and registered under two names."""

    def __init__(self):
        super().__init__()
        self.first = self.second = nn.Linear(6, 6)
        self.last = nn.Linear(6, 3, bias=False)

    def forward(self, x):
        return self.last(self.second(self.first(x).relu()))


class Doubled(nn.Linear):
    def forward(self, input):
        return 2 * super().forward(input)


@pytest.fixture(params=["native", "reference"])
def backend(request):
    with fastnn.use_backend(request.param):
        yield request.param


@pytest.mark.parametrize("shape", [(5, 6), (1, 6), (6,), (2, 3, 6), (0, 6)], ids=str)
def test_same_results(backend, shape):
    fastnn.manual_seed(1)
    net = Twice()
    packed = fastnn.prepack(net)
    x = fastnn.randn(*shape)
    with fastnn.no_grad():
        want, got = net(x), packed(x)
    assert got.shape == want.shape
    assert not got.requires_grad
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-5, atol=1e-5)


def test_copy_shares_and_the_original_stays():
    net = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 2), nn.Tanh()))
    packed = fastnn.prepack(net)
    assert type(net[0]) is nn.Linear
    assert type(packed[0]) is PackedLinear
    assert type(packed[1][0]) is PackedLinear
    assert list(packed.state_dict()) == list(net.state_dict())
    assert all(a is b for a, b in zip(packed.parameters(), net.parameters(), strict=True))
    net(fastnn.ones(1, 4)).sum().backward()
    assert net[0].weight.grad is not None


def test_a_layer_used_twice_is_packed_once():
    packed = fastnn.prepack(Twice())
    assert packed.first is packed.second


def test_hooks_and_subclasses_are_kept():
    net = nn.Sequential(nn.Linear(2, 2), Doubled(2, 2))
    seen = []
    net[0].register_forward_hook(lambda module, args, out: seen.append(type(module)))
    packed = fastnn.prepack(net)
    assert type(packed[1]) is Doubled
    with fastnn.inference_mode():
        packed(fastnn.ones(1, 2))
    assert seen == [PackedLinear]


def test_refused_in_grad_mode():
    packed = fastnn.prepack(nn.Linear(4, 2))
    with pytest.raises(RuntimeError, match=r"PackedLinear\(in_features=4.* records nothing"):
        packed(fastnn.ones(1, 4))


def test_frozen_in_grad_mode():
    layer = nn.Linear(4, 2).requires_grad_(False)
    packed, x = fastnn.prepack(layer), fastnn.ones(1, 4)
    np.testing.assert_allclose(packed(x).numpy(), layer(x).numpy(), rtol=1e-5)
    with pytest.raises(RuntimeError, match="records nothing"):
        packed(fastnn.ones(1, 4, requires_grad=True))
    layer.bias.requires_grad_()
    with pytest.raises(RuntimeError, match="records nothing"):
        packed(x)


@pytest.mark.parametrize(
    "change",
    [
        lambda weight: weight.mul_(2),
        lambda weight: weight[0].zero_(),
        lambda weight: setattr(weight, "data", fastnn.ones(2, 4)),
    ],
)
def test_refused_after_a_change(change):
    layer = nn.Linear(4, 2)
    packed = fastnn.prepack(layer)
    with fastnn.no_grad():
        packed(fastnn.ones(1, 4))
        change(layer.weight)
        with pytest.raises(RuntimeError, match="has changed since it was packed"):
            packed(fastnn.ones(1, 4))
        again = fastnn.prepack(layer)(fastnn.ones(1, 4))
        np.testing.assert_allclose(again.numpy(), layer(fastnn.ones(1, 4)).numpy(), rtol=1e-5)


def test_refused_after_a_step():
    net = nn.Sequential(nn.Linear(4, 2))
    packed = fastnn.prepack(net)
    net(fastnn.ones(1, 4)).sum().backward()
    fastnn.optim.SGD(net.parameters(), lr=0.1).step()
    with fastnn.no_grad(), pytest.raises(RuntimeError, match="Call prepack"):
        packed(fastnn.ones(1, 4))


@pytest.mark.parametrize("x", [fastnn.ones(1, 5), fastnn.ones(()), [1.0], None], ids=str)
def test_same_errors_as_linear(x):
    layer = nn.Linear(4, 2)
    packed = fastnn.prepack(layer)
    with fastnn.no_grad():
        with pytest.raises((RuntimeError, TypeError)) as want:
            layer(x)
        with pytest.raises(type(want.value)) as got:
            packed(x)
    assert str(got.value) == str(want.value)


def test_only_modules_are_packed():
    with pytest.raises(TypeError, match="expects a Module, but got Tensor"):
        fastnn.prepack(fastnn.ones(2))


def test_packed_of_packed():
    layer = nn.Linear(4, 2)
    again = copy.copy(fastnn.prepack(fastnn.prepack(layer)))
    with fastnn.no_grad():
        np.testing.assert_allclose(
            again(fastnn.ones(3, 4)).numpy(), layer(fastnn.ones(3, 4)).numpy(), rtol=1e-5
        )


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_pack_their_own_weight(backend, copied):
    packed = fastnn.prepack(nn.Sequential(nn.Linear(6, 4), nn.ReLU()))
    x = fastnn.ones(3, 6)
    with fastnn.no_grad():
        twin = copied(packed)
        assert type(twin[0]) is PackedLinear
        assert np.array_equal(twin(x).numpy(), packed(x).numpy())
        want = twin(x).numpy()
        packed[0].weight.fill_(1)
        assert np.array_equal(twin(x).numpy(), want)
        with pytest.raises(RuntimeError, match="has changed since it was packed"):
            packed(x)
