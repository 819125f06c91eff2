"""A whole cluster for tests: MariaDB, Redis, ZooKeeper and nginx of its own, and every role as a process.

    with ClusterProcess() as cluster:
        ... cluster.http_url, cluster.websocket_url ...     through nginx
        cluster.kill_process("svc-message-1")               # SIGKILL
        cluster.start_process("svc-message-1")

It has the face of `ServerProcess`, so that a test of one form is a test of both: `kill` is SIGKILL for all of our
processes, and `start` begins them again on the same ports and data. The servers of others run until `close`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml

from tests.server_process import CHEAP_ENVIRONMENT, ServerFailed
from xinyu.base.config import load_config
from xinyu_services.cli.local_servers.mariadb import MariaDbServer
from xinyu_services.cli.local_servers.nginx import NginxServer
from xinyu_services.cli.local_servers.redis import RedisServer
from xinyu_services.cli.local_servers.server import free_port
from xinyu_services.cli.local_servers.zookeeper import ZooKeeperServer
from xinyu_services.cli.nginx_site import Site, render
from xinyu_services.cli.topology import HTTP_GATEWAY, ROLES, WEBSOCKET_GATEWAY, Process

START_DEADLINE_S: Final = 90.0
STOP_DEADLINE_S: Final = 30.0
ALL_ROLES: Final[Mapping[str, int]] = {**dict.fromkeys(ROLES, 1), WEBSOCKET_GATEWAY: 2}


class ClusterProcess:
    """`counts`: processes of each role, two WebSocket gateways and one of each other unless told otherwise.
    `settings`: of xinyu.yaml, section by section, before the environment."""

    def __init__(
        self,
        *,
        counts: Mapping[str, int] | None = None,
        environment: Mapping[str, str] | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="xinyu-cluster-"))
        # MariaDB does not run as root, and its own user must reach its files.
        os.chmod(self.directory, 0o755)
        self.environment = {**os.environ, **CHEAP_ENVIRONMENT, **(environment or {})}
        self.mariadb = MariaDbServer(self.directory / "mariadb", port=free_port())
        self.redis = RedisServer(self.directory / "redis", port=free_port())
        self.zookeeper = ZooKeeperServer(self.directory / "zookeeper", port=free_port())
        self.nginx = NginxServer(self.directory / "nginx", port=free_port())
        self.config_file = self.directory / "xinyu.yaml"
        self._settings = settings or {}
        self.processes = {
            process.name: process
            for role, count in {**ALL_ROLES, **(counts or {})}.items()
            for process in (_process(role, number) for number in range(1, count + 1))
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._servers = ExitStack()

    # ---------------------------------------------------------------- where it is

    @property
    def http_url(self) -> str:
        return self.nginx.url

    @property
    def websocket_url(self) -> str:
        return f"ws://127.0.0.1:{self.nginx.port}/ws"

    @property
    def legacy_websocket_url(self) -> str:
        """Without `?token=`."""
        return f"ws://127.0.0.1:{self.nginx.port}/wss/default.io"

    @property
    def websocket_port(self) -> int:
        return self.nginx.port

    @property
    def log(self) -> str:
        """What all processes have written, over all of their lives."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.directory.glob("*.log")))

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def of_role(self, role: str) -> list[Process]:
        return [process for process in self.processes.values() if process.role == role]

    # ---------------------------------------------------------------- life

    def start(self) -> None:
        """Up when it returns: every process says that it is ready. Raises ServerFailed."""
        if not self.config_file.exists():
            self._start_servers()
        for name in self.processes:
            self._begin(name)
        deadline_s = time.monotonic() + START_DEADLINE_S
        for name in self.processes:
            self.wait_until_ready(name, deadline_s - time.monotonic())

    def stop(self) -> None:
        """SIGTERM to all of our processes, gateways first; each must end with 0."""
        failed = []
        for group in ((HTTP_GATEWAY, WEBSOCKET_GATEWAY), ROLES):
            names = [name for name in self._running if self.processes[name].role in group]
            for name in names:
                self._running[name].send_signal(signal.SIGTERM)
            for name in names:
                code = self._wait(name)
                if code != 0:
                    failed.append(f"{name} ended with {code}: {self._last_words(name)}")
        if failed:
            raise AssertionError("\n".join(failed))

    def kill(self) -> None:
        """SIGKILL to all of our processes."""
        for process in self._running.values():
            process.kill()
        for name in list(self._running):
            self._wait(name)

    def add_process(self, role: str) -> str:
        """Starts one more of a role, and lets nginx know; answers its name when it is ready."""
        process = _process(role, 1 + max((each.number for each in self.of_role(role)), default=0))
        self.processes[process.name] = process
        self.start_process(process.name)
        if role in (HTTP_GATEWAY, WEBSOCKET_GATEWAY):
            self._write_site()
            self.nginx.reload()
        return process.name

    def remove_process(self, name: str) -> int:
        """SIGTERM to one that was added, once nginx asks it no more; answers the exit code."""
        process = self.processes.pop(name)
        if process.role in (HTTP_GATEWAY, WEBSOCKET_GATEWAY):
            self._write_site()
            self.nginx.reload()
        self.processes[name] = process
        try:
            return self.stop_process(name)
        finally:
            del self.processes[name]

    def start_process(self, name: str) -> None:
        self._begin(name)
        self.wait_until_ready(name, START_DEADLINE_S)

    def kill_process(self, name: str) -> None:
        self._running[name].kill()
        self._wait(name)

    def stop_process(self, name: str) -> int:
        """SIGTERM; answers the exit code."""
        self._running[name].send_signal(signal.SIGTERM)
        return self._wait(name)

    def close(self) -> None:
        self.kill()
        self._servers.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def is_ready(self, name: str) -> bool:
        return self.ops(name, "readyz")[0] == 200

    def ops(self, name: str, path: str) -> tuple[int, str]:
        """What a process tells its operators: status (0 = it does not answer) and text."""
        url = f"http://127.0.0.1:{self.processes[name].ops_port}/{path}"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait_until_ready(self, name: str, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not self.is_ready(name):
            if self._running[name].poll() is not None or time.monotonic() > deadline_s:
                raise ServerFailed(f"{name} is not ready: {self.ops(name, 'readyz')[1]}\n{self._last_words(name)}")
            time.sleep(0.05)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.stop()
        finally:
            self.close()

    # ---------------------------------------------------------------- parts

    def _start_servers(self) -> None:
        for server in (self.mariadb, self.redis, self.zookeeper):
            self._servers.callback(server.kill)
            server.begin()
        settings: dict[str, Any] = {
            "data_directory": str(self.directory / "data"),
            "trusted_proxies": ["127.0.0.1"],
            "http": {"public_websocket_url": "/ws"},
            "database": {"url": self.mariadb.url},
            "redis": {"url": self.redis.url},
            "discovery": {"zookeeper": self.zookeeper.hosts, "session_timeout_s": 1.5},
            "rpc": {"secret": secrets.token_hex(16)},
        }
        for section, values in self._settings.items():
            settings[section] = {**settings.get(section, {}), **values}
        self.config_file.write_text(yaml.safe_dump(settings))
        for server in (self.mariadb, self.redis, self.zookeeper):
            server.start()
        self._run("keys", "create")
        self._run("migrate", "apply", "--cluster")
        self._servers.callback(self.nginx.kill)
        self._write_site()
        self.nginx.start()

    def _write_site(self) -> None:
        site = Site(
            http=[process.address for process in self.of_role(HTTP_GATEWAY)],
            websocket=[process.address for process in self.of_role(WEBSOCKET_GATEWAY)],
            listen=[f"127.0.0.1:{self.nginx.port}"],
            access_log="off",
            error_log=str(self.nginx.error_log),
        )
        self.nginx.write_site(render(site, load_config(self.config_file)))

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "xinyu_services", *arguments, "--config", str(self.config_file)],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=START_DEADLINE_S,
            check=False,
        )
        if done.returncode:
            raise ServerFailed(f"xinyu {' '.join(arguments)}: {done.stderr}")

    def _begin(self, name: str) -> None:
        assert name not in self._running, f"{name} is running already"
        process = self.processes[name]
        arguments = ["--host", process.host, "--port", str(process.port), "--ops-port", str(process.ops_port)]
        if process.rpc_port:
            arguments += ["--rpc-port", str(process.rpc_port)]
        with (self.directory / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [
                    *(sys.executable, "-m", "xinyu_services", "run", process.role),
                    *("--config", str(self.config_file), *arguments),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
            )

    def _wait(self, name: str) -> int:
        process = self._running[name]
        try:
            return process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(
                f"{name} did not stop within {STOP_DEADLINE_S} s\n{self._last_words(name)}"
            ) from None
        finally:
            del self._running[name]

    def _last_words(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(errors="replace")[-3000:]


def _process(role: str, number: int) -> Process:
    rpc_port = free_port() if role == WEBSOCKET_GATEWAY else 0
    return Process(role, number, "127.0.0.1", free_port(), rpc_port, 0, free_port())
