"""Shape rules: PyTorch's results, and the first line of its errors with their exception types."""

import itertools
import re

import numpy as np
import pytest

from fastnn import _shapes as shapes
from fastnn import _shapes_window as windows
from fastnn.backends import is_conv2d

X, W, B = (1, 3, 8, 8), (8, 3, 3, 3), (8,)
PLAIN = ((1, 1), (0, 0, 0, 0), (1, 1), 1)  # stride, padding, dilation, groups


def symmetric(padding):
    return padding[0], padding[0], padding[1], padding[1]


def agree(ours, theirs):
    """Both give the same shape, or both raise the same type and our text starts with theirs."""
    want, got = outcome(theirs), outcome(ours)
    if isinstance(want, Exception):
        assert type(got) is type(want), got
        assert str(got).startswith(str(want).split("\n")[0].rstrip("."))
    else:
        assert got == want


def outcome(function):
    try:
        return tuple(function())
    except (RuntimeError, IndexError, ValueError) as error:
        return error


# -- convolution -----------------------------------------------------------------------------

# x, weight, bias, stride, padding, dilation, groups
CONV2D = [
    (X, W, B, (1, 1), (0, 0), (1, 1), 1),
    (X, W, None, (2, 3), (1, 2), (1, 2), 1),
    ((0, 3, 8, 8), W, B, (1, 1), (0, 0), (1, 1), 1),
    ((2, 6, 8, 8), (8, 3, 3, 3), B, (1, 1), (0, 0), (1, 1), 2),
    ((2, 6, 8, 8), (6, 1, 3, 3), None, (2, 2), (1, 1), (1, 1), 6),
    ((1, 4, 8, 8), W, B, (1, 1), (0, 0), (1, 1), 1),
    ((8, 8), W, B, (1, 1), (0, 0), (1, 1), 1),
    ((1, 1, 3, 8, 8), W, B, (1, 1), (0, 0), (1, 1), 1),
    (X, W, (7,), (1, 1), (0, 0), (1, 1), 1),
    (X, W, (8, 1), (1, 1), (0, 0), (1, 1), 1),
    ((1, 3, 2, 2), W, B, (1, 1), (0, 0), (1, 1), 1),
    ((1, 3, 8, 2), W, B, (1, 1), (0, 0), (1, 1), 1),
    ((1, 3, 2, 2), W, B, (1, 1), (1, 1), (2, 2), 1),
    ((1, 3, 0, 8), W, B, (1, 1), (0, 0), (1, 1), 1),
    ((1, 3, 0, 8), W, B, (1, 1), (2, 2), (1, 1), 1),
    (X, W, B, (0, 1), (0, 0), (1, 1), 1),
    (X, W, B, (1, -1), (0, 0), (1, 1), 1),
    (X, W, B, (1, 1), (-1, 0), (1, 1), 1),
    (X, W, B, (1, 1), (0, -2), (1, 1), 1),
    (X, W, B, (1, 1), (0, 0), (0, 1), 1),
    (X, W, B, (1, 1), (0, 0), (1, -1), 1),
    (X, W, B, (1, 1), (0, 0), (1, 1), 0),
    (X, W, B, (1, 1), (0, 0), (1, 1), -1),
    ((1, 4, 8, 8), (7, 2, 3, 3), None, (1, 1), (0, 0), (1, 1), 2),
    ((1, 4, 8, 8), (1, 2, 3, 3), None, (1, 1), (0, 0), (1, 1), 2),
    ((1, 5, 8, 8), (8, 2, 3, 3), None, (1, 1), (0, 0), (1, 1), 2),
    (X, (0, 3, 3, 3), None, (1, 1), (0, 0), (1, 1), 1),
    (X, (8, 3, 0, 3), None, (1, 1), (0, 0), (1, 1), 1),
]


@pytest.mark.parametrize("arguments", CONV2D, ids=str)
def test_conv2d_output_is_torchs(torch, arguments):
    x, weight, bias, stride, padding, dilation, groups = arguments

    def ours():
        how = (stride, symmetric(padding), dilation, groups)
        return (x[0], weight[0], *windows.conv2d_output(x, weight, bias, *how))

    def theirs():
        tensors = (None if shape is None else torch.zeros(shape) for shape in arguments[:3])
        return torch.nn.functional.conv2d(*tensors, stride, padding, dilation, groups).shape

    agree(ours, theirs)


