"""Every operation on every memory layout gives the bits of plain arrays and writes no input.

Products of transposed matrices alone are only close: they are read where they lie, along
whichever axis is dense, and may sum in another order.

The copies between NaNs (``compare._inside``) also catch a kernel that reads beside its input.
"""

import numpy as np
import pytest
from compare import LAYOUTS, assert_close, eps, largest, same_bits
from kernel_calls import SMALL, calls, several

from fastnn.backends import native as native_module

native = native_module.backend


def in_place(name, layout):
    """Whether the call reads this layout as it is; all others are copied to dense arrays."""
    return layout == "fortran" and name.startswith(("matmul", "linear"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, isa, dtype):
    for name, function, arrays in calls(native, dtype, SMALL):
        want = several(function(*arrays))
        laid = [LAYOUTS[layout](a) for a in arrays]
        got = several(function(*laid))
        for g, w in zip(got, want, strict=True):
            if in_place(name, layout):
                terms = max(size for a in arrays for size in a.shape) + 1
                limit = eps(dtype) * terms * np.prod([largest(a) for a in arrays[:2]])
                assert_close(g, w, limit, f"{name} of {layout} inputs")
            else:
                assert same_bits(g, w), f"{name} of {layout} inputs differs"
            assert g.flags.c_contiguous, name
            assert g.flags.aligned, name
            assert g.flags.writeable, name
        for a, b in zip(arrays, laid, strict=True):
            assert a.tobytes() == b.tobytes(), f"{name} wrote into its input"


def test_results_own_their_memory(dtype):
    """Even where nothing is computed: sums over no axis, products with one, one tap."""
    x = np.ones((3, 4), dtype)
    for result in (native.sum(x, ()), native.relu(x), native.mul(x, np.ones((), dtype))):
        assert not np.shares_memory(result, x)


def test_large_results_are_aligned(isa, dtype):
    x = np.ones((64, 65), dtype)
    for result in (native.add(x, x), native.relu(x), native.matmul(x, x.T)):
        assert result.ctypes.data % 64 == 0
