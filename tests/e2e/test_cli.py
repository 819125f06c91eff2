"""The command line as whole processes: how `xinyu` starts, refuses, and ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import xinyu
from tests.loopback import has_ipv6
from tests.server_process import CHEAP_ENVIRONMENT, ServerFailed, ServerProcess
from xinyu_services.cli.app import app

pytestmark = pytest.mark.e2e


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xinyu_services", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **CHEAP_ENVIRONMENT, **environment},
        stdin=subprocess.DEVNULL,
        check=False,
    )


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The command line in this process, for what never gets as far as a server: exit code, output, errors."""
    with pytest.raises(SystemExit) as ended:
        app(arguments, prog_name="xinyu")
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, captured.out, captured.err


def assert_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("xinyu: ")
    for word in words:
        assert word in lines[0]


def post(server: ServerProcess, path: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
    request = urllib.request.Request(
        f"{server.http_url}/api/v1/{path}", json.dumps(body).encode(), {"Authorization": token} if token else {}
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        answer = json.load(response)
    assert isinstance(answer, dict)
    return answer


def register(server: ServerProcess, number: int) -> str:
    body = {"nickname": f"user {number}", "mobile": f"138{number:08d}", "password": "correct horse"}
    return str(post(server, "auth/register", body)["access_token"])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "data") as running:
        yield running


@pytest.fixture
def serve_options(tmp_path: Path) -> list[str]:
    return ["serve", "--data-directory", str(tmp_path / "data"), "--http-port", "0", "--ws-port", "0"]


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"xinyu {xinyu.__version__}\n")


# ---------------------------------------------------------------- serve: up and down


def test_up_and_down(server: ServerProcess) -> None:
    assert server.data_directory.is_dir()
    with urllib.request.urlopen(f"{server.http_url}/config.json", timeout=20) as response:
        assert json.load(response)["websocket_url"] == server.websocket_url
    with urllib.request.urlopen(f"{server.http_url}/", timeout=20) as response:
        assert response.headers["Content-Type"].startswith("text/html")
    socket.create_connection(("127.0.0.1", server.websocket_port), 5).close()
    token = register(server, 1)
    assert post(server, "user/detail", {}, token)["nickname"] == "user 1"
    assert server.stop() == 0
    assert "Traceback" not in server.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_with_exit_code_0(server: ServerProcess, number: signal.Signals) -> None:
    process = server.process
    assert process is not None
    started = time.monotonic()
    process.send_signal(number)
    assert process.wait(15) == 0
    assert time.monotonic() - started < 10
    assert "Traceback" not in server.log