@pytest.mark.parametrize("arguments", CONV2D, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_is_conv2d_says_yes_where_the_rule_gives_a_size(arguments, dtype):
    x, weight, bias, stride, padding, dilation, groups = arguments
    arrays = [None if shape is None else np.empty(shape, dtype) for shape in (x, weight, bias)]
    how = (stride, symmetric(padding), dilation, groups)
    size = outcome(lambda: windows.conv2d_output(x, weight, bias, *how))
    usual = is_conv2d(*arrays, stride, padding, dilation, groups)
    assert usual is not isinstance(size, Exception)


@pytest.mark.parametrize(
    "other",
    [
        {"stride": 1},
        {"stride": [1, 1]},
        {"stride": (1,)},
        {"stride": (1, 1, 1)},
        {"stride": (True, 1)},
        {"dilation": (1, np.int64(1))},
        {"dilation": (1, 1.0)},
        {"padding": "same"},
        {"padding": (0, 2**31)},
        {"padding": (2**64, 0)},
        {"padding": None},
        {"groups": 1.0},
        {"groups": 2**70},
        {"x": np.ones(X)[0]},
        {"x": np.ones(X, "float32")},
        {"x": np.ones(X, "int64")},
        {"x": np.ones(X, ">f8")},
        {"x": np.ones(X).tolist()},
        {"weight": np.ones(W, "float32")},
        {"weight": np.ones(W)[0]},
        {"weight": None},
        {"bias": np.ones(B, "float32")},
        {"bias": np.ones((1, *B))},
    ],
    ids=str,
)
def test_is_conv2d_leaves_the_rest_to_the_rule(other):
    usual = {"x": np.ones(X), "weight": np.ones(W), "bias": np.ones(B)}
    usual |= {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    assert is_conv2d(**usual)
    assert not is_conv2d(**(usual | other))


def test_conv2d_output_each_side():
    size = windows.conv2d_output((1, 3, 4, 5), W, B, (1, 2), (1, 0, 0, 3), (1, 1), 1)
    assert size == (3, 3)


def test_conv2d_output_of_no_input_channels():
    assert windows.conv2d_output((2, 0, 5, 6), (4, 0, 3, 3), None, *PLAIN) == (3, 4)


def test_conv2d_output_refuses_what_overflows():
    wide = (2**62 - 1,) * 4
    with pytest.raises(
        RuntimeError, match=r"^Storage size calculation overflowed with sizes=\[1, "
    ):
        windows.conv2d_output(X, W, B, (1, 1), wide, (1, 1), 1)
    for stride, padding, dilation, name in (
        ((2**62, 1), (0, 0, 0, 0), (1, 1), "stride"),
        ((1, 1), (0, 0, 2**62, 0), (1, 1), "padding"),
        ((1, 1), (0, 0, 0, 0), (1, 2**62), "dilation"),
    ):
        with pytest.raises(
            RuntimeError, match=rf"^Given {name}=\d+, expected {name} to be at most"
        ):
            windows.conv2d_output((1, 3, 1, 1), (8, 3, 1, 1), B, stride, padding, dilation, 1)


def test_conv2d_output_wants_a_weight_of_four_dimensions():
    with pytest.raises(RuntimeError, match=r"4-dimensional weight .* size \[8, 3, 3\]"):
        windows.conv2d_output(X, (8, 3, 3), None, *PLAIN)


@pytest.mark.parametrize("name", ["stride", "padding", "dilation"])
@pytest.mark.parametrize("value", [2, (2,), (1, 2), [2, 1], (1, 2, 3), ()], ids=str)
def test_conv2d_pair_is_torchs(torch, name, value):
    x, weight = torch.zeros(1, 1, 9, 9), torch.zeros(1, 1, 2, 2)
    arguments = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}

    def ours():
        how = {**arguments, name: windows.conv2d_pair(name, value)}
        how["padding"] = symmetric(how["padding"])
        return (1, 1, *windows.conv2d_output((1, 1, 9, 9), (1, 1, 2, 2), None, **how, groups=1))

    if value == ():  # PyTorch takes it for another list
        with pytest.raises(RuntimeError, match=rf"^expected {name} to be .* but got {name}=\[\]"):
            ours()
        return
    agree(ours, lambda: torch.nn.functional.conv2d(x, weight, **{**arguments, name: value}).shape)


def test_pairs_are_integers():
    with pytest.raises(TypeError, match=r"conv2d: stride must be an int .*, not 1\.5"):
        windows.conv2d_pair("stride", 1.5)
    with pytest.raises(
        TypeError, match=r"max_pool2d: kernel_size must be an int .*, not \(1, 'a'\)"
    ):
        windows.pool2d_pair("max_pool2d", "kernel_size", (1, "a"))


@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (4, 5), (7, 2)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 3)])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
def test_same_padding_keeps_the_size(torch, kernel, dilation):
    top, bottom, left, right = windows.conv2d_padding("same", kernel, (1, 1), dilation)
    assert 0 <= bottom - top <= 1
    assert 0 <= right - left <= 1
    x, weight = torch.randn(1, 1, 20, 21), torch.randn(1, 1, *kernel)
    conv2d = torch.nn.functional.conv2d
    want = conv2d(x, weight, padding="same", dilation=dilation)
    padded = torch.nn.functional.pad(x, (left, right, top, bottom))
    assert torch.allclose(conv2d(padded, weight, dilation=dilation), want, atol=1e-5)
    assert windows.conv2d_padding("valid", kernel, (2, 1), dilation) == (0, 0, 0, 0)


