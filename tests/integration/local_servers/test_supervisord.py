"""A real supervisord of ours: programs are kept alive, and one comes or goes without touching another."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xinyu_services.cli.failure import CommandError
from xinyu_services.cli.local_servers.supervisord import Program, SupervisorServer

SLEEPER = "import os, time; print('pid', os.getpid(), flush=True); time.sleep(600)"


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[SupervisorServer]:
    server = SupervisorServer(tmp_path / "per%cent")
    yield server
    server.stop()


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def sleeper(name: str, directory: Path, code: str = SLEEPER) -> Program:
    return Program(name, [sys.executable, "-c", code], directory / f"{name}.log")


def test_programs_are_kept_alive_and_changed_one_by_one(supervisor: SupervisorServer, tmp_path: Path) -> None:
    supervisor.write_programs([sleeper("a", tmp_path), sleeper("b", tmp_path)])
    supervisor.start()

    def is_running(name: str) -> bool:
        return supervisor.states()[name].state == "RUNNING"

    until(lambda: is_running("a") and is_running("b"))
    first = supervisor.states()
    os.kill(first["a"].pid, signal.SIGKILL)
    until(lambda: is_running("a") and supervisor.states()["a"].pid != first["a"].pid)

    supervisor.write_programs([sleeper("b", tmp_path), sleeper("c", tmp_path)])
    assert supervisor.update() == ["c"]
    until(lambda: is_running("c"))
    assert set(supervisor.states()) == {"b", "c"}
    assert supervisor.states()["b"].pid == first["b"].pid

    supervisor.write_programs([sleeper("b", tmp_path, SLEEPER + "; changed = True"), sleeper("c", tmp_path)])
    assert supervisor.update() == ["b"]
    until(lambda: is_running("b") and supervisor.states()["b"].pid != first["b"].pid)

    supervisor.stop_programs(["b", "c"])
    supervisor.stop_programs(["b"])  # once more: nothing to do
    assert {state.state for state in supervisor.states().values()} == {"STOPPED"}
    supervisor.start_program("c")
    until(lambda: is_running("c"))
    pid = supervisor.states()["c"].pid
    supervisor.stop()
    assert not Path(f"/proc/{pid}").exists()
    assert (tmp_path / "c.log").read_text().split()[-1] == str(pid)
    with pytest.raises(CommandError, match="does not answer"):
        supervisor.states()


def test_one_that_ends_at_once_is_told(supervisor: SupervisorServer, tmp_path: Path) -> None:
    supervisor.write_programs([sleeper("fails", tmp_path, "raise SystemExit('no luck')")])
    supervisor.start()
    until(lambda: supervisor.states()["fails"].state == "BACKOFF")
    assert "no luck" in (tmp_path / "fails.log").read_text()


def test_what_would_be_a_comment_is_refused(supervisor: SupervisorServer, tmp_path: Path) -> None:
    for code in ("1  # one", "1 ;2", "1\n2"):
        with pytest.raises(CommandError, match="cannot stand"):
            supervisor.write_programs([sleeper("a", tmp_path, code)])


def test_a_path_that_is_too_long_for_a_socket_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="too long"):
        SupervisorServer(tmp_path / ("x" * 100))
