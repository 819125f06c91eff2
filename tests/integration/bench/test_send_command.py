"""`xinyu bench send` against `xinyu serve`, each a process: what is sent is accounted for, and what goes wrong told."""

from __future__ import annotations

import json
import secrets
import socket
import stat
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.bench.cutting_proxy import CuttingProxy, Fault
from tests.server_process import ServerProcess
from xinyu.bench.accounts import Accounts
from xinyu.bench.error import BenchError

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the tests of one server; each takes and adds what it needs."""
    return tmp_path_factory.mktemp("accounts") / "accounts.json"


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xinyu_services", "bench", "send", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=90,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def result(*arguments: object, code: int = 0) -> dict[str, Any]:
    done = bench(*arguments, "--json", "--quiet")
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stderr == ""
    read = json.loads(done.stdout)
    assert isinstance(read, dict)
    return read


FAULTS = ("lost_messages", "doubled", "reordered", "misdelivered", "unanswered", "lost")


def test_every_message_between_friends_is_accounted_for(server: ServerProcess, accounts: Path) -> None:
    read = result(
        *(server.http_url, "--users", 6, "--messages", 240, "--senders", 2, "--in-flight", 4, "--size", 3000),
        *("--accounts", accounts, "--pid", server.pid),
    )
    found = read["figures"]
    assert (found["sent"], found["acknowledged"], found["arrived"], found["refused"]) == (240, 240, 480, 0)
    assert [found[name] for name in FAULTS] == [0] * len(FAULTS)
    assert (found["senders"], found["messages"]) == (6, 240)
    assert found["server_cpu_us_per_message"] > 0
    assert read["latency_us"]["acknowledged"]["count"] == 240
    assert read["latency_us"]["at a recipient"]["count"] == 240
    assert (read["problems"], read["warnings"]) == ([], [])


def test_a_group_gets_each_message_and_its_users_are_kept(server: ServerProcess, accounts: Path) -> None:
    arguments = (server.http_url, "--users", 8, "--group", 4, "--messages", 60, "--accounts", accounts)
    found = result(*arguments)["figures"]
    assert (found["sent"], found["acknowledged"], found["arrived"]) == (60, 60, 240)
    assert [found[name] for name in FAULTS] == [0] * len(FAULTS)
    before = accounts.read_bytes()
    assert stat.S_IMODE(accounts.stat().st_mode) == 0o600
    book = json.loads(before)
    assert len(book["groups"]) == 2
    assert all(each["mobile"].startswith("100") for each in book["accounts"])
    assert result(*arguments)["figures"]["arrived"] == 240
    assert accounts.read_bytes() == before


def test_by_time_at_a_rate_with_progress_and_a_plot(server: ServerProcess, accounts: Path, tmp_path: Path) -> None:
    plot = tmp_path / "plot.svg"
    done = bench(
        *(server.http_url, "--users", 6, "-t", 1.5, "--warmup", 0.1, "--rate", 60, "--accounts", accounts),
        *("--plot", plot, "--pid", server.pid),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"send on {server.http_url}\n")
    assert "acknowledged/s" in done.stderr
    assert "of a core, server" in done.stderr
    ElementTree.parse(plot)


@pytest.mark.parametrize(
    ("fault", "name", "problem"),
    [
        ("lose", "lost_messages", "1 messages are lost: 1 arrivals are missing"),
        ("double", "doubled", "1 messages arrived more than once at a member"),
        ("cut", "lost", "1 connections were lost; the first: the server closed the connection"),
    ],
)
def test_what_happens_on_the_way_is_seen(server: ServerProcess, fault: Fault, name: str, problem: str) -> None:
    with CuttingProxy(server.http_url, server.websocket_port, fault, at=30) as proxy:
        read = result(proxy.http_url, "--users", 6, "--messages", 90, "--patience", 1, code=1)
    assert read["figures"][name] == 1
    assert problem in read["problems"]


def test_a_server_that_dies_is_one_line(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        with subprocess.Popen(
            [sys.executable, "-m", "xinyu_services", "bench", "send", server.http_url, "--users", "4", "-t", "600"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stderr is not None
                while "acknowledged/s" not in process.stderr.readline():
                    assert process.poll() is None
                server.kill()
                out, err = process.communicate(timeout=60)
            finally:
                process.kill()
    assert (process.returncode, out) == (1, "")
    assert err.splitlines()[-1].startswith(f"xinyu: {server.websocket_url}: all connections are lost; the first: ")


def test_the_limits_of_the_server_are_met_and_named(tmp_path: Path) -> None:
    """The thirteenth user has to wait for five seconds; the sender is refused and waits as long as he is told."""
    limits = {"ENTRIES_PER_MINUTE": "12", "SENDS_PER_S": "5", "SEND_BURST": "20"}
    environment = {f"XINYU_LIMITS__{name}": value for name, value in limits.items()}
    with ServerProcess(tmp_path / "data", environment=environment) as server:
        done = bench(
            *(server.http_url, "--users", 13, "--group", 13, "--messages", 60, "--in-flight", 10, "--json"),
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("limits.entries_per_minute") == 1
    read = json.loads(done.stdout)
    found = read["figures"]
    assert found["refused"] == found["refused_too_many"] > 0
    assert found["acknowledged"] + found["refused"] == found["sent"] == 60
    assert [found[name] for name in FAULTS] == [0] * len(FAULTS)
    assert "limits.sends_per_s" in read["warnings"][-1]


def test_refused_users(tmp_path: Path) -> None:
    """A server that wants a code for the mobile number cannot have test users; what was said is the server's reason."""
    with ServerProcess(tmp_path / "data", environment={"XINYU_ACCOUNTS__VERIFY_MOBILE": "true"}) as server:
        done = bench(server.http_url, "--users", 2, "--quiet", "--accounts", tmp_path / "accounts.json")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"xinyu: {server.http_url}: 400 wrong_code: ")
        assert json.loads((tmp_path / "accounts.json").read_bytes())["accounts"] == []