@pytest.mark.parametrize(("padding", "stride"), [("same", (2, 1)), ("foo", (1, 1)), ((1, 2, 3), 1)])
def test_padding_errors_are_torchs(torch, padding, stride):
    agree(
        lambda: windows.conv2d_padding(padding, (3, 3), stride, (1, 1)),
        lambda: torch.nn.functional.conv2d(
            torch.zeros(X), torch.zeros(W), stride=stride, padding=padding
        ),
    )


# -- pooling ---------------------------------------------------------------------------------

# x, kernel size, stride, padding, dilation, ceil mode
POOL = [
    *(
        ((1, 2, h, 9), (k, 2), (s, 3), (p, 1), (1, 1), ceil)
        for h, k, s, p, ceil in itertools.product((3, 6, 7), (2, 3), (1, 2, 4), (0, 1), (0, 1))
    ),
    ((2, 9, 9), (3, 3), (2, 2), (1, 0), (2, 3), 0),
    ((0, 2, 9, 9), (3, 3), (2, 2), (1, 0), (2, 3), 1),
    (X, (9, 9), (9, 9), (0, 0), (1, 1), 0),
    (X, (9, 9), (9, 9), (0, 0), (1, 1), 1),
    (X, (2, 2), (2, 2), (2, 0), (1, 1), 0),
    (X, (2, 2), (2, 2), (2, 0), (3, 1), 0),
    (X, (2, 2), (2, 2), (0, 2), (1, 3), 0),
    (X, (2, 2), (2, 2), (-1, 0), (1, 1), 0),
    (X, (2, 2), (0, 1), (0, 0), (1, 1), 0),
    (X, (2, 2), (1, -1), (0, 0), (1, 1), 0),
    (X, (0, 2), (1, 1), (0, 0), (1, 1), 0),
    (X, (2, -1), (1, 1), (0, 0), (1, 1), 0),
    (X, (2, 2), (1, 1), (0, 0), (0, 1), 0),
    ((1, 0, 8, 8), (2, 2), (2, 2), (0, 0), (1, 1), 0),
    ((1, 3, 0, 8), (2, 2), (2, 2), (0, 0), (1, 1), 0),
    ((0, 8, 8), (2, 2), (2, 2), (0, 0), (1, 1), 0),
]


