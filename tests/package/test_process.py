"""fastnn as a guest in somebody else's process: import, threads, forks, environment."""

import os
import shutil
import subprocess
import sys
import threading
import time
from importlib import metadata

import numpy as np
import pytest

import fastnn
from fastnn.backends import _native

needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs Linux's /proc")

# large enough that the driver cuts it into several tasks
SIZE = 384


def run(code, **environment):
    """Run code in a fresh interpreter that does not see the working directory."""
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
    )


def product(seed=0):
    random = np.random.default_rng(seed)
    a = random.standard_normal((SIZE, SIZE)).astype(np.float32)
    b = random.standard_normal((SIZE, SIZE)).astype(np.float32)
    return _native.matmul(a, b), a, b


@needs_proc
def test_import_starts_no_thread():
    code = (
        "import os; import numpy; before = len(os.listdir('/proc/self/task'));"
        "import fastnn; print(before, len(os.listdir('/proc/self/task')))"
    )
    before, after = run(code).stdout.split()
    assert before == after


def test_import_loads_numpy_alone():
    code = (
        "import sys; import fastnn;"
        "print([m for m in ('torch', 'matplotlib', 'tqdm', 'scipy', 'onnx') if m in sys.modules])"
    )
    assert run(code).stdout.strip() == "[]"


def test_import_is_short():
    """Each of these would take a tenth to a half of the time that ``import fastnn`` takes."""
    slow = {
        "dataclasses", "email", "hashlib", "importlib.metadata", "importlib.resources", "inspect",
        "json", "numpy.ma", "numpy.random", "numpy.testing", "platform", "random", "tempfile",
        "unittest", "zipfile",
    }  # fmt: skip
    code = (
        "import sys; import numpy; before = set(sys.modules);"
        f"import fastnn; print(sorted((set(sys.modules) - before) & {slow}))"
    )
    assert run(code).stdout.strip() == "[]"


def test_version_is_that_of_the_metadata():
    code = "import fastnn; from fastnn import __version__ as v; print(v == fastnn.__version__, v)"
    same, version = run(code).stdout.split()
    assert same == "True"
    try:
        assert version == metadata.version("fastnn-cpu")
    except metadata.PackageNotFoundError:
        assert version == "0+unknown"
    with pytest.raises(AttributeError, match="module 'fastnn' has no attribute 'versoin'"):
        fastnn.versoin


def test_parallel_work_uses_workers_and_gives_the_same_bits():
    with fastnn.threads(1):
        expected, _, _ = product()
    with fastnn.threads(3):
        actual, _, _ = product()
        assert _native.pool_workers() >= 2
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_fork_after_use():
    with fastnn.threads(2):
        expected, _, _ = product()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                assert _native.pool_workers() == 0
                again, _, _ = product()
                assert _native.pool_workers() == 1
                status = 0 if np.array_equal(again, expected) else 2
            finally:
                os._exit(status)
        deadline = time.monotonic() + 60
        while (done := os.waitpid(child, os.WNOHANG))[0] == 0:
            assert time.monotonic() < deadline, "the child hangs"
            time.sleep(0.01)
        assert os.waitstatus_to_exitcode(done[1]) == 0
        np.testing.assert_array_equal(product()[0], expected)


def test_eight_python_threads_at_once():
    with fastnn.threads(1):
        expected = [product(seed)[0] for seed in range(8)]
    results = [None] * 8

    def work(seed):
        for _ in range(5):
            results[seed] = product(seed)[0]

    with fastnn.threads(2):
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for got, want in zip(results, expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_idle_pool_burns_no_processor():
    with fastnn.threads(2):
        product()
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.5)
    # a single spinning worker would have burnt half a second
    assert time.process_time() - before < 0.1


@pytest.mark.parametrize("isa", _native.isa_available())
def test_environment_forces_the_isa(isa):
    done = run("import fastnn; print(fastnn.get_isa())", FASTNN_ISA=isa)
    assert done.stdout.strip() == isa


def test_environment_with_an_unknown_isa():
    done = run("import fastnn", FASTNN_ISA="mmx")
    assert done.returncode != 0
    assert "FASTNN_ISA=mmx: unknown instruction set 'mmx'; this build has scalar" in done.stderr


def test_set_isa_refuses_and_changes_nothing():
    before = fastnn.get_isa()
    with pytest.raises(ValueError, match="unknown instruction set 'altivec'"):
        fastnn.set_isa("altivec")
    assert fastnn.get_isa() == before


@pytest.mark.parametrize(
    ("environment", "threads"),
    [
        ({"FASTNN_NUM_THREADS": "3"}, "3"),
        ({"OMP_NUM_THREADS": "5,2"}, "5"),
        ({"FASTNN_NUM_THREADS": "2", "OMP_NUM_THREADS": "7"}, "2"),
        ({"OMP_NUM_THREADS": "many"}, None),
    ],
)
def test_environment_sets_the_threads(environment, threads):
    clean = {"FASTNN_NUM_THREADS": "", "OMP_NUM_THREADS": ""}
    code = "import fastnn; print(fastnn.get_num_threads())"
    done = run(code, **{**clean, **environment})
    expected = threads or run(code, **clean).stdout.strip()
    assert done.stdout.strip() == expected


def test_environment_with_bad_threads():
    done = run("import fastnn", FASTNN_NUM_THREADS="0")
    assert "FASTNN_NUM_THREADS must be a positive integer, got '0'" in done.stderr


def test_default_threads_obey_the_affinity_mask():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("needs sched_setaffinity")
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "import fastnn; print(fastnn.get_num_threads())"
    )
    assert run(code, FASTNN_NUM_THREADS="", OMP_NUM_THREADS="").stdout.strip() == "1"


@pytest.mark.parametrize("n", [0, -1])
def test_set_num_threads_refuses(n):
    with pytest.raises(RuntimeError, match=f"expects a positive integer, but got {n}"):
        fastnn.set_num_threads(n)
    with pytest.raises(TypeError, match="set_num_threads expects an int, but got str"):
        fastnn.set_num_threads("2")


def test_results_are_aligned_and_recycled():
    x = np.ones((64, 64), np.float32)
    y = _native.relu(x)
    assert y.ctypes.data % 64 == 0
    view = y[3:, 2:]
    address = y.ctypes.data
    del y
    assert np.all(view == 1)
    other = _native.relu(x)
    assert other.ctypes.data != address, "a block was reused while a view was alive"
    del view, other
    assert _native.cached_bytes() > 0
    fastnn.release_memory()
    assert _native.cached_bytes() == 0


def test_bare_source_folder_says_what_to_do(tmp_path):
    package = os.path.dirname(fastnn.__file__)
    compiled = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(package, tmp_path / "fastnn", ignore=compiled)
    done = subprocess.run(
        [sys.executable, "-c", "import fastnn"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert f"Python imported the bare source folder {tmp_path}" in done.stderr
    assert "python -P -m fastnn" in done.stderr
    assert "pip install -e ." in done.stderr
