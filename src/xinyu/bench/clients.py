"""The clients of a scenario: connections of the compiled load generator to one WebSocket server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xinyu._fast import histogram, load
from xinyu.bench.drive import DriveOptions, Driver, prepare
from xinyu.bench.error import BenchError, require
from xinyu.bench.target import Target, resolve

MAX_CONNECTIONS: Final = 1 << 20
MAX_PAYLOAD_BYTES: Final = 16 * 1024 * 1024
MAX_DEPTH: Final = 65_536
MAX_STAMPS: Final = 1 << 26  # messages in flight over all connections; 8 bytes each
_SOURCE_ADDRESSES: Final = 250  # 127.0.0.2 to 127.0.0.251, 28,000 ports each


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions(DriveOptions):
    """What every scenario of a WebSocket server lets one choose. `at_once`: handshakes under way at a time;
    `connect_per_s`: 0 = no limit."""

    url: str
    headers: tuple[str, ...] = ()
    subprotocol: str | None = None
    tokens_file: Path | None = None
    at_once: int = 64
    connect_per_s: float = 0.0


class Clients(Driver):
    """Up to `connections` clients. As a context manager it closes them at the end.

    BenchError: numbers out of range, an unknown host, too few descriptors.
    """

    def __init__(
        self,
        options: ClientOptions,
        *,
        connections: int,
        spare: int = 0,
        depth: int = 1,
        payload: bytes = b"",
        is_text: bool = True,
    ) -> None:
        require(1 <= connections <= MAX_CONNECTIONS, f"connections must lie between 1 and {MAX_CONNECTIONS}")
        require(1 <= depth <= MAX_DEPTH, f"the depth must lie between 1 and {MAX_DEPTH}")
        require((connections + spare) * depth <= MAX_STAMPS, f"no more than {MAX_STAMPS} messages may be in flight")
        require(len(payload) <= MAX_PAYLOAD_BYTES, f"a message has at most {MAX_PAYLOAD_BYTES} bytes")
        require(1 <= options.at_once <= 65_536, "handshakes at once must lie between 1 and 65536")
        require(0 <= options.connect_per_s < 1e9, "a rate is not negative and below 1e9")
        self._options = options
        self.target: Target = resolve(
            options.url,
            headers=options.headers,
            subprotocol=options.subprotocol,
            tokens=_read_tokens(options.tokens_file),
        )
        prepare(options, connections + spare)
        self.latency = histogram.Histogram()
        self.handshake = histogram.Histogram()
        self._load = load.Load(
            self.target.family,
            self.target.host,
            self.target.port,
            self.target.requests,
            self.target.accept_key,
            self.latency,
            self.handshake,
            clients=connections + spare,
            depth=depth,
            payload=payload,
            is_text=is_text,
            mask=os.urandom(4),
            at_once=options.at_once,
            sources=_SOURCE_ADDRESSES if self.target.is_loopback else 0,
            handshake_timeout_s=options.patience_s,
        )
        super().__init__(options, self.target.url, self._load)

    @property
    def load(self) -> load.Load:
        return self._load

    def open_to(self, count: int) -> None:
        """Returns when `count` connections are open. BenchError: the first failure or loss, or no advance."""
        self._load.open_to(count, self._options.connect_per_s)
        self.until("connecting", lambda stats: stats["open"] + stats["lost"] >= count, lambda stats: stats["opened"])
        if self._load.stats()["open"] < count:
            raise BenchError(f"{self.target.url}: {self._load.failure()}")

    def _require_health(self, stats: dict[str, int]) -> None:
        if stats["failed"]:
            raise BenchError(f"{self.target.url}: {self._load.failure()}")
        if stats["lost"] and not stats["open"] and not stats["connecting"]:
            raise BenchError(f"{self.target.url}: all connections are lost; the first: {self._load.failure()}")

    def _progress(self, now: dict[str, int], before: dict[str, int], elapsed_s: float) -> str:
        return (
            f"{now['open']:,} open, {(now['opened'] - before['opened']) / elapsed_s:,.0f} handshakes/s, "
            f"{(now['received'] - before['received']) / elapsed_s:,.0f} messages/s, {now['lost']:,} lost"
        )


def _read_tokens(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        tokens = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeError) as error:
        raise BenchError(f"the tokens in {path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    require(bool(tokens), f"{path} has no tokens")
    return tokens