@pytest.mark.parametrize("arguments", POOL, ids=str)
def test_pool2d_output_is_torchs(torch, arguments):
    x, *how = arguments
    how[4] = bool(how[4])
    agree(
        lambda: (*x[:-2], *windows.pool2d_output(x, *how)),
        lambda: torch.nn.functional.max_pool2d(torch.zeros(x), *how).shape,
    )
    if how[3] == (1, 1):
        agree(
            lambda: (*x[:-2], *windows.pool2d_output(x, *how)),
            lambda: torch.nn.functional.avg_pool2d(torch.zeros(x), *how[:3], how[4]).shape,
        )


@pytest.mark.parametrize("x", [(8, 8), (1, 1, 3, 8, 8), ()])
def test_pool2d_output_wants_three_or_four_dimensions(x):
    with pytest.raises(RuntimeError, match=re.escape(f"but got:{list(x)}")):
        windows.pool2d_output(x, (2, 2), (2, 2), (0, 0))


def test_pool2d_output_refuses_planes_beyond_int32():
    with pytest.raises(RuntimeError, match="planes of more than 2147483647 elements"):
        windows.pool2d_output((1, 1, 2**16, 2**16), (2, 2), (2, 2), (0, 0))
    with pytest.raises(RuntimeError, match=r"^Given stride=\[4611686018427387904, 1\]"):
        windows.pool2d_output(X, (2, 2), (2**62, 1), (0, 0))


