"""The reference's other operations against definitions written out here, and PyTorch."""

import math

import numpy as np
import pytest
from cases_pointwise import (
    ADAM,
    BINARY,
    CROSS_ENTROPY,
    PARAMETERS,
    REDUCTION,
    SGD,
    SOFTMAX,
    UNARY,
    CrossEntropyCase,
)
from cases_products import GEMM, LINEAR
from compare import assert_close, assert_exact, assert_products, assert_relative, in_float64

from fastnn.backends.reference import backend as reference

SPECIAL = [0.0, -0.0, 1.0, -1.0, 1e-300, -1e-300, 800.0, -800.0, 1e308, np.inf, -np.inf, np.nan]


# -- matrix products -------------------------------------------------------------------------


@pytest.mark.parametrize("case", [c for c in GEMM if c.m * c.n * c.k <= 2000], ids=str)
def test_matmul_is_its_sum(case):
    a, b = case.arrays(np.float64)
    got = reference.matmul(a, b)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a = np.broadcast_to(a, batch + a.shape[-2:])
    b = np.broadcast_to(b, batch + b.shape[-2:])
    want = np.zeros((*batch, case.m, case.n))
    for at in np.ndindex(want.shape):
        want[at] = math.fsum(a[at[:-1]] * b[(*at[:-2], slice(None), at[-1])])
    assert_products(got, want, case.k, a, b)
    assert got.flags.c_contiguous


@pytest.mark.parametrize("case", LINEAR, ids=str)
def test_linear_is_torchs(torch, case):
    arrays = case.arrays(np.float64)
    tensors = [None if a is None else torch.from_numpy(a).requires_grad_() for a in arrays[:3]]
    out = torch.nn.functional.linear(*tensors)
    out.backward(torch.from_numpy(arrays[3]))
    got = reference.linear(*arrays[:3])
    assert_products(got, out.detach().numpy(), case.inputs, *arrays[:3])
    needs = (True, True, case.bias)
    for got, tensor in zip(
        reference.linear_backward(arrays[3], *arrays[:2], needs), tensors, strict=True
    ):
        assert (got is None) == (tensor is None)
        if got is not None:
            assert_close(got, tensor.grad.numpy(), 1e-11)


def test_linear_backward_gives_what_is_needed():
    x, weight, _, grad = LINEAR[0].arrays(np.float32)
    for needs in np.ndindex(2, 2, 2):
        wanted = tuple(map(bool, needs))
        got = reference.linear_backward(grad, x, weight, wanted)
        assert tuple(g is not None for g in got) == wanted
        assert all(g is None or (g.dtype == np.float32 and g.flags.c_contiguous) for g in got)


# -- elementwise -----------------------------------------------------------------------------


@pytest.mark.parametrize("case", BINARY, ids=str)
def test_binary_operations(case):
    a, b = case.arrays(np.float32)
    for name, function in (
        ("add", lambda x, y: x + y),
        ("sub", lambda x, y: x - y),
        ("mul", lambda x, y: x * y),
        ("div", lambda x, y: x / y),
    ):
        got = getattr(reference, name)(a, b)
        shape = np.broadcast_shapes(a.shape, b.shape)
        wide = np.empty(shape)
        wide_a, wide_b = np.broadcast_to(a, shape), np.broadcast_to(b, shape)
        for at in np.ndindex(shape):
            wide[at] = function(float(wide_a[at]), float(wide_b[at]))
        # Twice the digits and more: rounding the float64 result rounds the exact one.
        assert_exact(got, wide.astype(np.float32), name)
        assert got.flags.c_contiguous


def logistic(x):
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


@pytest.mark.parametrize("shape", UNARY, ids=str)
def test_unary_operations(shape):
    x = np.random.default_rng(1).standard_normal(shape) * 5
    for name, function, values in (
        ("exp", math.exp, x),
        ("log", math.log, np.abs(x) + 1e-9),
        ("tanh", math.tanh, x),
        ("sigmoid", logistic, x),
        ("relu", lambda v: max(v, 0.0), x),
    ):
        want = np.empty(shape)
        for at in np.ndindex(shape):
            want[at] = function(float(np.asarray(values)[at]))
        assert_relative(getattr(reference, name)(np.asarray(values)), want, 4, name)


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sigmoid", "relu"])
def test_special_values_are_torchs(torch, name):
    x = np.array(SPECIAL)
    assert_relative(
        getattr(reference, name)(x), getattr(torch, name)(torch.from_numpy(x)).numpy(), 4
    )


