"""Builds the extension: the C core once per instruction set, bound by Cython; and the modules
that every operation passes through, compiled from their Python source.

Everything else about the package stands in pyproject.toml.
"""

import platform
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group

ROOT = Path(__file__).parent
AVX2 = ["-mavx2", "-mfma"]
AVX512 = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"]

# Half of the library would be kernels that hardly any processor runs: these are compiled for size,
# as are the drivers and what passes calls on.
SMALL = ["-Os"]
NO_UNWINDING = ["-fno-asynchronous-unwind-tables"]  # no exception passes through C
# Clang would warn of each loop that stays rolled for that.
COMPACT = [*SMALL, *NO_UNWINDING, "-Wno-pass-failed"]
# Instructions in the order of the source deflate better: 8 KB. It would cost drivers a fiftieth of
# small calls. Clang does not know of it.
RARE = [*COMPACT, "-fno-schedule-insns2", "-Wno-ignored-optimization-argument"]
# So do addresses that are computed where they are used: 6 KB. Where the compiler knows these.
RARE_OPTIONAL = ["-fno-ivopts", "-fno-tree-loop-im"]
# This driver transforms weights itself, one number at a time: 1 to 6 % of a call, 2 KB of wheel.
QUICK = {"csrc/drivers/conv2d_flat.c"}

# name -> compiler flags of csrc/isa/<name>.c
ISAS = {
    "x86_64": {
        "scalar": RARE,
        "sse2": RARE,
        "avx2": AVX2 + NO_UNWINDING,
        "avx512": AVX2 + AVX512 + NO_UNWINDING,
    },
    "aarch64": {"scalar": RARE, "neon": NO_UNWINDING},
}
ARCHITECTURE = {"amd64": "x86_64", "arm64": "aarch64"}.get(
    platform.machine().lower(), platform.machine().lower()
)

FLAGS = [
    "-std=gnu11",
    "-O3",
    "-g0",
    "-fvisibility=hidden",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-pthread",
]
WARNINGS = ["-Wall", "-Wextra", "-Wmissing-prototypes", "-Wvla"]
OPTIONAL = [
    # moves scalars of the next pixel through general registers: 1.5x slower convolution kernels
    "-fno-predictive-commoning",
    # loops come in the forms that kernels give them; twice over for a condition or a stride of 1
    # they are 16 KB of the wheel and no faster
    "-fno-unswitch-loops",
    "-fno-version-loops-for-strides",
]


def relative(paths):
    """Sorted paths below the project's root, as setuptools wants them."""
    return sorted(str(path.relative_to(ROOT)) for path in paths)


UNITS = relative(
    path
    for folder in (ROOT / "csrc", ROOT / "csrc/base", ROOT / "csrc/drivers")
    for path in folder.glob("*.c")
    if not path.name.endswith("_tmpl.c")
)
DEPENDS = relative(
    path
    for folder in (ROOT / "csrc", ROOT / "fastnn/backends")
    for path in folder.rglob("*")
    if path.suffix in {".c", ".h", ".def", ".pxi", ".pyx"} and path.name != "_native.c"
)


# Python sources that are compiled as they stand, with what the .pxd beside each knows of its
# types. Not for free-threaded Pythons, where attributes of compiled classes are no safe meeting
# place of threads: there they stay Python.
COMPILED = ["_engine", "tensor"]
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    COMPILED = []


class BuildExt(build_ext):
    """Compiles the C core with its own flags and links the objects into the extension."""

    def build_extensions(self):
        if relative_relocations() and self._links(RELATIVE):
            for ext in self.extensions:
                ext.extra_link_args = [*ext.extra_link_args, RELATIVE]
        super().build_extensions()

    def build_extension(self, ext):
        if ext.name != CORE:
            return super().build_extension(ext)
        target = self.get_ext_fullpath(ext.name)
        if self.force or newer_group([*ext.sources, *ext.depends, "setup.py"], target, "newer"):
            self.force = True  # whatever changed, everything is compiled and linked again
            ext.extra_objects = self._compile_core()
        return super().build_extension(ext)

    def _compile_core(self):
        optional = [flag for flag in OPTIONAL if self._accepts(flag)]
        rare = [flag for flag in RARE_OPTIONAL if self._accepts(flag)]
        isas = ISAS.get(ARCHITECTURE, {"scalar": []})
        jobs = [
            (f"csrc/isa/{name}.c", [*flags, *rare] if flags is RARE else flags)
            for name, flags in isas.items()
        ]
        jobs += [(unit, NO_UNWINDING if unit in QUICK else COMPACT) for unit in UNITS]
        jobs.sort(key=lambda job: "avx512" not in job[0])  # the longest first

        def compile_unit(job):
            source, flags = job
            return self.compiler.compile(
                [source],
                output_dir=self.build_temp,
                include_dirs=["csrc"],
                extra_postargs=FLAGS + WARNINGS + optional + flags,
                depends=DEPENDS,
            )

        with ThreadPoolExecutor(2) as pool:
            return [o for result in pool.map(compile_unit, jobs) for o in result]

    def _accepts(self, flag):
        with tempfile.TemporaryDirectory() as folder:
            return self._compiles(folder, ["-Werror", flag]) is not None

    def _links(self, flag):
        with tempfile.TemporaryDirectory() as folder:
            objects = self._compiles(folder, ["-fPIC"])
            args = ["-Wl,--fatal-warnings", flag]
            try:
                self.compiler.link_shared_object(
                    objects, str(Path(folder) / "probe.so"), extra_postargs=args
                )
            except Exception:
                return False
        return True

    def _compiles(self, folder, flags):
        """Objects of a small unit in ``folder``, or None."""
        probe = Path(folder) / "probe.c"
        probe.write_text("int fnn_probe;\n")
        try:
            return self.compiler.compile([str(probe)], output_dir=folder, extra_postargs=flags)
        except Exception:
            return None


def relative_relocations():
    """Whether the C library relocates what :data:`RELATIVE` links: glibc 2.36 or later."""
    name, version = platform.libc_ver()
    return name == "glibc" and tuple(map(int, version.split(".")[:2])) >= (2, 36)


CORE = "fastnn.backends._native"
# Kernels stand in tables: a bit for the address of each that the loader relocates, not 24 bytes.
# 13 KB of the wheel.
RELATIVE = "-Wl,-z,pack-relative-relocs"
# names of static functions are a fiftieth of the wheel
LINK_ARGS = ["-pthread", "-Wl,-s"] if sys.platform == "linux" else ["-pthread"]
COMPILE_ARGS = ["-std=gnu11", *SMALL, *NO_UNWINDING, "-g0", "-fvisibility=hidden", "-pthread"]

extensions = [
    Extension(
        CORE,
        ["fastnn/backends/_native.pyx"],
        include_dirs=["csrc", numpy.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
        extra_compile_args=COMPILE_ARGS,
        extra_link_args=LINK_ARGS,
        libraries=["m"],
        depends=DEPENDS,
    )
]
for module in COMPILED:
    path = f"fastnn/{module.replace('.', '/')}"
    extensions.append(
        Extension(
            f"fastnn.{module}",
            [f"{path}.py"],
            extra_compile_args=COMPILE_ARGS,
            extra_link_args=LINK_ARGS,
            depends=relative((ROOT / "fastnn").rglob("*.pxd")),
        )
    )

setup(
    ext_modules=cythonize(
        extensions,
        build_dir="build/cython",
        language_level=3,
        # annotations are for readers and mypy; Cython has the .pxd
        compiler_directives={"annotation_typing": False},
    ),
    cmdclass={"build_ext": BuildExt},
)
