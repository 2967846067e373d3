"""Native softmax and cross-entropy against the float64 reference.

The exponent ``x - max`` is rounded once, by ``eps / 2`` of its size, before the exponential
turns that into a relative error: so the range of x enters the tolerances.
"""

import numpy as np
import pytest
from cases_pointwise import CROSS_ENTROPY, SOFTMAX
from compare import TRANSCENDENTAL, assert_close, eps, in_float64, largest, poison

from fastnn.backends import native as native_module
from fastnn.backends.reference import backend as reference

native = native_module.backend


def spread(x):
    """Largest exponent that still matters: beyond 750 the exponential is 0."""
    return min(2 * largest(x), 750.0)


@pytest.mark.parametrize("case", SOFTMAX, ids=str)
def test_softmax(case, isa, dtype):
    x, grad = case.arrays(dtype)
    length = max(case.shape[case.axis], 1)
    rounding = eps(dtype) * (2 * TRANSCENDENTAL + length + spread(x))
    poison(native, dtype, case.shape)
    y = native.softmax(x, case.axis)
    want = reference.softmax(*in_float64(x), case.axis)
    assert y.dtype == dtype
    assert_close(y, want, rounding * want + np.finfo(dtype).tiny, "softmax")
    poison(native, dtype, case.shape)
    got = native.softmax_backward(grad, y, case.axis)
    want = reference.softmax_backward(*in_float64(grad, y), case.axis)
    limit = eps(dtype) * (length + 3) * largest(grad) * largest(y)
    assert_close(got, want, limit, "gradient of softmax")


@pytest.mark.parametrize("case", SOFTMAX, ids=str)
def test_log_softmax(case, isa, dtype):
    x, grad = case.arrays(dtype)
    length = max(case.shape[case.axis], 1)
    poison(native, dtype, case.shape)
    y = native.log_softmax(x, case.axis)
    want = reference.log_softmax(*in_float64(x), case.axis)
    assert y.dtype == dtype
    limit = eps(dtype) * (2 * TRANSCENDENTAL + length + 4 * largest(x))
    assert_close(y, want, limit, "log_softmax")
    poison(native, dtype, case.shape)
    got = native.log_softmax_backward(grad, y, case.axis)
    want = reference.log_softmax_backward(*in_float64(grad, y), case.axis)
    limit = eps(dtype) * (2 * TRANSCENDENTAL + length + spread(x)) * length * largest(grad)
    assert_close(got, want, limit, "gradient of log_softmax")


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan])
def test_special_values(special, isa, dtype):
    x = np.zeros((4, 21), dtype)
    x[0, 3] = x[1] = special
    x[2, :20] = special
    for name in ("softmax", "log_softmax"):
        got, want = getattr(native, name)(x, 1), getattr(reference, name)(*in_float64(x), 1)
        assert_close(got, want, 30 * eps(dtype), name)