def test_accounts_of_a_server_that_has_forgotten_them(server: ServerProcess, tmp_path: Path) -> None:
    """The file names this server, and its tokens are none of his."""
    path = tmp_path / "accounts.json"
    account = {"mobile": "10012345678", "password": "x" * 12, "expires_at_s": 9e9}
    users = [{**account, "user_id": 1, "token": "a.b.c"}, {**account, "user_id": 2, "token": "a.b.c"}]
    path.write_text(json.dumps({"http_url": server.http_url, "accounts": users, "friends": [[1, 2]]}))
    done = bench(server.http_url, "--users", 2, "--quiet", "--accounts", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the server does not know this account" in done.stderr


def test_no_server_and_another_server(silent_port: int, server: ServerProcess) -> None:
    done = bench(f"http://127.0.0.1:{silent_port}", "--quiet")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"xinyu: http://127.0.0.1:{silent_port} cannot be used: ")
    done = bench(f"http://127.0.0.1:{server.websocket_port}", "--quiet")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)


@pytest.fixture
def silent_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_a_mobile_number_that_somebody_has_is_left_alone(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = iter([77_000_001, 77_000_002, 77_000_001, 77_000_002, 77_000_003, 77_000_004])
    monkeypatch.setattr(secrets, "randbelow", lambda _: next(draws))
    first, second = Accounts(server.http_url, tmp_path / "1"), Accounts(server.http_url, tmp_path / "2")
    first.talks(2, 2, is_group=False)
    second.talks(2, 2, is_group=False)
    mobiles = [
        {account["mobile"] for account in json.loads((tmp_path / name).read_bytes())["accounts"]} for name in ("1", "2")
    ]
    assert mobiles == [{"10077000001", "10077000002"}, {"10077000003", "10077000004"}]


def test_an_accounts_file_that_cannot_be_written(server: ServerProcess, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    accounts = Accounts(server.http_url, tmp_path / "there" / "accounts.json")
    (tmp_path / "there").rmdir()
    with pytest.raises(BenchError, match="cannot be kept"):
        accounts.talks(2, 2, is_group=False)
