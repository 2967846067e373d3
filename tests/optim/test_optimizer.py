"""Groups, state dictionaries, gradients and errors of the optimisers, without PyTorch."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import fastnn
from fastnn import optim
from fastnn.optim.optimizer import required

MAKERS = {
    "SGD": lambda params: optim.SGD(params, lr=0.1),
    "momentum": lambda params: optim.SGD(params, lr=0.1, momentum=0.9),
    "Adam": lambda params: optim.Adam(params, lr=0.1),
    "amsgrad": lambda params: optim.AdamW(params, lr=0.1, amsgrad=True),
    "RMSprop": lambda params: optim.RMSprop(params, momentum=0.5, centered=True),
}
makers = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def leaf(*shape, seed=0):
    values = np.random.RandomState(seed).standard_normal(shape)
    return fastnn.from_numpy(values).requires_grad_()


def set_gradients(params, seed):
    rng = np.random.RandomState(seed)
    for p in params:
        p.grad = fastnn.from_numpy(rng.standard_normal(tuple(p.shape)))


def steps(optimizer, params, seeds):
    for seed in seeds:
        set_gradients(params, seed)
        optimizer.step()


def values(params):
    return [p.detach().numpy().copy() for p in params]


def assert_equal(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def test_the_smallest_step():
    w = fastnn.tensor([1.0, -2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)
    (w * w).sum().backward()
    assert optimizer.step() is None
    assert w.tolist() == [0.0, 0.0]


@makers
def test_closure_runs_with_gradients_and_its_loss_comes_back(make):
    w = leaf(3)
    optimizer = make([w])

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    before = values([w])
    expected = float((w * w).sum())
    with fastnn.no_grad():
        loss = optimizer.step(closure)
    assert float(loss) == expected
    assert (values([w])[0] != before[0]).all()


@makers
def test_zero_grad(make):
    used, unused = leaf(3), leaf(2)
    optimizer = make([used, unused])
    (used * used).sum().backward()
    gradient = used.grad
    optimizer.zero_grad(set_to_none=False)
    assert used.grad is gradient
    assert used.grad.tolist() == [0, 0, 0]
    assert unused.grad is None
    used.sum().backward()
    assert used.grad.tolist() == [1, 1, 1]
    optimizer.zero_grad()
    assert used.grad is None


def test_zero_grad_of_a_read_only_gradient():
    w = leaf(3)
    frozen = np.ones(3)
    frozen.flags.writeable = False
    w.grad = fastnn.tensor([1.0, 1.0, 1.0], dtype=fastnn.float64)
    w.grad._data = frozen
    optim.SGD([w]).zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0, 0, 0]
    assert frozen.tolist() == [1, 1, 1]


@makers
def test_state_dict_round_trip_continues_bit_for_bit(make):
    params = [leaf(4, 3), leaf(3), leaf()]
    optimizer = make(params)
    steps(optimizer, params, range(3))
    copied = [p.detach().clone().requires_grad_() for p in params]
    other = make(copied)
    other.param_groups[0]["lr"] = 99.0
    other.load_state_dict(optimizer.state_dict())
    steps(optimizer, params, range(3, 6))
    steps(other, copied, range(3, 6))
    assert_equal(values(params), values(copied))


@makers
def test_state_dict_is_a_copy_both_ways(make):
    params = [leaf(4, 3), leaf(3)]
    optimizer = make(params)
    steps(optimizer, params, range(2))
    state = optimizer.state_dict()
    kept = copy.deepcopy(state)
    steps(optimizer, params, range(2, 4))
    other = make(params)
    other.load_state_dict(state)
    steps(other, params, range(3))
    other.param_groups[0]["lr"] = 5.0
    assert state["param_groups"] == kept["param_groups"]
    for number, entries in kept["state"].items():
        for key, value in entries.items():
            np.testing.assert_array_equal(state["state"][number][key].numpy(), value.numpy())


def test_state_dict_layout():
    a, b, c = leaf(2), leaf(3), leaf(4)
    optimizer = optim.Adam([{"params": [a, b]}, {"params": c, "lr": 0.5}])
    steps(optimizer, [b, c], range(2))
    state = optimizer.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0, 1], [2]]
    assert [group["lr"] for group in state["param_groups"]] == [1e-3, 0.5]
    assert state["state"].keys() == {1, 2}
    assert state["state"][1].keys() == {"step", "exp_avg", "exp_avg_sq"}
    assert state["state"][1]["step"].item() == 2
    assert state["state"][2]["exp_avg"].shape == (4,)


def test_loaded_state_takes_the_dtype_of_its_parameter():
    double = leaf(3)
    first = optim.Adam([double])
    steps(first, [double], range(2))
    single = fastnn.zeros(3).requires_grad_()
    second = optim.Adam([single])
    second.load_state_dict(first.state_dict())
    assert second.state[single]["exp_avg"].dtype == fastnn.float32
    single.grad = fastnn.ones(3)
    second.step()
    assert second.state[single]["step"].item() == 3
    first.load_state_dict(second.state_dict())
    assert first.state[double]["exp_avg_sq"].dtype == fastnn.float64
    assert first.state[double]["step"].dtype == fastnn.float32


def test_state_of_an_old_release_with_plain_step_counts():
    w = leaf(3)
    optimizer = optim.Adam([w])
    steps(optimizer, [w], range(3))
    state = optimizer.state_dict()
    expected = [w.detach().clone().requires_grad_() for _ in range(2)]
    first, second = optim.Adam([expected[0]]), optim.Adam([expected[1]])
    first.load_state_dict(state)
    state["state"][0]["step"] = 3
    del state["param_groups"][0]["decoupled_weight_decay"]
    second.load_state_dict(state)
    steps(first, [expected[0]], [7])
    steps(second, [expected[1]], [7])
    assert_equal(values(expected[:1]), values(expected[1:]))


def test_adamw_stays_decoupled_when_it_loads_adam():
    w = leaf(3)
    optimizer = optim.AdamW([w])
    optimizer.load_state_dict(optim.Adam([w]).state_dict())
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True


def test_load_state_dict_refuses_other_groups_and_changes_nothing():
    a, b = leaf(2), leaf(2)
    optimizer = optim.SGD([a, b], momentum=0.5)
    steps(optimizer, [a, b], range(1))
    before = optimizer.param_groups, optimizer.state
    two_groups = optim.SGD([{"params": [a]}, {"params": [b]}]).state_dict()
    with pytest.raises(ValueError, match="loaded state dict has a different number of parameter"):
        optimizer.load_state_dict(two_groups)
    one_parameter = optim.SGD([a]).state_dict()
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        optimizer.load_state_dict(one_parameter)
    assert (optimizer.param_groups, optimizer.state) == before


@makers
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_pickle_and_deepcopy_go_on_on_their_own(make, duplicate):
    params = [leaf(4, 3), leaf(3)]
    optimizer = make(params)
    steps(optimizer, params, range(2))
    other_params, other = duplicate((params, optimizer))
    steps(optimizer, params, range(2, 5))
    assert not np.array_equal(values(params)[0], values(other_params)[0])
    steps(other, other_params, range(2, 5))
    assert_equal(values(params), values(other_params))
    assert repr(other) == repr(optimizer)


def test_a_generator_of_parameters_and_a_single_tensor_in_a_group():
    a, b = leaf(2), leaf(3)
    assert optim.SGD(p for p in (a, b)).param_groups[0]["params"] == [a, b]
    group = {"params": a}
    optimizer = optim.SGD([group])
    assert optimizer.param_groups[0] is group
    assert group["params"] == [a]
    assert group["lr"] == 1e-3


BAD_PARAMS = [
    (lambda a: [], ValueError, "optimizer got an empty parameter list"),
    (
        lambda a: a,
        TypeError,
        "params argument given to the optimizer should be an iterable of Tensors or dicts, "
        "but got .*Tensor",
    ),
    (lambda a: [a, 3], TypeError, "optimizer can only optimize Tensors, but one .* is int"),
    (lambda a: [a * 2], ValueError, "can't optimize a non-leaf Tensor"),
    (lambda a: [a, a], ValueError, "duplicate parameters"),
    (
        lambda a: [{"params": a}, {"params": a}],
        ValueError,
        "some parameters appear in more than one parameter group",
    ),
    (lambda a: [{"params": {a}}], TypeError, "the ordering of tensors in sets"),
    (lambda a: [{"params": a}, [a]], TypeError, "param_group must be a dict, but got"),
    (lambda a: [("a", a), leaf(1)], ValueError, "Some param names are missing"),
    (
        lambda a: [{"params": [("a", a)]}, {"params": [leaf(1)]}],
        ValueError,
        "cannot add param group without names to the optimizer",
    ),
    (lambda a: [{"params": a, "differentiable": True}], RuntimeError, "differentiable=True"),
]


@pytest.mark.parametrize(("params", "error", "text"), BAD_PARAMS)
def test_bad_parameters(params, error, text):
    with pytest.raises(error, match=text):
        optim.SGD(params(leaf(2)))


def test_a_refused_group_changes_nothing():
    a, b = leaf(2), leaf(2)
    optimizer = optim.SGD([a])
    group = {"params": [b, a]}
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group(group)
    assert len(optimizer.param_groups) == 1
    assert group == {"params": [b, a]}


def test_a_required_setting():
    with pytest.raises(ValueError, match=r"didn't specify a value of required .* parameter lr"):
        optim.Optimizer([leaf(1)], {"lr": required})
    assert optim.Optimizer([{"params": leaf(1), "lr": 3}], {"lr": required}).defaults


def test_an_optimiser_of_ones_own():
    class SignDescent(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @fastnn.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    self.state[p]["steps"] = self.state[p].get("steps", 0) + 1
                    p -= group["lr"] * p.grad.sign() if hasattr(p.grad, "sign") else 0 * p.grad

    w = leaf(2)
    optimizer = SignDescent([w], lr=0.5)
    steps(optimizer, [w], range(2))
    assert optimizer.state_dict()["state"] == {0: {"steps": 2}}
    with pytest.raises(NotImplementedError):
        optim.Optimizer([w], {}).step()
