"""Numbers and things that a scenario cannot work with are refused in one line, before anything is sent."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from xinyu.bench import churn, connect, echo, fanout, idle, send
from xinyu.bench.clients import ClientOptions
from xinyu.bench.drive import DriveOptions
from xinyu.bench.error import BenchError
from xinyu.bench.report import Report
from xinyu_services.cli.app import app


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A port that must see no connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener
        with pytest.raises(BlockingIOError):
            listener.accept()


def client(listener: socket.socket, **options: Any) -> ClientOptions:
    return ClientOptions(**{"url": f"ws://127.0.0.1:{listener.getsockname()[1]}/", **options})


def run_echo(options: ClientOptions, **change: Any) -> Report:
    return echo.run(options, echo.EchoOptions(**change))


def run_idle(options: ClientOptions, **change: Any) -> Report:
    return idle.run(options, idle.IdleOptions(**change))


def run_fanout(options: ClientOptions, **change: Any) -> Report:
    return fanout.run(options, fanout.FanoutOptions(**change))


def run_connect(options: ClientOptions, **change: Any) -> Report:
    return connect.run(options, connect.ConnectOptions(**change))


def run_churn(options: ClientOptions, **change: Any) -> Report:
    return churn.run(options, churn.ChurnOptions(**change))


@pytest.mark.parametrize(
    ("run", "change", "reason"),
    [
        (run_echo, {"connections": 0}, "connections must lie"),
        (run_echo, {"connections": 2_000_000}, "connections must lie"),
        (run_echo, {"depth": 0}, "depth must lie"),
        (run_echo, {"depth": 65_537}, "depth must lie"),
        (run_echo, {"connections": 10_000, "depth": 65_536}, "may be in flight"),
        (run_echo, {"size_bytes": -1}, "0 to 16777216 bytes"),
        (run_echo, {"size_bytes": 16_777_217}, "0 to 16777216 bytes"),
        (run_echo, {"seconds": 0.0}, "seconds must lie"),
        (run_echo, {"seconds": float("nan")}, "seconds must lie"),
        (run_echo, {"warmup_s": -1.0}, "warm-up"),
        (run_echo, {"per_s": -1.0}, "rate"),
        (run_echo, {"per_s": float("inf")}, "rate"),
        (run_echo, {"messages": 0}, "number of messages"),
        (run_idle, {"connections": 1}, "at least 2"),
        (run_idle, {"first": 0}, "first count"),
        (run_idle, {"connections": 10, "first": 10}, "first count"),
        (run_idle, {"seconds": -1.0}, "seconds"),
        (run_idle, {"readings": 1}, "read at 2 to"),
        (run_fanout, {"rounds": 0}, "rounds"),
        (run_fanout, {"burst": 1_000_001}, "burst"),
        (run_connect, {"connections": -5}, "connections must lie"),
        (run_churn, {"seconds": 0.0}, "seconds"),
        (run_churn, {"per_s": -1.0}, "rate"),
        (run_churn, {"messages": -1}, "messages a connection"),
    ],
)
def test_bad_numbers(
    silent: socket.socket, run: Callable[..., Report], change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BenchError, match=reason):
        run(client(silent), **change)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"users": 1}, "users must lie between 2 and"),
        ({"users": 100_001}, "users must lie"),
        ({"users": 3}, "3 users do not go into talks of 2"),
        ({"users": 9, "members": 2}, "do not go into"),
        ({"members": 1}, "at least two members"),
        ({"members": 200}, "users must lie between 200"),
        ({"senders": 0}, "senders must lie"),
        ({"senders": 3}, "the 2 members"),
        ({"in_flight": 0}, "in flight"),
        ({"in_flight": 4097}, "in flight"),
        ({"size_bytes": 0}, "a text has"),
        ({"size_bytes": 65_537}, "a text has"),
        ({"seconds": 0.0}, "seconds must lie"),
        ({"warmup_s": -1.0}, "warm-up"),
        ({"per_s": -1.0}, "rate"),
        ({"messages": 0}, "number of messages"),
        ({"accounts_file": Path("/no/such/directory/accounts.json")}, "directory of .* does not exist"),
    ],
)
def test_bad_numbers_of_send(silent: socket.socket, change: dict[str, Any], reason: str) -> None:
    url = f"http://127.0.0.1:{silent.getsockname()[1]}"
    with pytest.raises(BenchError, match=reason):
        send.run(DriveOptions(), url, send.SendOptions(**change))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "no accounts file"),
        (b"[]", "no accounts file"),
        (b'{"http_url":"URL","accounts":[{"mobile":"10012345678"}]}', "no accounts file"),
        (b'{"http_url":"http://elsewhere:8080"}', "are of http://elsewhere:8080"),
    ],
)
def test_a_bad_file_of_accounts(silent: socket.socket, tmp_path: Path, content: bytes, reason: str) -> None:
    url = f"http://127.0.0.1:{silent.getsockname()[1]}"
    path = tmp_path / "accounts.json"
    path.write_bytes(content.replace(b"URL", url.encode()))
    before = path.read_bytes()
    with pytest.raises(BenchError, match=reason):
        send.run(DriveOptions(), url, send.SendOptions(accounts_file=path))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"at_once": 0}, "at once"),
        ({"connect_per_s": -1.0}, "rate"),
        ({"server_pids": (0,)}, "process id"),
        ({"server_pids": (2**22 + 5,)}, "no process"),
        ({"cpu": 9999}, "core 9999"),
        ({"cpu": -1}, "core -1"),
        ({"tokens_file": Path("/no/such/file")}, "cannot be read"),
        ({"headers": ("nonsense",)}, "Name: value"),
    ],
)
def test_bad_options(silent: socket.socket, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(BenchError, match=reason):
        run_connect(client(silent, **options))


def test_an_empty_file_of_tokens(silent: socket.socket, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("\n \n")
    with pytest.raises(BenchError, match="no tokens"):
        run_connect(client(silent, tokens_file=tmp_path / "tokens"))


def test_too_few_descriptors_are_noticed_before_the_first_connection(silent: socket.socket) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = len(os.listdir("/proc/self/fd")) + 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        if hard == resource.RLIM_INFINITY:
            pytest.skip("there is no limit here")
        needed = hard + 1
        with pytest.raises(BenchError, match=rf"{needed} descriptors are needed, and the limit is {hard}"):
            run_connect(client(silent), connections=needed - 32)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        app(["bench", *arguments], prog_name="xinyu")
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, captured.out, captured.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("echo", "{url}", "--connections", "0"), "connections must lie"),
        (("echo", "{url}", "--json", "--markdown"), "either --json or --markdown"),
        (("echo", "{url}", "--plot", "/no/such/directory/plot.svg"), "does not exist"),
        (("idle", "ftp://x/"), "not of the form"),
        (("fanout", "{url}", "--rounds", "0"), "rounds must lie"),
        (("churn", "{url}", "--rate", "-1"), "rate"),
        (("send", "{url}"), "http://host:port"),
        (("send", "{url}", "--patience", "0"), "patience"),
        (("send", "{url}", "--pid", "4194309"), "no process"),
    ],
)
def test_the_command_says_it_in_one_line(
    silent: socket.socket, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], reason: str
) -> None:
    url = f"ws://127.0.0.1:{silent.getsockname()[1]}/"
    code, out, err = command(capsys, *(each.replace("{url}", url) for each in arguments))
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("xinyu: ")
    assert reason in err


def test_a_refused_connection_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    code, out, err = command(capsys, "connect", f"ws://127.0.0.1:{port}/", "-n", "3")
    assert (code, out, err) == (1, "", f"xinyu: ws://127.0.0.1:{port}/: Connection refused\n")