def test_division_by_zero_is_silent():
    zero = np.zeros(1, np.float32)
    assert reference.div(zero + 1, zero) == np.inf
    assert np.isnan(reference.div(zero, zero)).all()


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "relu"])
def test_backward_of_activations_is_torchs(torch, name):
    rng = np.random.default_rng(2)
    x, grad = rng.standard_normal((2, 5, 7))
    x[0, :2] = 0.0, np.nan
    t = torch.from_numpy(x).requires_grad_()
    out = getattr(torch, name)(t)
    out.backward(torch.from_numpy(grad))
    got = getattr(reference, f"{name}_backward")(grad, out.detach().numpy())
    assert_relative(got, t.grad.numpy(), 8)


# -- reductions ------------------------------------------------------------------------------


@pytest.mark.parametrize("case", REDUCTION, ids=str)
def test_sum_and_mean(case):
    (x,) = case.arrays(np.float64)
    rest = tuple(axis for axis in range(x.ndim) if axis not in case.axes)
    ordered = x.transpose(rest + case.axes).reshape(*(x.shape[a] for a in rest), case.reduction)
    if ordered.size == 0:
        sums = np.zeros(ordered.shape[:-1])
    else:
        sums = np.apply_along_axis(math.fsum, -1, ordered)
    shape = [1 if a in case.axes else n for a, n in enumerate(x.shape)]
    want = sums.reshape(shape) if case.keepdims else sums
    count = case.reduction
    assert_close(reference.sum(x, case.axes, case.keepdims), want, 1e-13 * max(count, 1))
    mean = want / count if count else np.full_like(want, np.nan)
    assert_close(reference.mean(x, case.axes, case.keepdims), mean, 1e-13)


def test_reductions_keep_the_dtype():
    x = np.ones((3, 4), np.float32).T
    for got in (reference.sum(x, (0,)), reference.mean(x, (0, 1)), reference.sum(x, ())):
        assert isinstance(got, np.ndarray)
        assert got.dtype == np.float32
        assert got.flags.c_contiguous


# -- softmax and its loss --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("case", SOFTMAX, ids=str)
def test_softmax_is_torchs(torch, case, name):
    x, grad = case.arrays(np.float64)
    t = torch.from_numpy(x).requires_grad_()
    out = getattr(torch, name)(t, case.axis)
    out.backward(torch.from_numpy(grad))
    y = getattr(reference, name)(x, case.axis)
    assert_close(y, out.detach().numpy(), 1e-12 * max(case.scale, 1))
    dx = getattr(reference, f"{name}_backward")(grad, y, case.axis)
    assert_close(dx, t.grad.numpy(), 1e-12)


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan])
def test_softmax_of_special_values_is_torchs(torch, special):
    x = np.array([[1.0, special, 2.0], [special, special, special], [0.0, 1.0, 2.0]])
    for name in ("softmax", "log_softmax"):
        want = getattr(torch, name)(torch.from_numpy(x), 1).numpy()
        assert_close(getattr(reference, name)(x, 1), want, 1e-12, name)


def cross_entropy(case, dtype=np.float64):
    logits, target, weight, grad = case.arrays(dtype)
    options = (case.ignore_index, case.smoothing, case.reduction)
    loss, lse, divisor = reference.cross_entropy(logits, target, weight, *options)
    dx = reference.cross_entropy_backward(grad, logits, target, weight, *options, lse, divisor)
    return loss, lse, divisor, dx


