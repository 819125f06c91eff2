"""The walls of the house: import-linter's contracts, and what it cannot see."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAST = ROOT / "src/xinyu/_fast"
SERVICES = ROOT / "services/xinyu_services"
OURS = ("xinyu", "xinyu_services")
# What makes or runs statements.
# A transaction's Connection may be handed through, as a thing that one knows nothing about.
SQL = ("sqlalchemy", "sqlite3", "xinyu.storage.sqlite", "xinyu.storage.dialect")


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    # grimp finds the packages as Python would: the tree at `root` goes before the installed one.
    path = os.pathsep.join(str(root / each) for each in ("src", "services"))
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache", "--config", root / "pyproject.toml"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": path, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_import_contracts() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("place", "line", "contract"),
    [
        ("src/xinyu/storage", "import xinyu.rpc.context", "A room of the platform imports only the rooms below it"),
        ("src/xinyu/base", "import xinyu_services", "The platform knows no domain"),
        ("src/xinyu/gateway/ws", "import xinyu.gateway.http", "The two gateways do not know each other"),
        ("services/xinyu_services/message", "import xinyu_services.talk", "A service calls another only through RPC"),
        ("services/xinyu_services/message", "from xinyu._fast import rock", "Only the composition root takes"),
    ],
)
def test_import_contracts_notice_a_breach(tmp_path: Path, place: str, line: str, contract: str) -> None:
    unwanted = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info")
    for each in ("src", "services"):
        shutil.copytree(ROOT / each, tmp_path / each, ignore=unwanted)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / place / "intruder.py").write_text(line + "\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(re.escape(contract) + r".*\sBROKEN", done.stdout), done.stdout


def cython_sources() -> list[Path]:
    return sorted(path for suffix in ("pyx", "pxd", "pxi") for path in FAST.glob(f"*.{suffix}"))


@pytest.mark.parametrize("path", cython_sources(), ids=lambda path: path.name)
def test_the_compiled_part_imports_nothing_of_ours(path: Path) -> None:
    for match in re.finditer(r"^\s*(?:from\s+([\w.]+)\s+c?import|c?import\s+([\w.]+))", path.read_text(), re.MULTILINE):
        module = match[1] or match[2]
        if module.startswith("."):
            assert not module.startswith(".."), f"{path.name} imports {module}"
        elif module.split(".")[0] in OURS:
            assert module.startswith("xinyu._fast"), f"{path.name} imports {module}"


def imports(path: Path) -> Iterator[str]:
    """Names of the modules that a source file imports; of `from a.b import c` both a.b and a.b.c."""
    for node in ast.walk(ast.parse(path.read_text(), path.name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def makes_sql(path: Path) -> list[str]:
    """The imports of a file that only a store may have."""
    names = set(imports(path))
    if "sqlalchemy.Connection" in names and not any(
        name.startswith("sqlalchemy.") and name != "sqlalchemy.Connection" for name in names
    ):
        names -= {"sqlalchemy", "sqlalchemy.Connection"}
    return sorted(name for name in names if within(name, SQL))


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def service_files(pattern: str = "*.py") -> list[Path]:
    return [path for path in sorted(SERVICES.glob(f"*/{pattern}")) if path.parent.name != "cli"]


@pytest.mark.parametrize("path", service_files("model.py"), ids=lambda path: path.parent.name)
def test_a_model_imports_only_the_standard_library(path: Path) -> None:
    own = f"xinyu_services.{path.parent.name}"
    for module in imports(path):
        assert module.split(".")[0] in sys.stdlib_module_names or within(module, (f"{own}.model",)), module


@pytest.mark.parametrize("path", service_files("service.py"), ids=lambda path: path.parent.name)
def test_use_cases_know_neither_sql_nor_protobuf(path: Path) -> None:
    own = f"xinyu_services.{path.parent.name}"
    assert makes_sql(path) == []
    assert [name for name in imports(path) if within(name, ("google.protobuf", "xinyu.wire", f"{own}.rpc"))] == []


@pytest.mark.parametrize(
    "path", [*service_files("http.py"), *service_files("ws.py")], ids=lambda path: f"{path.parent.name}.{path.stem}"
)
def test_routes_and_events_call_rpc_stubs_and_nothing_else(path: Path) -> None:
    own = f"xinyu_services.{path.parent.name}"
    behind = (*SQL, "xinyu.storage.database", "xinyu.delivery")
    assert [name for name in imports(path) if within(name, (*behind, f"{own}.service", f"{own}.store"))] == []


@pytest.mark.parametrize(
    "path",
    [path for path in service_files() if not path.name.endswith("store.py")],
    ids=lambda path: f"{path.parent.name}.{path.stem}",
)
def test_sql_stands_in_stores_only(path: Path) -> None:
    assert makes_sql(path) == []


def test_the_engine_is_imported_in_the_form_that_import_linter_sees() -> None:
    for base in (ROOT / "src", ROOT / "services"):
        for path in base.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(), path.name)):
                if isinstance(node, ast.ImportFrom) and node.module:
                    assert not node.module.startswith("xinyu._fast."), path
                elif isinstance(node, ast.Import):
                    assert not any(alias.name.startswith("xinyu._fast") for alias in node.names), path
