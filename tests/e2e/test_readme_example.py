"""The README's example is the file that it names, and that file runs."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.server_process import ServerProcess

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs/examples/chat.py"


def test_the_readme_shows_the_file() -> None:
    block = re.search(r"<!-- docs/examples/chat.py -->\n```python\n(.*?)```\n", (ROOT / "README.md").read_text(), re.S)
    assert block is not None
    assert block[1] == EXAMPLE.read_text()


async def test_the_example_runs(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", str(EXAMPLE), server.http_url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            output, errors = await process.communicate()
    assert (process.returncode, errors.decode()) == (0, "")
    greeting, hello = output.decode().splitlines()
    assert re.fullmatch(r"1\. Ben: .+", greeting)
    assert hello == "2. Ann: Hello, Ben!"