@pytest.mark.parametrize("op", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize("name", ["kernel_size", "stride", "padding", "dilation"])
def test_pool2d_pair_texts_are_torchs(torch, op, name):
    if (op, name) == ("avg_pool2d", "dilation"):
        return
    arguments = {"kernel_size": 2, name: (1, 2, 3)}
    agree(
        lambda: windows.pool2d_pair(op, name, (1, 2, 3)),
        lambda: getattr(torch.nn.functional, op)(torch.zeros(X), **arguments),
    )
    assert windows.pool2d_pair(op, name, 3) == windows.pool2d_pair(op, name, [3, 3]) == (3, 3)


# -- products of matrices --------------------------------------------------------------------

SHAPES = [(), (3,), (4,), (3, 4), (4, 3), (2, 3, 4), (2, 4, 5), (3, 4, 5), (2, 1, 4, 3), (3, 5, 4)]


@pytest.mark.parametrize(("a", "b"), list(itertools.product(SHAPES, SHAPES)), ids=str)
def test_matmul_is_torchs(torch, a, b):
    agree(lambda: shapes.matmul(a, b), lambda: (torch.zeros(a) @ torch.zeros(b)).shape)


@pytest.mark.parametrize(
    ("a", "b"), list(itertools.product(SHAPES, [(4, 3), (3, 5), (3,)])), ids=str
)
def test_mm_and_addmm_are_torchs(torch, a, b):
    agree(lambda: shapes.mm(a, b), lambda: torch.mm(torch.zeros(a), torch.zeros(b)).shape)
    bias = torch.zeros(5)
    agree(
        lambda: shapes.addmm((5,), a, b),
        lambda: torch.addmm(bias, torch.zeros(a), torch.zeros(b)).shape,
    )


@pytest.mark.parametrize("x", SHAPES, ids=str)
@pytest.mark.parametrize("bias", [None, (5,), (6,)])
def test_linear_is_torchs(torch, x, bias):
    agree(
        lambda: shapes.linear(x, (5, 4), bias),
        lambda: (
            torch.nn.functional.linear(
                torch.zeros(x), torch.zeros(5, 4), None if bias is None else torch.zeros(bias)
            ).shape
        ),
    )


def test_linear_of_the_classifier_that_refuses_a_bigger_image():
    with pytest.raises(RuntimeError) as caught:
        shapes.linear((1, 768), (10, 3072), (10,))
    assert str(caught.value) == "mat1 and mat2 shapes cannot be multiplied (1x768 and 3072x10)"


def test_linear_wants_a_matrix_and_a_vector():
    with pytest.raises(RuntimeError, match=r"must be a matrix .* got size \[7\]"):
        shapes.linear((3, 7), (7,), None)
    with pytest.raises(RuntimeError, match=r"1-dimensional with 5 elements.* \[2, 5\] instead"):
        shapes.linear((2, 4), (5, 4), (2, 5))


def test_products_that_overflow():
    for ours in (
        lambda: shapes.matmul((2**40, 0), (0, 2**40)),
        lambda: shapes.matmul((2, 2**40, 0), (2, 0, 2**40)),
    ):
        with pytest.raises(RuntimeError, match=r"^Storage size calculation overflowed with sizes="):
            ours()


# -- sizes, dimensions, views ----------------------------------------------------------------

BROADCAST = [(), (1,), (3,), (4,), (0,), (2, 3), (2, 1, 3), (4, 5, 3), (2, 1), (5, 1, 1, 1)]


@pytest.mark.parametrize(("a", "b"), list(itertools.product(BROADCAST, BROADCAST)), ids=str)
def test_broadcast_and_expand_are_torchs(torch, a, b):
    agree(lambda: shapes.broadcast(a, b), lambda: (torch.zeros(a) + torch.zeros(b)).shape)
    if len(b) >= len(a):  # otherwise PyTorch's text names its own tensor class
        agree(lambda: shapes.expand_shape(a, b), lambda: torch.zeros(a).expand(b).shape)


@pytest.mark.parametrize("sizes", [(-1,), (2, -1), (-1, 3), (2, -2), (-2,)], ids=str)
def test_expand_of_negative_sizes_is_torchs(torch, sizes):
    agree(lambda: shapes.expand_shape((3,), sizes), lambda: torch.zeros(3).expand(sizes).shape)


def test_expand_to_fewer_dimensions():
    with pytest.raises(RuntimeError, match=r"number of sizes provided \(1\) must be greater or eq"):
        shapes.expand_shape((3, 3), (3,))


@pytest.mark.parametrize("ndim", [0, 1, 3])
@pytest.mark.parametrize("dim", range(-5, 5))
def test_wrap_dim_is_torchs(torch, ndim, dim):
    t = torch.zeros((2, 3, 4)[:ndim])
    if -max(ndim, 1) <= dim < max(ndim, 1):
        assert shapes.wrap_dim(dim, ndim) == range(max(ndim, 1))[dim]
    else:
        agree(lambda: (shapes.wrap_dim(dim, ndim),), lambda: t.softmax(dim).shape)


@pytest.mark.parametrize("dims", [(), (0,), (-1, 0), (2, 0, 1), (0, 0), (0, -3), (0, 3)], ids=str)
def test_wrap_dims_is_torchs(torch, dims):
    t = torch.zeros(2, 3, 4)

    def ours():
        kept = set(range(3)) - set(shapes.wrap_dims(dims, 3))
        return [n for i, n in enumerate(t.shape) if i in kept]

    agree(ours, lambda: torch.amax(t, dims).shape if dims else t.shape)
    assert shapes.wrap_dims((0,), 0) == ()


VIEWS = [
    *((4, s) for s in ((4,), (2, 2), (-1,), (2, -1), (-1, 1, 4), (3, -1), (3,), (-1, -1))),
    *((4, s) for s in ((-2, 2), (0, -1), (5, -1), (), (2, 2, 1))),
    *((0, s) for s in ((0,), (-1,), (0, -1), (3, -1), (-1, 3), (0, 3), (3,), ())),
    *((1, s) for s in ((), (-1,), (1, 1), (2,))),
]


@pytest.mark.parametrize(("count", "shape"), VIEWS, ids=str)
def test_view_shape_is_torchs(torch, count, shape):
    agree(lambda: shapes.view_shape(shape, count), lambda: torch.zeros(count).view(shape).shape)


@pytest.mark.parametrize(
    "sizes",
    [(2**62, 4), (2**61,), (2**40, 2**40), (2**62, 4, 0), (3, -1), (2, 3), (), (5, 0)],
    ids=str,
)
def test_numel_is_torchs(torch, sizes):
    agree(lambda: (shapes.numel(sizes, 4),), lambda: (torch.empty(sizes).numel(),))


def test_numel_of_strides_that_overflow():
    with pytest.raises(RuntimeError, match=r"^Storage size calculation overflowed"):
        shapes.numel((0, 2**62, 8))
    assert shapes.numel((2**60,), 4) == 2**60
