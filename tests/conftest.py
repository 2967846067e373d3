"""Fixtures: what a test runs over comes from the library's own lists."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import op_contract
import pytest
from hypothesis import settings as hypothesis_settings

from fastnn.backends import Backend, _native, conv_algorithm, settings, use_backend

# A test passes or fails with the commit, not with the run: Hypothesis draws the same examples each
# time. `pytest --hypothesis-profile explore` draws new ones.
hypothesis_settings.register_profile("same", derandomize=True, deadline=None)
hypothesis_settings.register_profile("explore", deadline=None)
hypothesis_settings.load_profile("same")


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    """PyTorch on one thread: skips visibly without it, or fails if FASTNN_REQUIRE_TORCH=1."""
    if os.environ.get("FASTNN_REQUIRE_TORCH") == "1":
        import torch as module
    else:
        module = pytest.importorskip("torch")
    module.set_num_threads(1)
    return module


@pytest.fixture(scope="session", autouse=True)
def _ops_give_arrays() -> Iterator[None]:
    """Whatever a test computes, check the contract of every op it runs."""
    undo = op_contract.install()
    yield
    undo()


@pytest.fixture(params=["native", "reference"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Each backend, selected while the test runs."""
    with use_backend(request.param):
        yield settings().backend


@pytest.fixture(params=_native.isa_compiled())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set compiled in, forced while the test runs."""
    if request.param not in _native.isa_available():
        pytest.skip(f"this processor has no {request.param}")
    before = _native.get_isa()
    _native.set_isa(request.param)
    try:
        yield request.param
    finally:
        _native.set_isa(before)


@pytest.fixture(params=["direct", "im2col", "batch"])
def algorithm(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each convolution algorithm that does every shape, forced while the test runs."""
    with conv_algorithm(request.param):
        yield request.param


@pytest.fixture(
    params=[
        ("direct", "fast"),
        ("im2col", "fast"),
        ("batch", "fast"),
        ("winograd", "fast"),
        ("winograd", "strict"),
    ],
    ids=lambda way: way[0] if way[1] == "fast" else "-".join(way),
)
def way(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Algorithm and precision, for what is computed by all of them but not of every shape."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=[np.float32, np.float64], ids=["f32", "f64"])
def dtype(request: pytest.FixtureRequest) -> Any:
    """Each dtype with kernels."""
    return request.param
