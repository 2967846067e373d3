"""The reference's convolution and pooling against loops over single elements, and PyTorch."""

import math

import numpy as np
import pytest
from cases import AVG_POOL, CONV2D, MAX_POOL, Conv2dCase, PoolCase
from compare import assert_close, assert_exact, assert_products

from fastnn.backends import CONV_ALGORITHMS
from fastnn.backends.reference import backend as reference

SMALL_CONV2D = [c for c in CONV2D if math.prod(c.out) * c.reduction <= 1500]


def conv2d_terms(case):
    """Every product of the sum: (index of the output, of the input, of the weight)."""
    (sh, sw), (top, _, left, _), (dh, dw), groups = case.how
    _, _, height, width = case.x
    for n, k, p, q in np.ndindex(*case.out):
        group = k // (case.k // groups)
        for c, r, s in np.ndindex(*case.weight[1:]):
            h, w = p * sh + r * dh - top, q * sw + s * dw - left
            if 0 <= h < height and 0 <= w < width:
                yield (n, k, p, q), (n, group * case.weight[1] + c, h, w), (k, c, r, s)


def test_there_are_small_cases():
    assert len(SMALL_CONV2D) > 40
    assert any(c.groups > 1 for c in SMALL_CONV2D)
    assert any(0 in c.x for c in SMALL_CONV2D)


@pytest.mark.parametrize("case", SMALL_CONV2D, ids=str)
def test_conv2d_is_its_sum(case):
    x, weight, bias, grad = case.arrays(np.float64)
    out = np.zeros(case.out) + (0 if bias is None else bias[:, None, None])
    dx, dweight = np.zeros_like(x), np.zeros_like(weight)
    for o, i, w in conv2d_terms(case):
        out[o] += x[i] * weight[w]
        dx[i] += grad[o] * weight[w]
        dweight[w] += grad[o] * x[i]
    got = reference.conv2d(x, weight, bias, *case.how)
    got_dx, got_dweight, got_dbias = reference.conv2d_backward(
        grad, x, weight, *case.how, (True, True, True)
    )
    terms = max(out.size, dx.size) * case.reduction
    assert_products(got, out, terms, x, weight, bias, "out")
    assert_products(got_dx, dx, terms, grad, weight, what="dx")
    assert_products(got_dweight, dweight, terms, grad, x, what="dweight")
    assert_close(got_dbias, grad.sum((0, 2, 3)), 1e-12, "dbias")


# PyTorch's result loses its output channels where there are no input channels.
@pytest.mark.parametrize("case", [c for c in CONV2D if c.x[1]], ids=str)
def test_conv2d_is_torchs(torch, case):
    F = torch.nn.functional
    arrays = case.arrays(np.float64)
    x, weight, bias = (
        None if a is None else torch.from_numpy(a).requires_grad_() for a in arrays[:3]
    )
    top, bottom, left, right = case.padding
    out = F.conv2d(
        F.pad(x, (left, right, top, bottom)),
        weight,
        bias,
        case.stride,
        0,
        case.dilation,
        case.groups,
    )
    out.backward(torch.from_numpy(arrays[3]))
    got = reference.conv2d(*arrays[:3], *case.how)
    assert_products(got, out.detach().numpy(), case.reduction, *arrays[:3], "out")
    dx, dweight, dbias = reference.conv2d_backward(
        arrays[3], arrays[0], arrays[1], *case.how, (True, True, bias is not None)
    )
    k_terms = weight.shape[0] // case.groups * math.prod(case.kernel)
    outputs = math.prod(case.out) // case.k
    assert_products(dx, x.grad.numpy(), k_terms, arrays[3], arrays[1], what="dx")
    assert_products(dweight, weight.grad.numpy(), outputs, arrays[3], arrays[0], what="dweight")
    if bias is None:
        assert dbias is None
    else:
        assert_products(dbias, bias.grad.numpy(), outputs, arrays[3], np.ones(1), what="dbias")


def test_conv2d_backward_gives_what_is_needed():
    case = Conv2dCase((1, 2, 3, 4), 3, (1, 1))
    x, weight, _, grad = case.arrays(np.float32)
    for needs in np.ndindex(2, 2, 2):
        wanted = tuple(map(bool, needs))
        got = reference.conv2d_backward(grad, x, weight, *case.how, wanted)
        assert tuple(g is not None for g in got) == wanted
        assert all(g is None or (g.dtype == np.float32 and g.flags.c_contiguous) for g in got)


def test_conv2d_checks_the_name_of_the_algorithm():
    x, weight, bias, _ = Conv2dCase((1, 2, 3, 4), 3, (1, 1)).arrays(np.float32)
    for name in CONV_ALGORITHMS:
        reference.conv2d(x, weight, bias, (1, 1), (0, 0, 0, 0), (1, 1), 1, name)
    with pytest.raises(ValueError, match="unknown convolution algorithm 'fft'"):
        reference.conv2d(x, weight, bias, (1, 1), (0, 0, 0, 0), (1, 1), 1, "fft")
    with pytest.raises(ValueError, match="unknown convolution precision 'exact'"):
        reference.conv2d(x, weight, bias, (1, 1), (0, 0, 0, 0), (1, 1), 1, "auto", "exact")