def test_a_second_signal_ends_it_at_once(server: ServerProcess) -> None:
    """With a request that cannot end, so that the first signal alone would have to wait."""
    process = server.process
    assert process is not None
    with socket.create_connection(("127.0.0.1", server.http_port), 5) as hanging:
        hanging.sendall(b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(3) == 128 + signal.SIGTERM


def test_a_hanging_request_does_not_hold_the_end_up_for_long(server: ServerProcess) -> None:
    with socket.create_connection(("127.0.0.1", server.http_port), 5) as hanging:
        hanging.sendall(b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
        time.sleep(0.2)
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 10


def test_killed_and_started_again(server: ServerProcess) -> None:
    token = register(server, 1)
    ports = server.http_port, server.websocket_port
    for _ in range(2):
        assert server.kill() == -signal.SIGKILL
        server.start()
        assert (server.http_port, server.websocket_port) == ports
        # The same keys: who was logged in still is.
        assert post(server, "user/detail", {}, token)["mobile"] == "13800000001"
    register(server, 2)
    with sqlite3.connect(server.data_directory / "xinyu.db") as database:
        assert database.execute("SELECT count(*) FROM lease").fetchone() == (1,)
    database.close()


def test_users_survive_a_clean_stop(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    with server:
        token = register(server, 1)
    with sqlite3.connect(tmp_path / "data" / "xinyu.db") as database:
        assert database.execute("SELECT count(*) FROM lease").fetchone() == (0,)
    database.close()
    with ServerProcess(tmp_path / "data") as again:
        assert post(again, "user/detail", {}, token)["nickname"] == "user 1"


def test_tokens_and_queries_are_not_logged(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", arguments=["--log-level", "debug"]) as server:
        token = register(server, 1)
        post(server, "user/detail?token=query-token", {}, f"Bearer {token}")
        for query in (f"token={token}", "token=garbage-token", "ticket=garbage-ticket"):
            with socket.create_connection(("127.0.0.1", server.websocket_port), 5) as raw:
                raw.sendall(
                    f"GET /wss/default.io?{query} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
                )
                assert raw.recv(12) in (b"HTTP/1.1 101", b"HTTP/1.1 401")
        assert server.stop() == 0
        for secret in (token, "query-token", "garbage-token", "garbage-ticket", "correct horse"):
            assert secret not in server.log


def test_secrets_are_for_the_owner_alone(server: ServerProcess) -> None:
    for name in ("token-secret", "password-key.pem", "lock"):
        assert (server.data_directory / name).stat().st_mode & 0o077 == 0


# ---------------------------------------------------------------- serve: what it cannot do, in one line


@pytest.mark.parametrize("option", ["--http-port", "--ws-port"])
def test_a_taken_port(serve_options: list[str], option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert_one_line(run(*serve_options, option, port), "cannot listen on", port, "in use")


def test_an_address_that_is_not_ours(serve_options: list[str]) -> None:
    assert_one_line(run(*serve_options, "--http-host", "192.0.2.1"), "cannot listen on", "192.0.2.1")
    assert_one_line(run(*serve_options, "--ws-host", "no.such.host.invalid"), "cannot listen on")


def test_a_data_directory_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    for path in (str(tmp_path / "file"), str(tmp_path / "file" / "below"), "/proc/xinyu/data"):
        assert_one_line(run("serve", "--data-directory", path, "--http-port", "0", "--ws-port", "0"), path, "cannot")


def test_a_data_directory_in_use(server: ServerProcess, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data-directory", str(server.data_directory)]
    in_use = f"xinyu: the data directory {server.data_directory} is in use by another process\n"
    done = run("serve", "--http-port", "0", "--ws-port", "0", *options)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", in_use)
    for name in ("apply", "new-epoch"):
        assert command(capsys, "migrate", name, *options) == (1, "", in_use)
    register(server, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http: {port: many}", ["http.port"]),
        ("http: {port: 70000}", ["http.port"]),
        ("nonsense: 1", ["nonsense", "unknown key"]),
        ("http: {prot: 1}", ["http.prot", "unknown key"]),
        ("[1, 2]", ["mapping"]),
        ("{", ["YAML"]),
        ("time_zone: Mars/Olympus", ["time_zone", "Mars/Olympus"]),
        ("\x00", ["YAML"]),
        ("log: {level: loud}", ["log.level"]),
    ],
)
def test_a_bad_config(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: list[str]) -> None:
    file = tmp_path / "xinyu.yaml"
    file.write_text(text)
    options = ("--config", str(file), "--data-directory", str(tmp_path / "data"))
    for name in (("serve",), ("migrate", "apply"), ("keys", "public"), ("config", "show")):
        code, out, err = command(capsys, *name, *options)
        assert (code, out) == (1, "")
        assert err.startswith("xinyu: ")
        assert len(err.splitlines()) == 1
        for word in words:
            assert word in err
    assert not (tmp_path / "data").exists()


def test_a_config_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, word in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "directory")):
        code, _, err = command(capsys, "serve", "--config", str(path))
        assert (code, len(err.splitlines())) == (1, 1)
        assert word in err


def test_a_bad_environment(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value, word in (
        ("XINYU_ACCOUNTS__TOKEN_TTL_S", "soon", "accounts.token_ttl_s"),
        ("XINYU_HTTP", "yes", "http"),
    ):
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            code, _, err = command(capsys, "serve")
            assert (code, len(err.splitlines())) == (1, 1)
            assert word in err


def test_usage_errors_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["serve", "--no-such-option"],
        ["serve", "--http-port", "many"],
        ["serve", "--http-port", "70000"],
        ["no-such-command"],
        ["run", "gateway-ws", "--echo", "--max-fragments", "0"],
    ):
        assert command(capsys, *arguments)[0] == 2


def test_help_of_every_group(capsys: pytest.CaptureFixture[str]) -> None:
    for group in ((), ("serve",), ("run",), ("migrate",), ("keys",), ("config",)):
        code, out, _ = command(capsys, *group, "--help")
        assert code == 0
        assert "Usage" in out


def test_a_database_that_is_none(tmp_path: Path, serve_options: list[str]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "xinyu.db").write_text("this is not a database, " * 100)
    assert_one_line(run(*serve_options), "database")


def test_a_schema_that_is_newer(tmp_path: Path, serve_options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data-directory", str(tmp_path / "data")]
    assert command(capsys, "migrate", "apply", *options)[0] == 0
    with sqlite3.connect(tmp_path / "data" / "xinyu.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    assert_one_line(run(*serve_options), "9999", "does not know")
    code, _, err = command(capsys, "migrate", "status", *options)
    assert (code, len(err.splitlines())) == (1, 1)
    assert "does not know" in err


def test_a_key_that_is_none(tmp_path: Path, serve_options: list[str]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "token-secret").write_text("short")
    assert_one_line(run(*serve_options), "token-secret")


def test_a_start_that_fails_leaves_nothing_behind(tmp_path: Path, serve_options: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert_one_line(run(*serve_options, "--http-port", str(taken.getsockname()[1])), "cannot listen")
    with ServerProcess(tmp_path / "data") as server:
        register(server, 1)


def test_the_template_tells_why_a_server_failed(tmp_path: Path) -> None:
    with pytest.raises(ServerFailed, match="unknown key"):
        ServerProcess(tmp_path / "data", environment={"XINYU_HTTP__NO_SUCH": "1"}).start()


# ---------------------------------------------------------------- migrate, keys, config


def test_migrate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data-directory", str(tmp_path / "data")]
    assert "pending 0001" in command(capsys, "migrate", "status", *options)[1]
    assert "applied 0001" in command(capsys, "migrate", "apply", *options)[1]
    assert command(capsys, "migrate", "apply", *options) == (0, "nothing to apply\n", "")
    status = command(capsys, "migrate", "status", *options)
    assert "pending" not in status[1]
    assert command(capsys, "migrate", "plan", *options) == (0, "-- nothing to apply\n", "")


def test_new_epoch_makes_every_device_start_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data-directory", str(tmp_path / "data")]
    with ServerProcess(tmp_path / "data") as server:
        register(server, 1)
    first, second = (command(capsys, "migrate", "new-epoch", *options)[1].split() for _ in range(2))
    assert first[0] == second[0] == "epoch"
    assert first[1] != second[1]
    with ServerProcess(tmp_path / "data") as server:
        token = register(server, 2)
        empty = {"epoch": first[1], "versions": {"talk": 0, "contact": 0, "user": 0}, "talks": []}
        answer = post(server, "sync", empty, token)
        assert (answer["epoch"], answer["reset"]) == (second[1], True)
        # Ids given out after the backup was made are not given out twice.
        assert post(server, "user/detail", {}, token)["id"] > 10**9


def test_the_public_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data-directory", str(tmp_path / "data")]
    code, first, _ = command(capsys, "keys", "public", *options)
    assert code == 0
    assert first.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert "PRIVATE" not in first
    with ServerProcess(tmp_path / "data"):
        assert command(capsys, "keys", "public", *options)[1] == first
    (tmp_path / "file").write_text("")
    code, _, err = command(capsys, "keys", "public", "--data-directory", str(tmp_path / "file" / "x"))
    assert (code, len(err.splitlines())) == (1, 1)
    assert "cannot be used" in err


def test_config_show(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "xinyu.yaml"
    file.write_text("http: {port: 1111}\nwebsocket: {port: 2222}\n")
    monkeypatch.setenv("XINYU_HTTP__PORT", "3333")
    code, out, _ = command(capsys, "config", "show", "--config", str(file), "--data-directory", "/somewhere")
    assert code == 0
    for line in ("data_directory: /somewhere", "  port: 3333", "  port: 2222"):
        assert line in out.splitlines()


# ---------------------------------------------------------------- run gateway-ws


@pytest.mark.parametrize("flag", ["--echo", "--echo-python"])
def test_echo_mode_stops_with_exit_code_0(flag: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "xinyu_services", "run", "gateway-ws", flag, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("echo on ws://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def test_echo_mode_refuses_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for flags in ([], ["--echo", "--echo-python"]):
        code, _, err = command(capsys, "run", "gateway-ws", *flags)
        assert (code, len(err.splitlines())) == (1, 1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert_one_line(run("run", "gateway-ws", "--echo", "--port", str(taken.getsockname()[1])), "cannot listen")


IPV6_SERVERS = {
    "gateway-ws": (("--echo",), r"echo on (ws://\[::1\]:\d+/)", ("echo",)),
    "rpc-echo": ((), r"rock on (\[::1\]:\d+)", ("rpc",)),
}


@pytest.mark.parametrize("role", IPV6_SERVERS)
def test_the_address_that_is_printed_over_ipv6_is_one_that_the_bench_takes(role: str) -> None:
    """Without IPv6 on this machine: it says so in one line."""
    options, printed, bench = IPV6_SERVERS[role]
    arguments = ("run", role, *options, "--host", "::1", "--port", "0")
    if not has_ipv6():
        assert_one_line(run(*arguments), "cannot listen on ::1")
        return
    process = subprocess.Popen([sys.executable, "-m", "xinyu_services", *arguments], stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        match = re.fullmatch(printed, process.stdout.readline().strip())
        assert match is not None
        done = run("bench", *bench, match[1], "--seconds", "0.3", "--json", "--quiet")
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["problems"] == []
        assert max(json.loads(done.stdout)["figures"].values()) > 0
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()
