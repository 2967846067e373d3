"""What the optimisers keep between steps is never stale, and odd arrays are updated too."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

import fastnn
from fastnn import optim
from fastnn.backends import settings
from fastnn.optim import adam, sgd
from fastnn.tensor import wrap

MAKERS = {
    "SGD": lambda params: optim.SGD(params, lr=0.1),
    "momentum": lambda params: optim.SGD(params, lr=0.1, momentum=0.9, dampening=0.2),
    "Adam": lambda params: optim.Adam(params, lr=0.1),
    "amsgrad": lambda params: optim.AdamW(params, lr=0.1, amsgrad=True),
    "RMSprop": lambda params: optim.RMSprop(params, lr=0.1, momentum=0.5, centered=True),
}
makers = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())

SHAPES = [(3, 4), (4,), (), (2, 2), (0, 3)]


def leaves():
    rng = np.random.RandomState(1)
    return [fastnn.from_numpy(rng.standard_normal(s)).requires_grad_() for s in SHAPES]


def gradients(params, step):
    rng = np.random.RandomState(100 + step)
    for p in params:
        p.grad = wrap(rng.standard_normal(tuple(p.shape)).astype(p._data.dtype))


# What may happen between two steps: each gets the optimiser, and runs before that step.


def a_gradient_is_missing(optimizer):
    optimizer.param_groups[0]["params"][1].grad = None


def data_is_replaced(optimizer):
    p = optimizer.param_groups[0]["params"][0]
    p._data = p._data * 0.5


def state_entry_is_replaced(optimizer):
    entries = optimizer.state.get(optimizer.param_groups[0]["params"][0], {})
    for name in entries:
        if name != "step":
            entries[name] = wrap(np.full((3, 4), 0.25))


def state_array_is_replaced(optimizer):
    for entries in optimizer.state.values():
        for tensor in entries.values():
            tensor._data = tensor._data * 2


def state_is_strided(optimizer):
    entries = optimizer.state.get(optimizer.param_groups[0]["params"][0], {})
    for name in entries:
        if name != "step":
            entries[name] = wrap(np.asfortranarray(entries[name]._data))


def state_is_forgotten(optimizer):
    optimizer.state.clear()


def one_state_is_forgotten(optimizer):
    optimizer.state.pop(optimizer.param_groups[0]["params"][3], None)


def count_is_set(optimizer):
    entries = optimizer.state.get(optimizer.param_groups[0]["params"][3], {})
    if "step" in entries:
        entries["step"]._data[...] = 50


def parameter_is_exchanged(optimizer):
    params = optimizer.param_groups[0]["params"]
    new = fastnn.from_numpy(np.ones((2, 2))).requires_grad_()
    new.grad = params[3].grad
    if params[3] in optimizer.state:
        optimizer.state[new] = optimizer.state.pop(params[3])
    params[3] = new


def parameter_joins(optimizer):
    new = fastnn.from_numpy(np.ones(7)).requires_grad_()
    new.grad = fastnn.from_numpy(np.arange(7.0))
    optimizer.param_groups[0]["params"].append(new)


def parameter_leaves(optimizer):
    del optimizer.param_groups[0]["params"][2]


def groups_change_places(optimizer):
    new = fastnn.from_numpy(np.ones(2)).requires_grad_()
    optimizer.add_param_group({"params": [new], "lr": 0.3})
    optimizer.param_groups.reverse()


def settings_change(optimizer):
    for group in optimizer.param_groups:
        group["lr"] = 0.03
        if "amsgrad" in group:
            group["amsgrad"] = True
        if "momentum" in group:
            group["momentum"] = 0.7


EVENTS = [
    a_gradient_is_missing,
    data_is_replaced,
    state_entry_is_replaced,
    state_array_is_replaced,
    state_is_strided,
    state_is_forgotten,
    one_state_is_forgotten,
    count_is_set,
    parameter_is_exchanged,
    parameter_joins,
    parameter_leaves,
    groups_change_places,
    settings_change,
]


def trajectory(make, event, at, forget):
    """Weights and states over six steps; with ``forget`` nothing is kept between them."""
    params = leaves()
    optimizer = make(params)
    seen = []
    for step in range(6):
        now = [p for group in optimizer.param_groups for p in group["params"]]
        gradients(now, step)
        if step == at:
            event(optimizer)
        if forget:
            optimizer._plans.clear()
        optimizer.step()
        for group in optimizer.param_groups:
            for p in group["params"]:
                seen.append(p._data.copy())
                entries = optimizer.state.get(p, {})
                seen.extend(entries[name]._data.copy() for name in sorted(entries))
    return seen


@makers
@pytest.mark.parametrize("event", EVENTS)
def test_nothing_kept_is_stale(make, event):
    for at in (0, 1, 3):
        kept = trajectory(make, event, at, forget=False)
        fresh = trajectory(make, event, at, forget=True)
        assert len(kept) == len(fresh)
        for a, b in zip(kept, fresh, strict=True):
            np.testing.assert_array_equal(a, b)


@makers
@pytest.mark.parametrize("event", [a_gradient_is_missing, data_is_replaced, state_is_forgotten])
def test_the_events_do_matter(make, event):
    """Else the test above would pass whatever the optimiser kept."""
    params = leaves()
    optimizer = make(params)
    gradients(params, 0)
    optimizer.step()
    plan = optimizer._plans[0]
    gradients(params, 1)
    optimizer.step()
    gradients(params, 2)
    # A first step of SGD with momentum makes a batch of its own.
    steady = optimizer._plans[0]
    assert steady is plan or isinstance(optimizer, optim.SGD)
    optimizer.step()
    assert optimizer._plans[0] is steady
    gradients(params, 3)
    event(optimizer)
    optimizer.step()
    stateless = event is state_is_forgotten and not plan.batches[0].columns
    assert (optimizer._plans[0] is steady) == stateless


class Watching:
    """Passes the steps on, counts them, and holds them to the backend's contract."""

    def __init__(self, backend):
        self.backend = backend
        self.calls = []

    def __getattr__(self, name):
        method = getattr(self.backend, name)

        def call(params, grads, *columns, **kwargs):
            self.calls.append(len(params))
            for column in (grads, *columns):
                if column is None:
                    continue
                for array, param in zip(column, params, strict=True):
                    assert param.flags.carray
                    assert array.flags.c_contiguous
                    assert array.flags.aligned
                    assert array.flags.writeable or column is grads
                    assert array.shape == param.shape
                    assert array.dtype == param.dtype == params[0].dtype
                    assert array.dtype.isnative
            return method(params, grads, *columns, **kwargs)

        return call


