"""The WebSocket servers that are compared: ours, the C reference, and what is installed of the peers."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import xinyu
from benchmarks.side_by_side.processes import ROOT, listening

PEERS: Final = ROOT / "benchmarks/peers"
REFERENCE: Final = ROOT / "build/bench/epoll_server"
REFERENCE_NAME: Final = "C reference"
OURS: Final = ("XinYu", "XinYu, Python callback")


@dataclass(frozen=True, slots=True)
class Server:
    """`missing`: why it cannot run and what to do about it, "" if it can."""

    name: str
    command: tuple[str, ...]
    version: str
    missing: str = ""


def servers() -> list[Server]:
    python = sys.executable
    gateway = (python, "-m", "xinyu_services", "run", "gateway-ws", "--port", "{port}")
    return [
        Server(REFERENCE_NAME, (str(REFERENCE), "{port}"), "gcc -O2", _reference_missing()),
        Server("XinYu", (*gateway, "--echo"), xinyu.__version__),
        Server("XinYu, Python callback", (*gateway, "--echo-python"), xinyu.__version__),
        *(_python_peer(name) for name in ("picows", "websockets", "aiohttp", "socketify")),
        _node_peer(),
    ]


@contextmanager
def running(server: Server, cpu: int | None) -> Iterator[tuple[int, str]]:
    """The process id and URL of the server. BenchError: it does not come up."""
    with listening(server.name, server.command, cpu) as (pid, port):
        yield pid, f"ws://127.0.0.1:{port}/"


def installed(distribution: str) -> tuple[str, str]:
    """The version of what is installed, or "" and how to get it."""
    try:
        return importlib.metadata.version(distribution), ""
    except importlib.metadata.PackageNotFoundError:
        return "", f"pip install -e '.[bench]' in {ROOT.name}"


def _python_peer(name: str) -> Server:
    version, missing = installed(name)
    label = f"{name} (uWebSockets)" if name == "socketify" else name
    return Server(label, (sys.executable, str(PEERS / f"{name}_server.py"), "{port}"), version, missing)


def _node_peer() -> Server:
    node = shutil.which("node")
    package = PEERS / "node_modules/ws/package.json"
    command = (node or "node", str(PEERS / "ws_server.js"), "{port}")
    if node is None:
        return Server("ws (Node)", command, "", "install Node.js, then npm install --prefix benchmarks/peers")
    if not package.exists():
        return Server("ws (Node)", command, "", "npm install --prefix benchmarks/peers")
    return Server("ws (Node)", command, str(json.loads(package.read_text())["version"]))


def _reference_missing() -> str:
    """Compiles the reference if it is not newer than its sources."""
    sources = [ROOT / "benchmarks/reference/epoll_server.c", ROOT / "src/xinyu/_fast/sha1.h"]
    if REFERENCE.exists() and REFERENCE.stat().st_mtime > max(each.stat().st_mtime for each in sources):
        return ""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return "install a C compiler"
    REFERENCE.parent.mkdir(parents=True, exist_ok=True)
    command = [compiler, "-O2", f"-I{sources[1].parent}", str(sources[0]), "-o", str(REFERENCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"it does not compile: {done.stderr.strip()}"
