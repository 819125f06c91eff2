"""Builds the extensions of xinyu._fast; everything else about the distribution stands in pyproject.toml.

One extension a `.pyx`: a new file under src/xinyu/_fast needs no edit here. Environment:

XINYU_DEBUG_BUILD=1   all of Cython's checks on, assertions kept, macro XINYU_DEBUG_BUILD=1, own C files.
                      Build it into a directory of its own (`build --build-base build/debug`): build_ext sees no
                      difference between the two kinds and would keep whichever was there.
XINYU_SANITIZE=address,undefined   the compiler's sanitizers; run Python with LD_PRELOAD of libasan.
XINYU_WERROR=1        the C compiler's warnings are errors, too. Cython's always are.
XINYU_EXTENSIONS=a,b  only these; empty = none (an editable install before the first build).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import Cython.Compiler.Options
from Cython.Build import cythonize
from setuptools import Extension, find_namespace_packages, find_packages, setup
from setuptools.command.build import build

FAST = Path("src/xinyu/_fast")
DEBUG_BUILD = os.environ.get("XINYU_DEBUG_BUILD", "0") == "1"
SANITIZERS = os.environ.get("XINYU_SANITIZE", "")
WERROR = os.environ.get("XINYU_WERROR", "0") == "1"

# Cython's own checks are off in a release and on in a debug build, so that an index error fails a test
# instead of crashing a server.
DIRECTIVES = {
    "language_level": 3,
    "embedsignature": True,
    "auto_pickle": False,
    "autotestdict": False,
    "boundscheck": DEBUG_BUILD,
    "wraparound": DEBUG_BUILD,
    "initializedcheck": DEBUG_BUILD,
    "nonecheck": DEBUG_BUILD,
    "overflowcheck": DEBUG_BUILD,
    "cdivision": not DEBUG_BUILD,
}


class CleanBuild(build):
    """Starts from an empty build_lib: what an earlier build left there would be shipped in the wheel."""

    def run(self) -> None:
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


def extensions() -> list[Extension]:
    only = os.environ.get("XINYU_EXTENSIONS")
    names = sorted(path.stem for path in FAST.glob("*.pyx"))
    if only is not None:
        names = [name for name in names if name in only.split(",")]
    compile_args = ["-O1", "-g", "-UNDEBUG"] if DEBUG_BUILD else ["-O3"]
    link_args: list[str] = []
    if WERROR:
        compile_args.append("-Werror")
    if SANITIZERS:
        compile_args += [f"-fsanitize={SANITIZERS}", "-fno-omit-frame-pointer", "-g"]
        link_args.append(f"-fsanitize={SANITIZERS}")
    macros = [("XINYU_DEBUG_BUILD", "1" if DEBUG_BUILD else "0")]
    if not DEBUG_BUILD:
        macros.append(("CYTHON_WITHOUT_ASSERTIONS", "1"))
    modules = [
        Extension(
            f"xinyu._fast.{name}",
            [str(FAST / f"{name}.pyx")],
            include_dirs=[str(FAST)],
            depends=[str(path) for path in sorted(FAST.glob("*.h"))],
            define_macros=macros,
            extra_compile_args=compile_args,
            extra_link_args=link_args,
        )
        for name in names
    ]
    if not modules:
        return []
    Cython.Compiler.Options.warning_errors = True
    built: list[Extension] = cythonize(
        modules,
        build_dir="build/cython-debug" if DEBUG_BUILD else "build/cython",
        compiler_directives=DIRECTIVES,
        include_path=["src"],
    )
    return built


def mapped_packages(room: str) -> list[str]:
    """The packages of a directory at the top of the repository that is shipped as `xinyu.<room>`."""
    return [f"xinyu.{room}", *(f"xinyu.{room}.{name}" for name in find_namespace_packages(room))]


setup(
    packages=[
        *find_packages("src"),
        *find_packages("services"),
        *mapped_packages("migrations"),
        *mapped_packages("web"),
    ],
    ext_modules=extensions(),
    cmdclass={"build": CleanBuild},
)