@pytest.fixture
def watching(monkeypatch):
    backend = Watching(settings().backend)
    now = settings()._replace(backend=backend)
    for module in (adam, sgd):
        monkeypatch.setattr(module, "settings", lambda: now)
    return backend


def test_one_backend_call_for_each_group_dtype_and_count(watching):
    params = leaves()
    single = fastnn.zeros(3).requires_grad_()
    other = fastnn.from_numpy(np.ones(2)).requires_grad_()
    everything = [*params, single, other]
    for optimizer in (
        optim.Adam([{"params": [*params, single]}, {"params": other}]),
        optim.SGD([{"params": [*params, single]}, {"params": other}], momentum=0.9),
    ):
        for step in range(3):
            gradients(everything, step)
            watching.calls.clear()
            optimizer.step()
            assert watching.calls == [5, 1, 1]
        gradients(everything, 4)
        single.grad = params[0].grad = None
        watching.calls.clear()
        optimizer.step()
        assert watching.calls == [4, 1]


def test_parameters_of_different_counts_are_updated_apart(watching):
    params = leaves()
    optimizer = optim.Adam(params)
    gradients(params, 0)
    params[0].grad = None
    optimizer.step()
    gradients(params, 1)
    watching.calls.clear()
    optimizer.step()
    assert sorted(watching.calls) == [1, 4]
    assert [optimizer.state[p]["step"].item() for p in params] == [1, 2, 2, 2, 2]


def strided(array):
    return np.repeat(array, 2, axis=-1)[..., ::2] if array.ndim else array


