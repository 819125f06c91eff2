"""Redis, for routes, limits and caches: nothing in it is kept."""

from __future__ import annotations

from collections.abc import Sequence

from xinyu_services.cli.local_servers.server import LocalServer, exchange, find_program


class RedisServer(LocalServer):
    name = "redis"
    program = "redis-server"
    package = "redis-server"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> Sequence[str]:
        return [
            find_program(self.program) or self.program,
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)),
            *("--save", "", "--appendonly", "no"),
        ]

    def answers(self) -> bool:
        return exchange("127.0.0.1", self.port, b"PING\r\n").startswith(b"+PONG")
