"""Fixtures: what a test runs over comes from the library's own lists."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from fastnn.backends import Backend, conv_algorithm, settings, use_backend

try:
    from fastnn.backends import _native
except ImportError:  # the compiled part is not built: native stands in for itself
    _native = None


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    """PyTorch on one thread: skips visibly without it, or fails if FASTNN_REQUIRE_TORCH=1."""
    if os.environ.get("FASTNN_REQUIRE_TORCH") == "1":
        import torch as module
    else:
        module = pytest.importorskip("torch")
    module.set_num_threads(1)
    return module


@pytest.fixture(params=["native", "reference"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Each backend, selected while the test runs."""
    with use_backend(request.param):
        yield settings().backend


@pytest.fixture(params=_native.isa_compiled() if _native else ["none"])
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set compiled in, forced while the test runs."""
    if _native is None:
        yield request.param
        return
    if request.param not in _native.isa_available():
        pytest.skip(f"this processor has no {request.param}")
    before = _native.get_isa()
    _native.set_isa(request.param)
    try:
        yield request.param
    finally:
        _native.set_isa(before)


@pytest.fixture(params=["direct", "im2col"])
def algorithm(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each convolution algorithm, forced while the test runs."""
    with conv_algorithm(request.param):
        yield request.param


@pytest.fixture(params=[np.float32, np.float64], ids=["f32", "f64"])
def dtype(request: pytest.FixtureRequest) -> Any:
    """Each dtype with kernels."""
    return request.param