def misaligned(array):
    raw = np.zeros(array.nbytes + 1, np.uint8)
    view = raw[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


ODD_ARRAYS = {"fortran": np.asfortranarray, "strided": strided, "misaligned": misaligned}


@makers
@pytest.mark.parametrize("odd", ODD_ARRAYS.values(), ids=ODD_ARRAYS.keys())
@pytest.mark.usefixtures("watching")
def test_parameters_and_gradients_of_any_layout(make, odd):
    plain, other = leaves(), leaves()
    memory = [odd(p._data) for p in other]
    for p, array in zip(other, memory, strict=True):
        p._data = array
    assert not all(array.flags.carray for array in memory)
    optimizers = make(plain), make(other)
    for step in range(3):
        gradients(plain, step)
        gradients(other, step)
        for p in other:
            p.grad._data = odd(p.grad._data)
            p.grad._data.flags.writeable = False
        for optimizer in optimizers:
            optimizer.step()
    for p, q, array in zip(plain, other, memory, strict=True):
        assert q._data is array
        np.testing.assert_array_equal(p._data, array)


@makers
@pytest.mark.usefixtures("watching")
def test_broadcast_gradient_and_gradient_of_another_dtype(make):
    results = []
    for gradient in (
        np.full((3, 4), 0.5),
        np.broadcast_to(np.float64(0.5), (3, 4)),
        np.full((3, 4), 0.5, np.float32),
        np.full((3, 4), 0.5, ">f8"),
    ):
        p = leaves()[0]
        optimizer = make([p])
        for _ in range(2):
            p.grad = wrap(np.zeros((3, 4)))
            p.grad._data = gradient
            optimizer.step()
        results.append(p._data)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@makers
def test_errors_come_before_any_update(make):
    good, bad = leaves()[:2]
    later = fastnn.from_numpy(np.ones(3)).requires_grad_()
    optimizer = make([{"params": [good]}, {"params": [bad, later]}])

    def step_fails(text):
        before = [p._data.copy() for p in (good, bad, later)]
        states = {p: dict(entries) for p, entries in optimizer.state.items()}
        with pytest.raises(RuntimeError, match=text):
            optimizer.step()
        for p, array in zip((good, bad, later), before, strict=True):
            np.testing.assert_array_equal(p._data, array)
        assert optimizer.state == states

    for step in range(3):
        gradients([good, bad, later], step)
        whole = bad.grad._data
        bad.grad._data = whole[:2]
        step_fails(r"a gradient of shape \(2,\) does not fit its parameter of shape \(4,\)")
        bad.grad._data = whole
        array = bad._data
        bad._data = array.copy()
        bad._data.flags.writeable = False
        step_fails("read-only")
        bad._data = array
        optimizer.step()


def test_a_state_of_another_shape():
    w = fastnn.from_numpy(np.ones(3)).requires_grad_()
    optimizer = optim.SGD([w], momentum=0.9)
    optimizer.state[w]["momentum_buffer"] = fastnn.from_numpy(np.ones(2))
    w.grad = fastnn.from_numpy(np.ones(3))
    with pytest.raises(RuntimeError, match=r"momentum_buffer has shape \(2,\), its .* \(3,\)"):
        optimizer.step()


@makers
def test_a_step_counts_as_a_change_in_place(make):
    w = fastnn.from_numpy(np.ones(3)).requires_grad_()
    optimizer = make([w])
    loss = (w * w).sum()
    (w * 2).sum().backward()
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_step_counts_as_a_change_of_the_tensor_that_took_a_place():
    w = fastnn.from_numpy(np.ones(3)).requires_grad_()
    optimizer = optim.SGD([w])
    w.grad = fastnn.from_numpy(np.ones(3))
    optimizer.step()
    same_memory = fastnn.from_numpy(w.detach().numpy()).requires_grad_()
    optimizer.param_groups[0]["params"][0] = same_memory
    loss = (same_memory * same_memory).sum()
    same_memory.grad = fastnn.from_numpy(np.ones(3))
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@makers
def test_gradients_are_not_kept_alive(make):
    w = fastnn.from_numpy(np.ones(3)).requires_grad_()
    optimizer = make([w])
    for _ in range(2):
        w.grad = fastnn.from_numpy(np.ones(3))
        array = weakref.ref(w.grad._data)
        optimizer.step()
        optimizer.zero_grad()
        assert array() is None
