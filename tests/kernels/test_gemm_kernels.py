"""Native matrix products and linear layers against the float64 reference."""

import functools

import numpy as np
import pytest
from cases_products import GEMM, LINEAR
from compare import assert_products, in_float64, poison, same_bits

import fastnn
from fastnn import runtime
from fastnn.backends import native as native_module
from fastnn.backends.reference import backend as reference

native = native_module.backend


@functools.cache
def product(case, dtype):
    a, b = case.arrays(dtype)
    return a, b, reference.matmul(*in_float64(a, b))


@pytest.mark.parametrize("case", GEMM, ids=str)
def test_matmul(case, isa, dtype):
    a, b, want = product(case, dtype)
    poison(native, dtype, want.shape)
    got = native.matmul(a, b)
    assert got.dtype == dtype
    assert got.flags.c_contiguous
    assert_products(got, want, case.k, a, b)


@pytest.mark.parametrize("case", LINEAR, ids=str)
def test_linear_packed(case, isa, dtype):
    x, weight, bias, _ = arrays = case.arrays(dtype)
    want = reference.linear(*in_float64(*arrays[:3]))
    packed = native.pack_linear(np.asfortranarray(weight) if case.rows % 2 else weight)
    poison(native, dtype, want.shape)
    got = native.linear_packed(x, packed, bias)
    assert got.dtype == dtype
    assert got.flags.c_contiguous
    assert_products(got, want, case.inputs, x, weight, bias)


def test_packed_weight_belongs_to_its_instruction_set():
    x, weight = np.ones((3, 40), np.float32), np.ones((50, 40), np.float32)
    chosen = runtime.get_isa()
    packed = native.pack_linear(weight)
    try:
        for isa in runtime.isa_available():
            runtime.set_isa(isa)
            np.testing.assert_array_equal(native.linear_packed(x, packed, None), x @ weight.T)
    finally:
        runtime.set_isa(chosen)


@pytest.mark.parametrize(
    ("x", "error"),
    [(np.ones((3, 4), np.float32), ValueError), (np.ones((3, 5)), TypeError),
     (np.ones(5, np.float32), ValueError)],
)  # fmt: skip
def test_packed_weight_refuses(x, error):
    with pytest.raises(error):
        native.linear_packed(x, native.pack_linear(np.ones((2, 5), np.float32)), None)
    with pytest.raises(TypeError):
        native.linear_packed(np.ones((3, 5), np.float32), np.ones((2, 5), np.float32), None)


@pytest.mark.parametrize("case", LINEAR, ids=str)
def test_linear(case, isa, dtype):
    x, weight, bias, _ = arrays = case.arrays(dtype)
    want = reference.linear(*in_float64(*arrays[:3]))
    poison(native, dtype, want.shape)
    got = native.linear(x, weight, bias)
    assert got.dtype == dtype
    assert got.flags.c_contiguous
    assert_products(got, want, case.inputs, x, weight, bias)


@pytest.mark.parametrize("case", LINEAR, ids=str)
def test_linear_backward(case, isa, dtype):
    x, weight, _, grad = case.arrays(dtype)
    wide = in_float64(grad, x, weight)
    needs = (True, True, case.bias)
    poison(native, dtype, x.shape, weight.shape)
    got = native.linear_backward(grad, x, weight, needs)
    want = reference.linear_backward(*wide, needs)
    assert_products(got[0], want[0], case.outputs, grad, weight, what="gradient of the input")
    assert_products(got[1], want[1], case.rows, grad, x, what="gradient of the weight")
    assert (got[2] is None) == (want[2] is None)
    if case.bias:
        assert_products(got[2], want[2], case.rows, grad, np.ones(1), what="gradient of the bias")


@pytest.mark.parametrize("case", LINEAR, ids=str)
def test_linear_with_a_relu_before_or_behind_it(case, isa, dtype):
    """The same bits as one operation after another."""
    x, weight, bias, grad = case.arrays(dtype)
    poison(native, dtype, (case.rows, case.outputs), x.shape)
    got = native.linear_relu(x, weight, bias)
    assert same_bits(got, native.relu(native.linear(x, weight, bias)))
    needs = (True, False, False)
    gate = native.relu(x).reshape(x.shape[::-1])
    apart = native.relu_backward(native.linear_backward(grad, x, weight, needs)[0], x)
    joined = native.linear_backward(grad, x, weight, needs, gate)[0]
    assert same_bits(joined, apart)
    with pytest.raises(ValueError, match="gate has shape"):
        native.linear_backward(grad, x, weight, needs, np.ones(x.size + 1, dtype))


@pytest.mark.parametrize(
    ("rows", "outputs", "inputs"),
    [(64, 300, 784), (3000, 70, 90), (64, 10, 1), (64, 1, 10), (0, 4, 3)],
)
def test_gradient_of_the_bias_beside_that_of_the_weight(rows, outputs, inputs, isa, dtype):
    """The same bits for any number of threads and whatever else is asked for, in either order."""
    rng = np.random.default_rng(11)
    x, weight, grad = (
        rng.standard_normal(shape).astype(dtype)
        for shape in ((rows, inputs), (outputs, inputs), (rows, outputs))
    )
    before = fastnn.get_num_threads()
    try:
        for dy in (grad, np.asfortranarray(grad)):
            fastnn.set_num_threads(1)
            want = native.linear_backward(dy, x, weight, (False, True, True))
            exact = grad.sum(0, dtype=np.float64)
            assert_products(want[2], exact, rows, grad, np.ones(1))
            for threads in (2, 3, 7):
                fastnn.set_num_threads(threads)
                got = native.linear_backward(dy, x, weight, (True, True, True))
                assert same_bits(got[1], want[1])
                assert same_bits(got[2], want[2])
    finally:
        fastnn.set_num_threads(before)


def test_linear_backward_gives_what_is_needed(isa, dtype):
    x, weight, _, grad = LINEAR[0].arrays(dtype)
    for needs in np.ndindex(2, 2, 2):
        wanted = tuple(map(bool, needs))
        got = native.linear_backward(grad, x, weight, wanted)
        assert tuple(g is not None for g in got) == wanted


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_special_values_stay_in_their_row_and_column(special, isa, dtype):
    a, b = np.ones((17, 40), dtype), np.ones((40, 33), dtype)
    a[5, 7] = special
    b[3, 20] = special
    got = native.matmul(a, b)
    touched = np.zeros(got.shape, bool)
    touched[5] = touched[:, 20] = True
    assert (np.isfinite(got) == ~touched).all()


def test_transposed_views_are_read_in_place(isa, dtype):
    """Rows of a wider array, and a column of one, as the strides of a slice give them."""
    rng = np.random.default_rng(0)
    wide = rng.standard_normal((40, 70)).astype(dtype)
    for a, b in (
        (wide[:17, 3:30], wide[5:32, 10:43]),
        (wide[:17, 3:30], wide[5:38, 10:37].T),
        (wide[3:30, :17].T, wide[:27, 1::2]),
        (wide[:, 5:6].T, wide),
        (np.broadcast_to(wide[0], (9, 70)), wide.T),
    ):
        want = reference.matmul(*in_float64(a, b))
        assert_products(native.matmul(a, b), want, a.shape[1], a, b)
