"""Native optimiser steps, in place over many parameters, against the float64 reference."""

import numpy as np
import pytest
from cases_pointwise import ADAM, PARAMETERS, SGD
from compare import Guarded, assert_close, eps, in_float64, largest

from fastnn.backends import native as native_module
from fastnn.backends.reference import backend as reference

native = native_module.backend

#: Roundings on the way to a parameter, each of at most eps of the largest term.
ROUNDINGS = 12


def normal(seed, dtype):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.standard_normal(shape), dtype) for shape in PARAMETERS]


def run(step, lists, steps, dtype):
    """Step natively on guarded copies and, from the same start each time, in float64.

    ``lists`` are arrays changed in place; ``step(backend, i, grads, lists)`` does one step.
    """
    guarded = [None if group is None else [Guarded(a) for a in group] for group in lists]
    arrays = [None if group is None else [g.array for g in group] for group in guarded]
    for i in range(1, steps + 1):
        grads = normal(100 + i, dtype)
        kept = [g.copy() for g in grads]
        wide = [None if group is None else list(in_float64(*group)) for group in arrays]
        before = [largest(*group) for group in wide if group is not None]
        step(reference, i, list(in_float64(*grads)), wide)
        step(native, i, grads, arrays)
        size = max(*before, largest(*grads))
        for ours, theirs in zip(arrays, wide, strict=True):
            for got, want in zip(ours or (), theirs or (), strict=True):
                assert got.dtype == dtype
                limit = ROUNDINGS * eps(dtype) * max(size, largest(want))
                assert_close(got, want, limit, f"step {i}")
        for grad, old in zip(grads, kept, strict=True):
            np.testing.assert_array_equal(grad, old)
        for group in guarded:
            for g in group or ():
                g.check()


@pytest.mark.parametrize("case", SGD, ids=str)
def test_sgd(case, isa, dtype):
    buffers = [np.full(s, np.nan, dtype) for s in PARAMETERS] if case.momentum else None

    def step(backend, i, grads, lists):
        backend.sgd_step(lists[0], grads, lists[1], first=i == 1, **vars(case))

    if buffers is not None:
        # The first step must not read the buffers: the largest of a NaN is not a number.
        first = [g.copy() for g in buffers]
        params = normal(0, dtype)
        native.sgd_step(params, normal(1, dtype), first, first=True, **vars(case))
        assert all(np.isfinite(b).all() for b in (*first, *params))
        buffers = [np.zeros_like(b) for b in buffers]
    run(step, [normal(0, dtype), buffers], 3, dtype)


@pytest.mark.parametrize("case", ADAM, ids=str)
def test_adam(case, isa, dtype):
    options = dict(vars(case))
    amsgrad = options.pop("amsgrad")
    zeros = [[np.zeros(s, dtype) for s in PARAMETERS] for _ in range(3)]

    def step(backend, i, grads, lists):
        backend.adam_step(lists[0], grads, *lists[1:], step=i, **options)

    run(step, [normal(0, dtype), *zeros[:2], zeros[2] if amsgrad else None], 3, dtype)


def test_nothing_to_update(isa):
    native.sgd_step(
        [], [], None, first=True, lr=0.1, momentum=0.0, dampening=0.0, weight_decay=0.0,
        nesterov=False, maximize=False,
    )  # fmt: skip
    native.adam_step(
        [], [], [], [], None, step=1, lr=0.1, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=0.0,
        decoupled=False, maximize=False,
    )  # fmt: skip
