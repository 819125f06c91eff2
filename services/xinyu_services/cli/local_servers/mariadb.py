"""MariaDB, durable: a commit is on the disk when it is answered."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Sequence

from xinyu_services.cli.failure import CommandError
from xinyu_services.cli.local_servers.server import LocalServer, exchange, find_program

PREPARE_WITHIN_S = 120.0


class MariaDbServer(LocalServer):
    """Made with one empty database, `xinyu`, and a user of that name, whom the address 127.0.0.1 alone lets in."""

    name = "mariadb"
    program = "mariadbd"
    package = "mariadb-server"

    @property
    def url(self) -> str:
        return self.database_url("xinyu")

    def database_url(self, database: str) -> str:
        return f"mysql://xinyu:xinyu@127.0.0.1:{self.port}/{database}"

    @property
    def socket(self) -> str:
        return str(self.directory / "mariadb.sock")

    def prepare(self) -> None:
        data = self.directory / "data"
        if (data / "mysql").is_dir():
            return
        # Several at once would meet in the system's own: names of temporary tables are not unique there.
        temporary = self.directory / "temporary"
        temporary.mkdir(exist_ok=True)
        if self._user:
            shutil.chown(temporary, self._user)
        made = subprocess.run(
            [
                find_program("mariadb-install-db") or "mariadb-install-db",
                *("--no-defaults", f"--datadir={data}", f"--tmpdir={temporary}"),
                *("--auth-root-authentication-method=normal", "--skip-test-db"),
                *self._as_user(),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PREPARE_WITHIN_S,
            check=False,
        )
        if made.returncode:
            raise CommandError(f"mariadb-install-db failed: {(made.stderr or made.stdout)[-300:]}")
        (self.directory / "init.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS xinyu CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;\n"
            "CREATE USER IF NOT EXISTS xinyu@'127.0.0.1' IDENTIFIED BY 'xinyu';\n"
            "GRANT ALL ON *.* TO xinyu@'127.0.0.1';\n"
        )
        if self._user:
            shutil.chown(self.directory, self._user)
            for path in self.directory.rglob("*"):
                shutil.chown(path, self._user)

    def command(self) -> Sequence[str]:
        return [
            find_program(self.program) or self.program,
            "--no-defaults",
            f"--datadir={self.directory / 'data'}",
            f"--tmpdir={self.directory / 'temporary'}",
            f"--socket={self.socket}",
            f"--init-file={self.directory / 'init.sql'}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_bin",
            "--innodb-flush-log-at-trx-commit=1",
            "--max-connections=500",
            *self._as_user(),
        ]

    def answers(self) -> bool:
        # The greeting names the version; a server that is about to end says something else. It listens only after it
        # has run the init file.
        return b"MariaDB" in exchange("127.0.0.1", self.port, b"")

    @property
    def _user(self) -> str:
        """Whom root lets it run as, "" = oneself. MariaDB's own user, where he can get to the directory."""
        if os.geteuid() != 0:
            return ""
        reachable = all(parent.stat().st_mode & stat.S_IXOTH for parent in self.directory.resolve().parents)
        return "mysql" if reachable else "root"

    def _as_user(self) -> list[str]:
        return [f"--user={self._user}"] if self._user else []