@pytest.mark.parametrize("offset", [0, 3, 8])
@pytest.mark.parametrize("length", [513, 520, 1001, 1023])
def test_long_rows_begin_off_lines(length, offset, isa, dtype):
    """At other lanes in each row; what is largest lies in their edges."""
    rng = np.random.default_rng(8)
    x = np.empty(7 * length + offset, dtype)[offset:].reshape(7, length)
    x[:] = rng.standard_normal(x.shape)
    x[0, 0] = x[1, -1] = x[2, -20] = 9
    x[4, length // 2] = np.inf
    poison(native, dtype, x.shape)
    got, want = native.softmax(x, 1), reference.softmax(*in_float64(x), 1)
    assert_close(got, want, eps(dtype) * (2 * TRANSCENDENTAL + length) * want, "softmax")


@pytest.mark.parametrize("case", CROSS_ENTROPY, ids=str)
def test_cross_entropy(case, isa, dtype):
    logits, target, weight, grad = case.arrays(dtype)
    wide_logits, wide_weight, wide_grad = in_float64(logits, weight, grad)
    options = (case.ignore_index, case.smoothing, case.reduction)
    loss, lse, divisor = native.cross_entropy(logits, target, weight, *options)
    want = reference.cross_entropy(wide_logits, target, wide_weight, *options)
    heaviest = 1.0 if weight is None else largest(weight)
    rounding = eps(dtype) * (2 * TRANSCENDENTAL + case.classes + 4 * largest(logits))
    rows = case.rows if case.reduction == "sum" else 2
    row_loss = 2 * largest(logits) + np.log(max(case.classes, 1)) + 1
    limit = rounding * rows * heaviest * row_loss
    assert loss.dtype == lse.dtype == dtype
    assert_close(loss, want[0], limit, "loss")
    assert_close(lse, want[1], rounding * 2, "log-sum-exp")
    assert isinstance(divisor, float)
    assert divisor == pytest.approx(want[2], rel=eps(dtype) * max(case.rows, 1))

    poison(native, dtype, logits.shape)
    got = native.cross_entropy_backward(grad, logits, target, weight, *options, lse, divisor)
    want_grad = reference.cross_entropy_backward(
        wide_grad, wide_logits, target, wide_weight, *options, want[1], want[2]
    )
    share = want[2] if case.reduction == "mean" and want[2] else 1.0
    assert got.dtype == dtype
    assert_close(got, want_grad, 2 * rounding * largest(grad) * heaviest / share, "gradient")
    ignored = target == case.ignore_index
    assert not got[ignored].any()


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("classes", [5, 21, 70])
def test_special_logits_stay_in_their_rows(classes, special, isa, dtype):
    logits = np.zeros((11, classes), dtype)
    logits[2, 3] = logits[4] = logits[9, classes - 1] = special
    logits[7] = special
    target = np.arange(11) % classes
    target[7] = -100
    got = native.cross_entropy(logits, target, None, -100, 0.0, "none")
    want = reference.cross_entropy(*in_float64(logits), target, None, -100, 0.0, "none")
    for name, ours, theirs in zip(("loss", "log-sum-exp"), got, want, strict=False):
        assert_close(ours, theirs, 30 * eps(dtype), name)
    assert got[0][7] == 0


def assert_loss(logits, target, weight=None, smoothing=0.0):
    """Losses, log-sum-exps and gradients of each row, whose largest logits are of order one."""
    dtype, how = logits.dtype, (target, weight, -100, smoothing, "none")
    loss, lse, divisor = native.cross_entropy(logits, *how)
    how = (target, None if weight is None else weight.astype(np.float64), *how[2:])
    want, want_lse, _ = reference.cross_entropy(*in_float64(logits), *how)
    rounding = eps(dtype) * (2 * TRANSCENDENTAL + np.log2(1024 * logits.shape[1]))
    assert_close(loss, want, rounding * np.maximum(want, 1), "loss")
    assert_close(lse, want_lse, rounding, "log-sum-exp")
    grad = np.ones(len(target), dtype)
    got = native.cross_entropy_backward(grad, logits, target, weight, *how[2:], lse, divisor)
    wide = in_float64(grad, logits)
    want = reference.cross_entropy_backward(*wide, *how, want_lse, divisor)
    assert_close(got, want, 2 * rounding, "gradient")


@pytest.mark.parametrize("depth", [8, 12, 60, 200, 1e9, 3e38])
@pytest.mark.parametrize("classes", [5, 21, 70])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_label_far_below_the_largest(classes, depth, smoothing, weighted, isa, dtype):
    """In the second of several blocks: exponents relative to the label would be too large."""
    rng = np.random.default_rng(6)
    logits = rng.standard_normal((300, classes)).astype(dtype)
    weight = rng.random(classes).astype(dtype) if weighted else None
    target = np.arange(300) % classes
    logits[70, target[70]] = -depth
    assert_loss(logits, target, weight, smoothing)


@pytest.mark.parametrize("mask", [-1e2, -1e4, -1e9, -1e20, -1e30, -3e38, -np.inf])
@pytest.mark.parametrize("classes", [5, 21, 70])
def test_masked_logits(classes, mask, isa, dtype):
    logits = np.random.default_rng(7).standard_normal((100, classes)).astype(dtype)
    target = np.arange(100) % 3
    target[::7] = -100
    logits[:, 3] = logits[:, classes - 1] = logits[::7, 0] = mask
    assert_loss(logits, target)
    assert (native.softmax(logits, 1)[:, 3] < 1e-40).all()


def test_no_classes(isa, dtype):
    """Then every label is one to ignore."""
    logits, target = np.zeros((3, 0), dtype), np.full(3, -100)
    for _ in range(2):  # not by what was in memory
        loss, _, _ = native.cross_entropy(logits, target, None, -100, 0.0, "none")
        assert (loss == 0).all()
        native.cross_entropy(np.ones((3, 5), dtype), target, None, -100, 0.0, "none")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [5, 21, 70])
def test_infinite_gradient(classes, weighted, isa, dtype):
    """Infinite everywhere, and no number for the label alone: PyTorch's inf - inf."""
    x = np.random.default_rng(5).standard_normal((3, classes)).astype(dtype)
    target = np.array([0, classes - 1, classes // 2])
    how = (x, target, np.ones(classes, dtype) if weighted else None, -100, 0.0, "mean")
    _, lse, divisor = native.cross_entropy(*how)
    got = native.cross_entropy_backward(np.asarray(np.inf, dtype), *how, lse, divisor)
    label = np.arange(classes) == target[:, None]
    assert np.isnan(got[label]).all()
    assert np.isposinf(got[~label]).all()


@pytest.mark.parametrize("label", [-1, 12, -101, 2**40])
def test_labels_out_of_range(label, isa, dtype):
    target = np.array([1, label, -100, 3])
    with pytest.raises(IndexError, match=rf"^Target {label} is out of bounds\.$"):
        native.cross_entropy(np.zeros((4, 12), dtype), target, None, -100, 0.0, "mean")


@pytest.mark.parametrize("row", [0, 6, 15, 16, 20])
@pytest.mark.parametrize("label", [-1, 12, 2**40])
def test_one_label_of_many_out_of_range(label, row, isa, dtype):
    target = np.arange(21) % 12
    logits = np.zeros((21, 12), dtype)
    _, lse, divisor = native.cross_entropy(logits, target, None, -100, 0.0, "mean")
    target[row] = label
    how = (logits, target, None, -100, 0.0, "mean")
    with pytest.raises(IndexError, match=rf"^Target {label} is out of bounds\.$"):
        native.cross_entropy(*how)
    with pytest.raises(IndexError):
        native.cross_entropy_backward(np.ones((), dtype), *how, lse, divisor)


def test_large_unweighted_loss_runs_without_the_interpreter_lock():
    """Work enough to release the lock, and no weights: nothing may ask Python for an error."""
    logits = np.zeros((4096, 64), np.float32)
    loss, _, count = native.cross_entropy(logits, np.zeros(4096, np.int64), None, -100, 0.0, "mean")
    assert count == 4096
    assert abs(float(loss) - np.log(64)) < 1e-5
