"""Hot kernels' loops keep their vectors in wide registers, whatever compiler built them."""

import os
import platform
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import disassembly
import pytest
from cdriver import build

CSRC = build.ROOT / "csrc"
TABLE = CSRC / "kernels/hot.def"
#: Family and major version of each compiler whose code is looked at.
COMPILERS = [("gcc", 12), ("gcc", 14), ("clang", 19)]
ISAS = ["avx2", "avx512"]
#: Operands of an instruction that holds, reads or writes a vector.
VECTORS = re.compile(r"%[xyz]mm|%k[0-7]|\{1to")

if not TABLE.is_file():
    pytest.skip("needs the source tree", allow_module_level=True)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="reads x86-64 code"),
    pytest.mark.skipif(not shutil.which("objdump"), reason="needs objdump"),
]


def table() -> tuple[dict[str, list[str]], dict[tuple[str, str, str], int]]:
    """Hot kernels with their work and ISAs, and exceptions by function, ISA and compiler."""
    text = re.sub(r"/\*.*?\*/", "", TABLE.read_text("utf-8"), flags=re.S)
    rows = re.findall(r"^(\w+)\(([^)]*)\)$", text, re.M)
    assert "\n".join(f"{kind}({row})" for kind, row in rows).split() == text.split()
    fields = [(kind, row.split(", ")) for kind, row in rows]
    hot = {row[0]: row[1:] for kind, row in fields if kind == "HOT"}
    spills = {(r[0], r[1], r[2]): int(r[3]) for kind, r in fields if kind == "SPILLS"}
    assert len(hot) + len(spills) == len(rows)
    return hot, spills


@cache
def find(family: str, major: int) -> str | None:
    """The compiler of that version, under its own name or as the system's."""
    for name in (f"{family}-{major}", family):
        if shutil.which(name):
            version = subprocess.run([name, "-dumpversion"], capture_output=True, text=True).stdout
            if version.split(".")[0].strip() == str(major):
                return name
    return None


@pytest.fixture(params=COMPILERS, ids=lambda c: f"{c[0]}{c[1]}", scope="module")
def compiler(request) -> str:
    """Each compiler; a missing one skips, or fails if FASTNN_REQUIRE_COMPILERS=1."""
    family, major = request.param
    name = find(family, major)
    if name is None:
        missing = f"no {family} {major} on this machine"
        assert os.environ.get("FASTNN_REQUIRE_COMPILERS") != "1", missing
        pytest.skip(missing)
    return name


def compiled(compiler: str, isa: str, source: Path, target: Path) -> Path:
    flags = build.unit_flags(compiler, "x86_64", isa)
    command = [compiler, *flags, f"-I{CSRC}", "-c", str(source), "-o", str(target)]
    subprocess.run(command, check=True)
    return target


def instances(functions: dict[str, list], kernel: str) -> list[str]:
    """The functions of a kernel: its register tiles where it has them, else itself."""
    if kernel.endswith(("_f32", "_f64")):  # there is no other
        return [kernel]
    sized = re.compile(rf"{kernel}_\d+(x\d+)*_f(32|64)$")
    return list(filter(sized.match, functions)) or [f"{kernel}_f32", f"{kernel}_f64"]


def main_loop(body: list[disassembly.Instruction], work: str) -> list[disassembly.Instruction]:
    """The inner loop with most of the work; of equals the shortest: others are ends of rows."""
    loops = disassembly.inner_loops(body, work)
    assert loops, f"no loop with {work}"
    return max(loops, key=lambda loop: (len(working(loop, work)), -len(loop)))


def working(loop: list[disassembly.Instruction], work: str) -> list[disassembly.Instruction]:
    return [step for step in loop if re.match(work, step.name)]


