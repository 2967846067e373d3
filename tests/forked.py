"""Running something in a forked child, which starts without the parent's worker threads."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Callable

import pytest

from fastnn.backends import _native

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def workers_used(function: Callable[[], object]) -> int:
    """How many worker threads ``function`` has started in a process that had none."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        child = os.fork()
    if child == 0:
        status = 255
        try:
            assert _native.pool_workers() == 0
            function()
            status = _native.pool_workers()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert 0 <= status < 255, f"the child failed with {status}"
    return status
