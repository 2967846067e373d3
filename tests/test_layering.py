"""Imports and includes point downwards: the order of the layers, read from the sources.

These tests need the source tree; an installed package alone has no csrc/ and skips them.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "fastnn"
CSRC = ROOT / "csrc"

# From the bottom up.  A name stands for the module or for the package with all it holds,
# unless a longer name is listed too.  Modules of one layer may import each other, but not in
# a circle.
LAYERS = (
    {"_shapes", "_shapes_window", "_size", "_device", "backends.interface"},
    {"dtypes", "backends.reference", "backends.reference_windows", "backends._native"},
    {"backends.native"},
    {"backends", "_engine"},
    {"_memory"},
    {"ops", "_grad_mode", "_generator", "_formatting", "_dlpack", "_archive", "random"},
    {"tensor"},
    {"functions", "_nested", "_factory", "serialization", "runtime", "_function"},
    {"creation", "creation_random", "creation_series", "_gradcheck", "autograd"},
    {"nn.functional", "nn.parameter", "nn.init", "nn._convert"}
    | {f"nn._functional_{part}" for part in ("activation", "linear", "loss", "padding", "pooling")},
    {"nn"},
    {"optim", "utils", "datasets", "_explain"},
    {"cuda", ""},  # "" is fastnn/__init__.py
    {"demo", "bench", "_layer_text"},  # users of the package
    {"__main__"},
)
LAYER_OF = {name: rank for rank, names in enumerate(LAYERS) for name in names}
#: These may not import each other at all.
STRANGERS = (
    {"backends.reference", "backends.reference_windows"},
    {"backends.native", "backends._native"},
)
#: May import fastnn inside a function: commands, which load what the user asked for.
LAZY = ("__main__", "demo", "bench")
#: Imported only inside functions, by those who asked for an extra.
EXTRAS = {"matplotlib", "tqdm", "torch", "onnx", "onnxruntime", "IPython"}

if not (PACKAGE.is_dir() and CSRC.is_dir()):
    pytest.skip("needs the source tree", allow_module_level=True)


def module_name(path: Path) -> str:
    """Name inside the package: "" for fastnn/__init__.py, "nn.module" for fastnn/nn/module.py."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def layer(module: str) -> int | None:
    name = module
    while name not in LAYER_OF and "." in name:
        name = name.rpartition(".")[0]
    return LAYER_OF.get(name)


def imports(module: str) -> Iterator[tuple[str, bool, int]]:
    """(imported module, inside a function, line); what is only for type checkers is left out.

    A module of the package is named without "fastnn.", and as "fastnn" the package itself.
    """
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    pending: list[tuple[ast.AST, bool]] = [(tree, False)]
    while pending:
        node, inner = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend((child, inner) for child in node.orelse)
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield own_name(alias.name), inner, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = absolute(module, node)
            for alias in node.names:
                target = own_name(f"{base}.{alias.name}")
                yield target if target in KNOWN else own_name(base), inner, node.lineno
        inner = inner or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        pending.extend((child, inner) for child in ast.iter_child_nodes(node))


KNOWN = {*MODULES, "backends._native"}


