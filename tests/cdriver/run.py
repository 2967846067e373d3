"""Dumps the cases and runs the C driver over them, in one command.

python -P tests/cdriver/run.py --sanitize address
python -P tests/cdriver/run.py --qemu aarch64
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from dump import dump  # noqa: E402

from build import SANITIZERS, compile_driver, default_compiler  # noqa: E402

OPTIONS = {
    # GCC aligns the heap's substitute for a stack to 32 bytes, too few for an AVX-512 vector
    "ASAN_OPTIONS": "detect_leaks=1:halt_on_error=1:detect_stack_use_after_return=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    # the tests make threads in children of a process with threads, as users do
    "TSAN_OPTIONS": "halt_on_error=1:die_after_fork=0",
}
# A processor of before AVX: code of a wide unit that leaked into another is an illegal
# instruction there.
QEMU = {"aarch64": ["qemu-aarch64"], "x86_64": ["qemu-x86_64", "-cpu", "Nehalem"]}
# The emulator is slow, and so is a thread sanitizer; small cases never meet several threads.
EVERY = {"thread": 8, "x86_64": 3}


def launcher(options):
    """What the program is started with."""
    if options.qemu:
        return QEMU[options.qemu]
    bits = Path("/proc/sys/vm/mmap_rnd_bits")
    wide = bits.exists() and int(bits.read_text()) > 28
    if options.sanitize == "thread" and wide and shutil.which("setarch"):
        # the shadow memory of the sanitizer has no room for so much chance
        return ["setarch", platform.machine(), "-R"]
    return []


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler")
    parser.add_argument("--sanitize", choices=SANITIZERS, default="plain")
    parser.add_argument("--qemu", choices=QEMU, help="emulate this processor")
    parser.add_argument("--isa", help="only this instruction set")
    parser.add_argument("--out", type=Path, help="keep the program and the cases here")
    options = parser.parse_args()
    if not options.compiler:
        cross = options.qemu == "aarch64" and platform.machine() != "aarch64"
        options.compiler = "aarch64-linux-gnu-gcc" if cross else default_compiler()
    return options


def run(options, folder):
    """Whether something failed, with the seconds that building and running took."""
    start = time.monotonic()
    program = compile_driver(
        options.compiler, folder, sanitize=options.sanitize, architecture=options.qemu
    )
    built = time.monotonic()
    cases = folder / "cases.bin"
    dump(cases, EVERY.get(options.qemu or options.sanitize, 1), emulated=bool(options.qemu))
    command = [*launcher(options), str(program)]
    on_cases = [*command, str(cases)]
    on_cases += ["--isa", options.isa] if options.isa else []
    on_cases += [] if options.qemu else ["--shared"]
    on_cases += ["--spread"] if options.sanitize == "thread" else []
    environment = {**os.environ, **OPTIONS}
    failed = False
    for part in ([*command, "--base"], on_cases):  # a hang fails too
        failed |= subprocess.run(part, env=environment, timeout=900).returncode != 0
    return failed, built - start, time.monotonic() - built


def main():
    options = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        try:
            failed, building, running = run(options, options.out or Path(temporary))
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            sys.exit(f"failed: {' '.join(map(str, error.cmd[-4:]))}")
    what = f"qemu {options.qemu}" if options.qemu else f"sanitizer {options.sanitize}"
    result = "FAILED" if failed else "passed"
    print(f"{options.compiler}, {what}: {result}; build {building:.0f} s, run {running:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
