"""Every kernel of every usable instruction set is run by the calls that the tests compare.

``EXERCISED_BY`` says which call reaches which kernel.  A kernel added to ``kernels.def``
without a row here, or a row whose call is gone, fails.
"""

import numpy as np
from kernel_calls import SMALL, calls, several

import fastnn
from fastnn.backends import native as native_module

native = native_module.backend

EXERCISED_BY: dict[str, str] = {
    "gemm_block": "matmul",
    "gemm_pack": "matmul",
}
#: Kernels that compute nothing: they measure the processor, and the benchmark runs them.
PROBES = {"fma_peak"}


def test_every_kernel_is_exercised():
    from fastnn.backends import _native

    before = fastnn.get_isa()
    exercised = set()
    for isa in fastnn.isa_available():
        fastnn.set_isa(isa)
        for dtype in (np.float32, np.float64):
            ran = set()
            for name, function, arrays in calls(native, dtype, SMALL):
                assert all(np.isfinite(r).all() for r in several(function(*arrays))), name
                ran.add(name)
            exercised |= {
                (isa, np.dtype(dtype).name, kernel)
                for kernel, call in EXERCISED_BY.items()
                if call in ran
            }
    fastnn.set_isa(before)
    computing = {row for row in _native.kernel_names() if row[2] not in PROBES}
    assert computing
    assert exercised == computing