def absolute(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = ["fastnn", *filter(None, module.split("."))]
    drop = node.level - (MODULES[module].name == "__init__.py")
    return ".".join([*parts[: len(parts) - drop], *filter(None, [node.module])])


def own_name(name: str) -> str:
    return name.removeprefix("fastnn.")


def is_ours(name: str) -> bool:
    return name == "fastnn" or name in KNOWN


def test_layers_name_what_exists():
    packages = {name.rpartition(".")[0] for name in KNOWN}
    assert set(LAYER_OF) <= KNOWN | packages
    assert len(LAYER_OF) == sum(map(len, LAYERS)), "a name is in two layers"


def test_all_modules_are_read():
    assert {"", "backends", "backends.reference", "_shapes"} <= set(MODULES)
    assert ("backends.interface", False) in {t[:2] for t in imports("backends.reference")}


@pytest.mark.parametrize("module", MODULES)
def test_python_imports_point_downwards(module):
    rank = layer(module)
    assert rank is not None, f"fastnn.{module} is in no layer: add it to LAYERS"
    for target, inner, line in imports(module):
        if not is_ours(target):
            continue
        assert not inner or module.split(".")[0] in LAZY, f"{module}:{line}: import in a function"
        below = LAYER_OF[""] if target == "fastnn" else layer(target)
        assert below is not None
        assert below <= rank, f"{module}:{line} imports {target}, from a higher layer"
        for group, others in (STRANGERS, STRANGERS[::-1]):
            assert not (module in group and target in others), f"{module}:{line} imports {target}"


def test_no_circle_of_imports():
    """A submodule's import also runs its package, which may import its own submodules only."""
    graph = {
        module: {t for t, inner, _ in imports(module) if t in MODULES and t != module and not inner}
        for module in MODULES
    }
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for target in graph[module]:
                visit(target, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("module", MODULES)
def test_only_numpy_is_needed(module):
    for target, inner, line in imports(module):
        top = target.split(".")[0]
        if is_ours(target) or top in sys.stdlib_module_names or top == "numpy":
            continue
        assert top in EXTRAS, f"{module}:{line} imports {top}"
        assert inner, f"{module}:{line} imports the optional {top} at module level"


# -- C ---------------------------------------------------------------------------------------

# From the bottom up; the declarations of the drivers belong to the public header.
C_LAYERS = (
    ("base/",),
    ("fastnn.h", "drivers/api_tmpl.h"),
    ("simd/",),
    ("kernels/",),
    ("isa/",),
    ("dispatch.",),
    ("drivers/",),
)
C_FILES = {
    path.relative_to(CSRC).as_posix(): path
    for suffix in ("*.c", "*.h", "*.def")
    for path in sorted(CSRC.rglob(suffix))
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def c_layer(name: str) -> int:
    ranks = [rank for rank, starts in enumerate(C_LAYERS) if name.startswith(starts)]
    assert ranks, f"csrc/{name} is in no layer: add it to C_LAYERS"
    return ranks[0]


def included(name: str) -> list[str]:
    """Quoted includes, all spelled from csrc/."""
    return INCLUDE.findall(C_FILES[name].read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", C_FILES)
def test_c_includes_point_downwards(name):
    for target in included(name):
        assert target in C_FILES, f'{name}: "{target}" is not spelled from csrc/'
        assert c_layer(target) <= c_layer(name), f"{name} includes {target}, from a higher layer"
        if name.startswith("simd/"):
            assert target.startswith(("simd/", "base/")), f"{name} includes {target}"


@pytest.mark.parametrize("name", C_FILES)
def test_only_base_calls_the_operating_system(name):
    system = re.findall(r"^\s*#\s*include\s+<([^>]+)>", C_FILES[name].read_text("utf-8"), re.M)
    foreign = {"pthread.h", "unistd.h", "sched.h", "cpuid.h"}
    foreign |= {header for header in system if header.startswith(("sys/", "linux/", "mach/"))}
    if not name.startswith("base/"):
        assert not foreign & set(system), f"{name} includes {sorted(foreign & set(system))}"


def test_binding_sees_the_public_header_alone():
    """fastnn.h is all of C that Python knows; the parts of the binding are all included."""
    backends = PACKAGE / "backends"
    parts = sorted((backends / "binding").glob("*.pxi"))
    named = re.findall(r'^include "([^"]+)"', (backends / "_native.pyx").read_text("utf-8"), re.M)
    assert sorted(named) == [path.relative_to(backends).as_posix() for path in parts]
    for path in parts:
        for header in re.findall(r'^cdef extern from "([^"]+)"', path.read_text("utf-8"), re.M):
            assert header in ("fastnn.h", "Python.h", "numpy/arrayobject.h"), path.name


def test_c_files_are_read():
    assert "base/pool.h" in included("fastnn.h")
