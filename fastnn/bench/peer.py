"""One library in a process of its own, asked in lines of JSON."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

__all__ = ["LIBRARIES", "ONE_THREAD", "BenchmarkError", "Peer", "PeerTimeoutError", "present"]

#: What can be compared with, each in a process of its own.
LIBRARIES = ("numpy", "torch", "torch.compile", "onnxruntime")
#: fastnn itself, whatever the threads of the others.
ONE_THREAD = "one-thread"

#: What else a library needs.
ALSO = {"onnxruntime": ("onnxruntime", "onnx"), "torch.compile": ("torch",)}


#: Seconds that a process may take to end by itself.
GRACE = 1.0


class BenchmarkError(RuntimeError):
    """A peer died, or computed something else than the reference."""


class PeerTimeoutError(BenchmarkError):
    """A peer did not answer in time, and was ended."""


def present(library: str) -> bool:
    """Whether the library can be imported here."""
    return library == ONE_THREAD or all(
        find_spec(name) is not None for name in ALSO.get(library, (library,))
    )


class Peer:
    """One library in a process of its own.

    Parameters
    ----------
    label : str
        What its figures are called.
    library : str
        What ``worker.py`` is to run, or :data:`ONE_THREAD`.
    options : dict
        Settings of fastnn.
    """

    def __init__(self, label: str, library: str, threads: int, options: dict[str, str]) -> None:
        if library == ONE_THREAD:
            library, threads = "fastnn", 1
        self.label, self.library = label, library
        self._command = [sys.executable, "-P", "-m", "fastnn.bench.worker", library, str(threads)]
        self._command += [f"{key}={value}" for key, value in options.items()]
        self._environment = dict(os.environ)
        for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            self._environment[variable] = str(threads)
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
            process_group=0,  # Ctrl-C reaches the one who asks, and it ends the others
        )
        try:
            self.version: str = self.ask(do="version")["version"]
        except BaseException:
            self.close()
            raise

    def ask(self, timeout: float | None = None, **request: Any) -> dict[str, Any]:
        """Send one request and wait for the answer.

        Raises
        ------
        PeerTimeoutError
            If there is none within ``timeout`` seconds; the process is replaced by a fresh one.
        BenchmarkError
            If the process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            if not select.select([self._process.stdout], [], [], timeout)[0]:
                self._process.kill()
                self.restart()
                raise PeerTimeoutError(f"{self.label} took more than {timeout:g} s")
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise BenchmarkError(f"{self.label} ended while asked to {request}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def restart(self) -> None:
        """Go on in a fresh process: other pages of memory, other addresses."""
        self.close()
        self._start()

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # of a request that nobody read
                self._process.stdin.close()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:  # it is in the middle of something
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