@pytest.mark.parametrize("case", CROSS_ENTROPY, ids=str)
def test_cross_entropy_is_torchs(torch, case):
    logits, target, weight, grad = case.arrays(np.float64)
    t = torch.from_numpy(logits).requires_grad_()
    out = torch.nn.functional.cross_entropy(
        t,
        torch.from_numpy(target),
        None if weight is None else torch.from_numpy(weight),
        ignore_index=case.ignore_index,
        reduction=case.reduction,
        label_smoothing=case.smoothing,
    )
    out.backward(torch.from_numpy(grad))
    loss, lse, divisor, dx = cross_entropy(case)
    assert_close(loss, out.detach().numpy(), 1e-11 * max(case.scale, 1), "loss")
    assert_close(dx, t.grad.numpy(), 1e-11, "gradient")
    assert_close(lse, torch.logsumexp(t, 1).detach().numpy(), 1e-11 * max(case.scale, 1), "lse")
    counted = target[target != case.ignore_index]
    want = len(counted) if weight is None else weight[counted].sum()
    assert divisor == pytest.approx(want)
    assert isinstance(divisor, float)


def test_cross_entropy_written_out():
    """Two rows by hand: -log(e^2 / (e^2 + e^0)) and -log(e^1 / (e^1 + e^4)), weights 3 and 5."""
    logits, weight = np.array([[2.0, 0.0], [4.0, 1.0]]), np.array([3.0, 5.0])
    target = np.array([0, 1])
    loss, _, divisor = reference.cross_entropy(logits, target, weight, -100, 0.0, "mean")
    first, second = math.log1p(math.exp(-2)), math.log1p(math.exp(3))
    assert loss == pytest.approx((3 * first + 5 * second) / 8)
    assert divisor == 8


@pytest.mark.parametrize("label", [-1, 12, -101])
def test_cross_entropy_refuses_labels_out_of_range(label):
    target = np.array([1, label, -100])
    with pytest.raises(IndexError, match=rf"^Target {label} is out of bounds\.$"):
        reference.cross_entropy(np.zeros((3, 12)), target, None, -100, 0.0, "mean")


def test_cross_entropy_in_float32_is_that_of_float64():
    for case in (CrossEntropyCase(9, 7, weight=True, smoothing=0.1), CrossEntropyCase(5, 33)):
        for got, want in zip(cross_entropy(case, np.float32), cross_entropy(case), strict=True):
            assert_close(np.asarray(got), np.asarray(want), 1e-5)
        assert cross_entropy(case, np.float32)[0].dtype == np.float32


# -- optimisers ------------------------------------------------------------------------------


def parameters(seed):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.standard_normal(shape)) for shape in PARAMETERS]


def follow(torch, optimiser, step):
    """Run five steps of both and compare the parameters after each."""
    params = parameters(0)
    tensors = [torch.tensor(p, requires_grad=True) for p in params]
    other = optimiser(tensors)
    for i in range(1, 6):
        grads = parameters(i)
        for t, g in zip(tensors, grads, strict=True):
            t.grad = torch.from_numpy(g)
        other.step()
        step(i, params, grads)
        for p, t in zip(params, tensors, strict=True):
            assert_close(p, t.detach().numpy(), 1e-13, f"step {i}")


@pytest.mark.parametrize("case", SGD, ids=str)
def test_sgd_is_torchs(torch, case):
    options = dict(vars(case))
    buffers = [np.full(s, np.nan) for s in PARAMETERS] if case.momentum else None
    follow(
        torch,
        lambda p: torch.optim.SGD(p, **options),
        lambda i, p, g: reference.sgd_step(p, g, buffers, first=i == 1, **options),
    )


@pytest.mark.parametrize("case", ADAM, ids=str)
def test_adam_is_torchs(torch, case):
    options = dict(vars(case))
    amsgrad, decoupled = options.pop("amsgrad"), options.pop("decoupled")
    state = [[np.zeros(s) for s in PARAMETERS] for _ in range(3)]
    make = torch.optim.AdamW if decoupled else torch.optim.Adam
    theirs = {k: options[k] for k in ("lr", "eps", "weight_decay", "maximize")}
    betas = (case.beta1, case.beta2)

    def step(i, params, grads):
        state_used = (*state[:2], state[2] if amsgrad else None)
        reference.adam_step(params, grads, *state_used, step=i, decoupled=decoupled, **options)

    follow(torch, lambda p: make(p, betas=betas, amsgrad=amsgrad, **theirs), step)


def test_in_float64_widens_only_floats():
    a, n, none = in_float64(np.ones(2, np.float32), np.ones(2, np.int64), None)
    assert (a.dtype, n.dtype, none) == (np.float64, np.int64, None)