def spilled(body: list[disassembly.Instruction], work: str) -> int:
    """Vectors on the main loop's stack, and addresses there beyond a quarter of its work."""
    loop = main_loop(body, work)
    operands = disassembly.stack_operands(body, loop)
    vectors = [step for step in operands if VECTORS.search(step.operands)]
    addresses = len(operands) - len(vectors)
    return len(vectors) + max(0, addresses - len(working(loop, work)) // 4)


def narrow(body: list[disassembly.Instruction], work: str, register: str) -> int:
    """Steps of the main loop's work that use other registers."""
    steps = working(main_loop(body, work), work)
    return sum(register not in step.operands for step in steps)


@pytest.mark.parametrize("isa", ISAS)
def test_inner_loops_stay_off_the_stack(compiler, isa, tmp_path):
    unit = compiled(compiler, isa, CSRC / f"isa/{isa}.c", tmp_path / "unit.o")
    functions = disassembly.functions(unit)
    hot, spills = table()
    family = compiler.partition("-")[0]
    wrong = []
    for kernel, (work, *only) in hot.items():
        register = "ymm" if isa == "avx2" or "ymm" in only else "zmm"
        if set(only) & set(ISAS) and isa not in only:
            continue
        for name in instances(functions, kernel):
            assert name in functions, f"{name} is not a function of its own"
            count = spilled(functions[name], work)
            if count > spills.get((name, isa, family), 0):
                wrong.append(f"{name}: {count} operands on the stack")
            if count := narrow(functions[name], work, register):
                wrong.append(f"{name}: {count} steps not in {register}")
    assert not wrong, "\n".join(wrong)


def test_exceptions_name_hot_kernels():
    hot, spills = table()
    for name, isa, family in spills:
        assert any(name.startswith(kernel) for kernel in hot), name
        assert isa in ISAS, name
        assert family in dict(COMPILERS), name


#: Forty sums do not fit 32 registers.
SPILLING = """
#include "simd/avx512.h"
#include "base/real_f32.h"
void kernel_%(sums)dx1_f32(ptrdiff_t n, const float *a, const float *b, float *y);
FNN_NOINLINE void kernel_%(sums)dx1_f32(ptrdiff_t n, const float *a, const float *b, float *y) {
    vec s[%(sums)d];
    FNN_UNROLL
    for (int i = 0; i < %(sums)d; i++) s[i] = FN(zero)();
    for (; n > 0; n--, a += LANES, b += %(sums)d) {
        const vec v = FN(load)(a);
        FNN_UNROLL
        for (int i = 0; i < %(sums)d; i++) s[i] = FN(fma)(v, FN(splat)(b[i]), s[i]);
    }
    FNN_UNROLL
    for (int i = 0; i < %(sums)d; i++) FN(store)(y + i * LANES, s[i]);
}
"""


@pytest.mark.parametrize(("sums", "fits"), [(8, True), (40, False)])
def test_spilled_sums_are_found(compiler, sums, fits, tmp_path):
    source = tmp_path / "kernel.c"
    source.write_text(SPILLING % {"sums": sums})
    unit = compiled(compiler, "avx512", source, tmp_path / "kernel.o")
    functions = disassembly.functions(unit)
    (name,) = instances(functions, "kernel")
    assert (spilled(functions[name], "vfmadd") == 0) is fits


@pytest.mark.parametrize(
    ("reads", "count"), [("0x8(%rsp),%zmm1,%zmm2", 8), ("%zmm0,%zmm1,%zmm2", 0)]
)
def test_the_loop_with_most_work_counts(reads, count):
    """Not a short one beside it, which keeps off the stack."""
    steps = [("vfmadd231ps", "%zmm0,%zmm1,%zmm2")] * 7 + [("jne", "0 <f>")]
    steps += [("vfmadd231ps", reads)] * 8 + [("mov", "0x10(%rsp),%rax")] * 2 + [("jne", "8 <f>")]
    body = [disassembly.Instruction(at, *step) for at, step in enumerate(steps)]
    assert spilled(body, "vfmadd") == count
    assert narrow(body, "vfmadd", "zmm") == 0
    assert narrow(body, "vfmadd", "ymm") == 8
