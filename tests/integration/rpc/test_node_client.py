"""Another language calls the services over gRPC: Node, with the .proto files and nothing else of ours."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from xinyu.base.errors import TOO_MANY, XinYuError
from xinyu.rpc.context import Context
from xinyu.rpc.grpc_server import GrpcServer
from xinyu.rpc.probe import ProbeServicer
from xinyu.rpc.servicers import Servicers
from xinyu.wire.v1 import message_pb2, message_rpc, probe_rpc

ROOT = Path(__file__).resolve().parents[3]
CLIENT = Path(__file__).with_name("node_client")
SECRET = "a-cluster-secret"


@pytest.fixture(scope="module")
def node() -> str:
    """The program, with what the client needs installed beside it. A machine without them fails: `make test` names the
    packages."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        pytest.fail("node and npm are needed (Debian: apt-get install nodejs npm)")
    installed = CLIENT / "node_modules/.package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (CLIENT / "package.json").stat().st_mtime:
        command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--prefix", str(CLIENT)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        if done.returncode:
            pytest.fail(f"npm cannot install what the client needs: {done.stderr.strip()[-1000:]}")
    return program


class MessageServicer:
    def __init__(self) -> None:
        self.contexts: list[Context] = []

    async def typing(self, request: message_pb2.TypingRequest, context: Context) -> Any:
        self.contexts.append(context)
        if request.user_id == 8:
            await asyncio.Event().wait()
        raise XinYuError(TOO_MANY, "Not so fast.", retry_after_ms=70)


async def test_node_calls_with_the_proto_files_only(node: str) -> None:
    servicers, messages = Servicers(), MessageServicer()
    servicers.serve(probe_rpc.METHODS, ProbeServicer())
    servicers.serve([message_rpc.TYPING], messages)
    server = GrpcServer(servicers, secret=SECRET.encode())
    await server.start("127.0.0.1", 0)
    process = await asyncio.create_subprocess_exec(
        node,
        str(CLIENT / "call.js"),
        f"127.0.0.1:{server.port}",
        str(ROOT / "proto"),
        SECRET,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await servicers.drain(0.0)
        await server.stop()
    assert process.returncode == 0, err.decode()
    said = json.loads(out)
    assert {"Gateway", "Message", "Presence", "Probe", "Talk", "User"} <= set(said["services"])
    assert said["echoed"] == "hello"
    assert (said["refused"]["code"], said["refused"]["details"]) == (8, "Not so fast.")  # RESOURCE_EXHAUSTED
    assert said["refused"]["metadata"]["xinyu-reason"] == "too_many"
    assert said["refused"]["metadata"]["retry-after-ms"] == "70"
    assert said["unknown"]["code"] == 16  # UNAUTHENTICATED
    assert said["late"]["code"] == 4  # DEADLINE_EXCEEDED
    assert messages.contexts[0].caller == "node" and messages.contexts[0].trace_id == "ab" * 16
