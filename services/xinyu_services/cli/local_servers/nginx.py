"""nginx, in front of gateways on this machine: its own files in its own directory, and one site (`site.conf`)."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from xinyu_services.cli.failure import CommandError
from xinyu_services.cli.local_servers.server import LocalServer, exchange, find_program

CHECK_WITHIN_S: Final = 10.0


class NginxServer(LocalServer):
    """Until a site is written it answers 503 to all. `write_site` before the start, or with `reload` after it."""

    name = "nginx"
    program = "nginx"
    package = "nginx-light"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def site(self) -> Path:
        return self.directory / "site.conf"

    @property
    def access_log(self) -> Path:
        return self.directory / "access.log"

    @property
    def error_log(self) -> Path:
        return self.directory / "error.log"

    def write_site(self, text: str) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.site.write_text(text, encoding="utf-8")

    def prepare(self) -> None:
        (self.directory / "temp").mkdir(exist_ok=True)
        if not self.site.exists():
            self.write_site(f"server {{ listen 127.0.0.1:{self.port}; location / {{ return 503; }} }}\n")
        # As root, nginx would let its workers be somebody who may not reach this directory.
        user = "user root;\n" if os.geteuid() == 0 else ""
        self._settings.write_text(_SETTINGS.format(user=user, directory=self.directory), encoding="utf-8")
        self._check()

    def command(self) -> Sequence[str]:
        return [find_program(self.program) or self.program, *self._arguments()]

    def answers(self) -> bool:
        return exchange("127.0.0.1", self.port, b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.")

    def reload(self) -> None:
        """Takes the site that was written; connections that are open stay with the old one. Raises CommandError, and
        goes on with the old one, where nginx does not understand it."""
        self._check()
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGHUP)

    def kill(self) -> None:
        # Workers outlive a master that had no time to end them.
        if (pid := self.pid) is not None:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        super().kill()

    @property
    def _settings(self) -> Path:
        return self.directory / "nginx.conf"

    def _arguments(self) -> list[str]:
        return ["-p", str(self.directory), "-c", str(self._settings), "-e", str(self.error_log)]

    def _check(self) -> None:
        checked = subprocess.run(
            [find_program(self.program) or self.program, *self._arguments(), "-t", "-q"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CHECK_WITHIN_S,
            check=False,
        )
        if checked.returncode:
            raise CommandError(f"nginx does not take its configuration: {checked.stderr.strip()[-500:]}")


_SETTINGS: Final = """\
{user}daemon off;
worker_processes auto;
worker_rlimit_nofile 65536;
pid "{directory}/master.pid";
error_log "{directory}/error.log" warn;

events {{
    worker_connections 16384;
}}

http {{
    client_body_temp_path "{directory}/temp/body";
    proxy_temp_path "{directory}/temp/proxy";
    fastcgi_temp_path "{directory}/temp/fastcgi";
    uwsgi_temp_path "{directory}/temp/uwsgi";
    scgi_temp_path "{directory}/temp/scgi";
    include "{directory}/site.conf";
}}
"""
