"""Compiles the C core and the driver: plainly, under a sanitizer, or for another processor.

python tests/cdriver/build.py --compiler clang --werror
"""

import argparse
import ast
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent

# -fwrapv stands in CPython's own flags, so the extension is compiled with it too; the undefined
# behaviour sanitizer would not see an overflow. -O1: the sanitizers' own speed matters more.
SANITIZERS = {
    "plain": ["-fwrapv"],
    "address": ["-fsanitize=address", "-fno-omit-frame-pointer", "-g1", "-O1"],
    "undefined": ["-fsanitize=undefined", "-fno-sanitize-recover=all", "-g1", "-O1"],
    "thread": ["-fsanitize=thread", "-g1", "-O1"],
}


def default_compiler():
    """$CC, else the first there is."""
    names = [os.environ.get("CC"), "gcc", "cc", "clang"]
    return next((name for name in names if name and shutil.which(name)), "cc")


def setup_constants(*names):
    """Constants of setup.py, which cannot be imported without running it."""
    found = {}
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            code = compile(ast.Expression(node.value), "setup.py", "eval")
            try:
                found[node.targets[0].id] = eval(code, {}, dict(found))
            except NameError:  # made of what setup.py imports: not one of ours
                continue
    return [found[name] for name in names]


def accepts(compiler, flag):
    """Whether the compiler knows a flag."""
    command = [compiler, "-Werror", flag, "-fsyntax-only", "-x", "c", os.devnull]
    return subprocess.run(command, capture_output=True).returncode == 0


def unit_flags(compiler, architecture, isa=None):
    """What setup.py compiles a unit with: the kernels of an instruction set, or any other."""
    isas, flags, warnings, optional = setup_constants("ISAS", "FLAGS", "WARNINGS", "OPTIONAL")
    accepted = [flag for flag in optional if accepts(compiler, flag)]
    return [*flags, *warnings, *accepted, *(isas[architecture][isa] if isa else [])]


def check_exports(target):
    """A unit of kernels may export its table and nothing else.

    A shared inline function that an ISA's unit compiled with wide instructions could be the
    copy that the linker keeps for everybody.
    """
    listed = subprocess.run(
        ["nm", "-g", "--defined-only", str(target)], capture_output=True, text=True, check=True
    )
    names = [line.split()[-1] for line in listed.stdout.splitlines() if line]
    wanted = [f"fnn_kernels_{target.stem.removeprefix('isa_')}"]
    if names != wanted:
        sys.exit(f"{target.name} exports {', '.join(names)}, and should only {wanted[0]}")


def compile_driver(compiler, out, *, sanitize="plain", architecture=None, werror=False):
    """Build the driver for an architecture's instruction sets; returns the program's path."""
    native = platform.machine()
    architecture = architecture or native
    (isas,) = setup_constants("ISAS")
    common = [*unit_flags(compiler, architecture), "-fPIC"]
    common += [f"-I{ROOT / 'csrc'}", f"-I{HERE}", *SANITIZERS[sanitize]]
    if werror:
        common.append("-Werror")
    units = {name: ROOT / f"csrc/isa/{name}.c" for name in reversed(isas[architecture])}
    jobs = [(path, isas[architecture][name]) for name, path in units.items()]
    for folder in (ROOT / "csrc/drivers", ROOT / "csrc/base", ROOT / "csrc", HERE):
        paths = sorted(folder.glob("*.c"))
        jobs += [(path, []) for path in paths if not path.name.endswith("_tmpl.c")]
    out.mkdir(parents=True, exist_ok=True)

    def compile_one(job):
        source, extra = job
        target = out / f"{source.parent.name}_{source.stem}.o"
        command = [compiler, *common, *extra, "-c", str(source), "-o", str(target)]
        subprocess.run(command, check=True)
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, jobs))
    if sanitize == "plain" and architecture == native:
        for target in objects[: len(units)]:
            check_exports(target)
    program = out / "driver"
    link = [compiler, *SANITIZERS[sanitize], "-pthread", *map(str, objects), "-o", str(program)]
    link += ["-lm", "-Wl,--wrap=fnn_parallel"]
    if architecture != native:
        link.append("-static")
    subprocess.run(link, check=True)
    return program


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", default=default_compiler())
    parser.add_argument("--sanitize", choices=SANITIZERS, default="plain")
    parser.add_argument("--architecture", help="what the compiler compiles for, if not this")
    parser.add_argument("--werror", action="store_true", help="a warning is an error")
    parser.add_argument("--out", type=Path, help="keep the program and objects here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        try:
            program = compile_driver(
                options.compiler,
                options.out or Path(temporary),
                sanitize=options.sanitize,
                architecture=options.architecture,
                werror=options.werror,
            )
        except subprocess.CalledProcessError as error:
            sys.exit(f"failed: {' '.join(error.cmd[-4:])}")
        print(program if options.out else f"{options.compiler}: built without errors")


if __name__ == "__main__":
    main()
