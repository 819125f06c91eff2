"""Autobahn's cases against echo mode over real sockets: the server is a process of its own.

Section 8 has no cases. Sections 12 and 13 are about compression, which the server declines.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import kosoku
import pytest

SERVER = """
import socket, sys
import uvloop
import asyncio
from xinyu._fast import engine as engine_module

async def main():
    listener = socket.create_server(("127.0.0.1", 0))
    engine = engine_module.Engine(echo=True)
    engine.listen(listener)
    asyncio.get_running_loop().add_reader(engine.fileno(), engine.poll)
    print(listener.getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)  # until the test closes it
    engine.shutdown()

uvloop.run(main())
"""
SECTIONS = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"]


@pytest.fixture
def server_port() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    with process, process.stdin:
        yield int(process.stdout.readline())
    assert process.returncode == 0


async def test_all_cases_are_clean(server_port: int) -> None:
    results = await kosoku.run_fuzzingclient(f"ws://127.0.0.1:{server_port}", cases=SECTIONS, concurrency=8)
    verdicts = Counter((result.behavior.value, result.behavior_close.value) for result in results)
    # 7.1.6 and 7.13.x look at what the RFC leaves open, and say so.
    assert verdicts == {("OK", "OK"): 298, ("INFORMATIONAL", "INFORMATIONAL"): 3}
    limits = [result.case_id for result in results if result.case_id.startswith("9.")]
    assert len(limits) == 54
    assert {"9.1.6", "9.2.6"} <= set(limits), "messages of 16 MiB"


# The cases of section 12 open their test data and leave the closing to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*autobahntestsuite:pytest.PytestUnraisableExceptionWarning")
async def test_compression_is_declined_and_the_connection_ends_in_order(server_port: int) -> None:
    with pytest.raises(kosoku.FailureError) as failure:
        await kosoku.run_fuzzingclient(f"ws://127.0.0.1:{server_port}", cases=["12.*", "13.*"], concurrency=8)
    verdicts = Counter((result.behavior.value, result.behavior_close.value) for result in failure.value.results)
    assert verdicts == {("UNIMPLEMENTED", "OK"): 216}