# -- pooling ---------------------------------------------------------------------------------


def window(case, p, q):
    """Positions (h, w) of one output's window that lie in the image, in row-major order."""
    for r, s in np.ndindex(*case.kernel):
        h = p * case.stride[0] + r * case.dilation[0] - case.padding[0]
        w = q * case.stride[1] + s * case.dilation[1] - case.padding[1]
        if 0 <= h < case.x[2] and 0 <= w < case.x[3]:
            yield h, w


def divisor(case, p, q):
    if case.divisor is not None:
        return case.divisor
    if not case.count_include_pad:
        return len(list(window(case, p, q))) or 1
    sides = []
    for i, at in enumerate((p, q)):
        start = at * case.stride[i] - case.padding[i]
        sides.append(min(start + case.kernel[i], case.x[2 + i] + case.padding[i]) - start)
    return math.prod(sides)


def max_pool2d(case, x):
    return reference.max_pool2d(
        x, case.kernel, case.stride, case.padding, case.dilation, case.out_size
    )


@pytest.mark.parametrize("case", MAX_POOL, ids=str)
def test_max_pool2d_is_the_first_maximum(case):
    x, grad = case.arrays(np.float32)
    best, index = max_pool2d(case, x)
    dx = np.zeros(case.x)
    for n, c, p, q in np.ndindex(grad.shape):
        at = -1
        for h, w in window(case, p, q):
            if at < 0 or x[n, c, h, w] > x[n, c].flat[at]:
                at = h * case.x[3] + w
        assert index[n, c, p, q] == at
        assert best[n, c, p, q] == (x[n, c].flat[at] if at >= 0 else -np.inf)
        if at >= 0:
            dx[n, c].flat[at] += grad[n, c, p, q]
    assert index.dtype == np.int32
    got = reference.max_pool2d_backward(grad, index, case.x[2:])
    assert_close(got, dx, 1e-5)
    assert got.dtype == np.float32


@pytest.mark.parametrize("case", AVG_POOL, ids=str)
def test_avg_pool2d_is_the_mean(case):
    x, grad = case.arrays(np.float64)
    how = (case.kernel, case.stride, case.padding)
    options = (case.count_include_pad, case.divisor)
    want, dx = np.zeros_like(grad), np.zeros_like(x)
    for n, c, p, q in np.ndindex(grad.shape):
        by = divisor(case, p, q)
        for h, w in window(case, p, q):
            want[n, c, p, q] += x[n, c, h, w] / by
            dx[n, c, h, w] += grad[n, c, p, q] / by
    assert_close(reference.avg_pool2d(x, *how, case.out_size, *options), want, 1e-14)
    assert_close(reference.avg_pool2d_backward(grad, case.x[2:], *how, *options), dx, 1e-13)


@pytest.mark.parametrize("case", MAX_POOL, ids=str)
def test_max_pool2d_is_torchs(torch, case):
    x, grad = case.arrays(np.float64)
    x.reshape(-1)[::7] = np.nan
    t = torch.from_numpy(x).requires_grad_()
    out, index = torch.nn.functional.max_pool2d(
        t, case.kernel, case.stride, case.padding, case.dilation, case.ceil_mode, True
    )
    got, got_index = max_pool2d(case, x)
    assert_exact(got, out.detach().numpy())
    found = got_index >= 0  # PyTorch's index of a window without any element is outside
    assert (got_index[found] == index.numpy()[found]).all()
    if found.all():
        out.backward(torch.from_numpy(grad))
        dx = reference.max_pool2d_backward(grad, got_index, case.x[2:])
        assert_close(dx, t.grad.numpy(), 1e-13)


@pytest.mark.parametrize("case", AVG_POOL, ids=str)
def test_avg_pool2d_is_torchs(torch, case):
    x, grad = case.arrays(np.float64)
    t = torch.from_numpy(x).requires_grad_()
    how = (case.kernel, case.stride, case.padding)
    options = (case.count_include_pad, case.divisor)
    out = torch.nn.functional.avg_pool2d(t, *how, case.ceil_mode, *options)
    out.backward(torch.from_numpy(grad))
    got = reference.avg_pool2d(x, *how, case.out_size, *options)
    assert_close(got, out.detach().numpy(), 1e-14)
    got = reference.avg_pool2d_backward(grad, case.x[2:], *how, *options)
    assert_close(got, t.grad.numpy(), 1e-13)


def test_max_pool2d_of_infinities_and_nans():
    case = PoolCase((1, 1, 1, 6), (1, 2), (1, 2))
    row = [-np.inf, -np.inf, np.nan, 3.0, np.nan, np.nan]
    best, index = max_pool2d(case, np.array(row, np.float32).reshape(case.x))
    assert index.ravel().tolist() == [0, 2, 5]  # first of equals, last NaN
    np.testing.assert_array_equal(best.ravel(), np.array([-np.inf, np.nan, np.nan]))
