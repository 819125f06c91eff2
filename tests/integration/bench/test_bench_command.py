"""`xinyu bench` as a process against real servers: what it counts is exactly what was sent.

The servers: our echo mode in C and with its Python callback, and the C reference of the side-by-side benchmark.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.side_by_side.servers import REFERENCE_NAME, Server, running, servers

pytestmark = pytest.mark.timeout(90)

NAMES = ("XinYu", "XinYu, Python callback", REFERENCE_NAME)


@pytest.fixture(scope="module", params=NAMES)
def server(request: pytest.FixtureRequest) -> Iterator[tuple[int, str]]:
    """Process id and URL."""
    (found,) = [each for each in servers() if each.name == request.param]
    if found.missing:
        assert shutil.which("gcc") is None, found.missing
        pytest.skip(found.missing)
    with running(found, None) as process:
        yield process


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xinyu_services", "bench", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def figures(*arguments: object) -> tuple[dict[str, float], dict[str, Any]]:
    done = bench(*arguments, "--json", "--quiet")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    read = json.loads(done.stdout)
    assert read["problems"] == []
    return read["figures"], read["latency_us"]


def test_every_echoed_message_comes_back_once(server: tuple[int, str]) -> None:
    pid, url = server
    found, latency = figures("echo", url, "--connections", 20, "--messages", 4000, "--size", 200, "--pid", pid)
    assert (found["sent"], found["received"], found["messages"], found["lost"]) == (4000, 4000, 4000, 0)
    assert latency["message"]["count"] == 4000
    assert 0 < latency["message"]["p50"] <= latency["message"]["p99"] <= latency["message"]["max"]
    assert found["server_cpu_us_per_message"] > 0


def test_many_in_flight_and_great_ones(server: tuple[int, str]) -> None:
    _, url = server
    found, _ = figures("echo", url, "-n", 4, "--messages", 600, "--size", 70_000, "--depth", 8, "--binary")
    assert (found["sent"], found["received"]) == (600, 600)


def test_by_time_and_at_a_rate(server: tuple[int, str]) -> None:
    _, url = server
    found, _ = figures("echo", url, "-n", 10, "-t", 0.3, "--warmup", 0.1, "--rate", 500, "--depth", 50)
    assert found["sent"] == found["received"] > 0
    assert found["asked_per_s"] == 500


def test_idle_connections_are_all_kept(server: tuple[int, str]) -> None:
    pid, url = server
    found, _ = figures("idle", url, "-n", 300, "--first", 20, "-t", 0.2, "--pid", pid)
    assert (found["open"], found["lost"], found["first"]) == (300, 0, 20)
    assert {"user_bytes_per_connection", "kernel_bytes_per_connection"} <= set(found)


def test_memory_against_connections_is_drawn(server: tuple[int, str], tmp_path: Path) -> None:
    pid, url = server
    plot = tmp_path / "memory.svg"
    done = bench("idle", url, "-n", 8, "--first", 7, "-t", 0, "--pid", pid, "--plot", plot, "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    curves = json.loads(done.stdout)["curves"]
    assert {name: [x for x, _ in points] for name, points in curves.items()} == {
        "user_bytes": [0, 7, 8],
        "kernel_bytes": [0, 7, 8],
    }
    assert len(ElementTree.parse(plot).findall("{*}polyline")) == 2


def test_each_connection_gets_each_frame_once(server: tuple[int, str]) -> None:
    pid, url = server
    found, latency = figures("fanout", url, "-n", 150, "--rounds", 4, "--burst", 3, "--pid", pid)
    assert found["frames"] == 150 * 4 * 3
    assert (found["least_per_connection"], found["most_per_connection"]) == (15, 15)  # one round more, unmeasured
    assert latency["frame"]["count"] == 150 * 4 * 3
    assert latency["round"]["count"] == 4


def test_every_handshake_is_counted(server: tuple[int, str]) -> None:
    _, url = server
    found, latency = figures("connect", url, "-n", 300)
    assert (found["open"], found["lost"]) == (300, 0)
    assert latency["handshake"]["count"] == 300


def test_connections_come_and_go_and_their_number_stays(server: tuple[int, str]) -> None:
    _, url = server
    found, latency = figures("churn", url, "-n", 50, "-t", 0.5, "--messages", 2)
    assert (found["open"], found["lost"]) == (50, 0)
    assert found["opened"] - found["closed"] == 50
    assert found["closed"] > 50  # all were replaced
    assert found["sent"] == found["received"] == 2 * found["closed"]
    assert latency["handshake"]["count"] <= found["closed"]


def test_text_and_markdown_and_progress_and_a_plot(server: tuple[int, str], tmp_path: Path) -> None:
    pid, url = server
    plot = tmp_path / "plot.svg"
    done = bench("echo", url, "-n", 5, "-t", 1.5, "--warmup", 0, "--pid", pid, "--plot", plot)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"echo on {url}\n")
    assert "messages/s" in done.stderr
    assert "of a core, server" in done.stderr
    ElementTree.parse(plot)
    done = bench("connect", url, "-n", 5, "--markdown", "--quiet")
    assert done.stdout.startswith(f"### connect on `{url}`\n")


def test_ctrl_c_ends_it_at_once(server: tuple[int, str]) -> None:
    _, url = server
    with subprocess.Popen(
        [sys.executable, "-m", "xinyu_services", "bench", "echo", url, "-n", "5", "-t", "600"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # As a terminal starts it: tests that run in the background of a shell hand on an ignored SIGINT.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            assert process.stderr is not None
            assert "messages/s" in process.stderr.readline()  # it is in the middle of it
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err


def test_a_server_that_does_not_know_go_is_named(server: tuple[int, str], tmp_path: Path) -> None:
    """A refused handshake, and a server that is none, too: the gateway's own HTTP answers."""
    script = tmp_path / "server.py"
    script.write_text(
        "import http.server, sys\n"
        "s = http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler)\n"
        "s.serve_forever()\n"
    )
    plain = Server("http", (sys.executable, str(script), "{port}"), "")
    with running(plain, None) as (_, url):
        done = bench("connect", f"{url}no-such-page", "-n", 3, "--quiet")
    assert done.returncode == 1
    assert done.stderr == f"xinyu: {url}no-such-page: the upgrade was refused with HTTP status 404\n"
