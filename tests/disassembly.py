"""Inner loops of compiled kernels, as ``objdump -d`` prints them."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

FUNCTION = re.compile(r"^[0-9a-f]+ <([^>]+)>:$")
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\t(\S+)\s*(.*)$")
JUMP = re.compile(r"^j[a-z]+$")
TARGET = re.compile(r"^([0-9a-f]+) <")
#: Copies that a compiler makes of a function carry a suffix, as in ``.constprop.0``.
CLONE = re.compile(r"\.(constprop|isra|part|cold)(\.\d+)?")


@dataclass(frozen=True)
class Instruction:
    """One line: where it stands, what it does, and its operands without the comment."""

    address: int
    name: str
    operands: str


def functions(unit: Path) -> dict[str, list[Instruction]]:
    """The functions of an object file by name; the copies of one are put together."""
    listing = subprocess.run(
        ["objdump", "-d", "-w", "--no-show-raw-insn", str(unit)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found: dict[str, list[Instruction]] = {}
    body: list[Instruction] = []
    for line in listing.splitlines():
        if start := FUNCTION.match(line):
            body = found.setdefault(CLONE.sub("", start[1]), [])
        elif step := INSTRUCTION.match(line):
            body.append(Instruction(int(step[1], 16), step[2], step[3].partition("#")[0]))
    return found


def inner_loops(body: list[Instruction], work: str) -> list[list[Instruction]]:
    """The loops that do the work (a pattern of instruction names) and hold no loop that does.

    A loop is what stands between a jump backwards and its target.
    """
    place = {step.address: i for i, step in enumerate(body)}
    spans = []
    for i, step in enumerate(body):
        target = TARGET.match(step.operands) if JUMP.match(step.name) else None
        first = place.get(int(target[1], 16), i + 1) if target else i + 1
        if first <= i and any(re.match(work, s.name) for s in body[first : i + 1]):
            spans.append((first, i))
    return [
        body[a : b + 1]
        for a, b in spans
        if not any(a <= c and d <= b and (c, d) != (a, b) for c, d in spans)
    ]


def stack_operands(body: list[Instruction], loop: list[Instruction]) -> list[Instruction]:
    """The loop's operands in the function's frame; rbp counts where it holds the frame."""
    framed = any(s.name == "mov" and s.operands.strip() == "%rsp,%rbp" for s in body)
    registers = r"\(%r[sb]p\b" if framed else r"\(%rsp\b"
    return [step for step in loop if re.search(registers, step.operands)]
