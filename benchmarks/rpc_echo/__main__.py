"""One end of an echo over RPC, for the side-by-side benchmark: a server, or a client that prints figures as JSON.

    python -m benchmarks.rpc_echo serve KIND PORT
    python -m benchmarks.rpc_echo call KIND PORT --server-pid PID [--in-flight 64] [--seconds 2]
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
from typing import Any

import uvloop

from benchmarks.rpc_echo import load

KINDS = ("protobuf_frames", "rock_frames", "rock_rpc", "grpc_aio", "grpc_rpc")


async def serve(kind: Any, port: int) -> None:
    async with kind.serving(port):
        await asyncio.Event().wait()


async def call(kind: Any, port: int, server_pid: int, in_flight: int, seconds: float) -> None:
    async with kind.calling(port) as echo:
        many = await load.measure(echo, in_flight=in_flight, seconds=seconds, server_pid=server_pid)
        alone = await load.measure(echo, in_flight=1, seconds=seconds / 2, server_pid=server_pid)
    print(json.dumps({**many, "alone_per_s": alone["per_s"]}))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rpc_echo", description=__doc__.splitlines()[0])
    parser.add_argument("end", choices=("serve", "call"))
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("port", type=int)
    parser.add_argument("--server-pid", type=int)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    kind = importlib.import_module(f"benchmarks.rpc_echo.{options.kind}")
    if options.end == "serve":
        uvloop.run(serve(kind, options.port))
    elif options.server_pid is None:
        parser.error("a client needs --server-pid")
    else:
        uvloop.run(call(kind, options.port, options.server_pid, options.in_flight, options.seconds))


if __name__ == "__main__":
    main()
