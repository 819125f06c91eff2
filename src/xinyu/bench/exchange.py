"""Users who send each other messages over a XinYu server's WebSockets (`xinyu.v1.json`), and the account of it.

Opening the connections is asyncio's; from then on each belongs to the compiled `send_load.SendLoad`, which sends, reads
and checks. An account is complete only after `finish`: what was acknowledged and has not arrived by then is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from xinyu._fast import histogram, send_load
from xinyu.bench.drive import DriveOptions, Driver
from xinyu.bench.error import BenchError, require
from xinyu.bench.report import Report
from xinyu.bench.target import Target, resolve

SUBPROTOCOL: Final = "xinyu.v1.json"
MAX_TEXT_BYTES: Final = 65_536
MAX_IN_FLIGHT: Final = 4096
_MAX_BYTES_IN_FLIGHT: Final = 1 << 26  # a sender
_OPENED_AT_ONCE: Final = 64
_MAX_HEAD_BYTES: Final = 16_384


@dataclass(frozen=True, slots=True)
class Member:
    """to_from_id: the talk as this member writes it (the other's user id, or the group's id)."""

    token: str
    to_from_id: int


@dataclass(frozen=True, slots=True)
class Talk:
    """talk_mode: 1 two people, 2 a group. No two talks share a member."""

    talk_mode: int
    members: Sequence[Member]


class Exchange(Driver):
    """All members of the talks, connected; call `drive.prepare` before. `acknowledged`, `arrived`: ns, see SendLoad.

    BenchError: numbers out of range, or the server does not take a connection.
    """

    def __init__(
        self,
        options: DriveOptions,
        websocket_url: str,
        talks: Sequence[Talk],
        *,
        senders: int = 1,
        in_flight: int = 1,
        text: bytes,
        further_urls: Sequence[str] = (),
    ) -> None:
        """`senders`: of each talk. `further_urls`: other doors of the same server; the members of a talk take the doors
        in turn, the next talk's from the next door on."""
        require(1 <= in_flight <= MAX_IN_FLIGHT, f"a sender has 1 to {MAX_IN_FLIGHT} messages in flight")
        require(1 <= len(text) <= MAX_TEXT_BYTES, f"a text has 1 to {MAX_TEXT_BYTES} bytes")
        require(in_flight * len(text) <= _MAX_BYTES_IN_FLIGHT, "that are too many bytes in flight")
        require(all(1 <= senders <= len(talk.members) for talk in talks), "a talk has 1 sender up to all its members")
        members = [member for talk in talks for member in talk.members]
        require(bool(members), "nobody is there to send")
        self.acknowledged, self.arrived = histogram.Histogram(), histogram.Histogram()
        self._is_stalled = False
        run = secrets.token_hex(4)
        self.load = send_load.SendLoad(
            self.acknowledged,
            self.arrived,
            connections=len(members),
            run=run.encode(),
            text=text,
            in_flight=in_flight,
            mask=os.urandom(4),
        )
        targets = [
            resolve(
                f"{url}?device_id=bench-{run}&platform=pc",
                subprotocol=SUBPROTOCOL,
                tokens=[member.token for member in members],
            )
            for url in (websocket_url, *further_urls)
        ]
        doors = [
            targets[(turn + place) % len(targets)]
            for turn, talk in enumerate(talks)
            for place in range(len(talk.members))
        ]
        handshakes = [(door, door.requests[number]) for number, door in enumerate(doors)]
        opened = iter(asyncio.run(_open_all(handshakes, options.patience_s)))
        for talk in talks:
            connections = [next(opened) for _ in talk.members]
            self.load.add_talk(
                talk.talk_mode,
                [
                    (sock.detach(), received, member.to_from_id)
                    for (sock, received), member in zip(connections, talk.members, strict=True)
                ],
                senders,
            )
        super().__init__(options, websocket_url, self.load)
        try:
            self.until(
                "greetings", lambda stats: stats["ready"] == len(members), lambda stats: stats["ready"] + stats["lost"]
            )
        except BaseException:
            self.load.close()
            raise

    def wait_for(self, messages: int) -> None:
        """Until so many messages are done or refused, but no longer than nothing moves for `patience_s`."""
        self._wait("send", lambda stats: stats["received"] + stats["refused"] >= messages, received=messages)

    def finish(self) -> None:
        """Sends no more, and waits for what is on its way as `wait_for` does; what is missing then is lost."""
        self.load.stop()
        with contextlib.suppress(BenchError):  # all connections gone: the account says what is missing
            self._wait("the last messages", lambda stats: stats["in_flight"] == 0)

    def _wait(self, phase: str, done: Callable[[dict[str, int]], bool], *, received: int = 0) -> None:
        if not self._is_stalled:
            self._is_stalled = not self.settle(
                phase,
                done,
                lambda stats: stats["acknowledged"] + stats["refused"] + stats["arrived"],
                received=received,
            )

    def describe_account(self, report: Report) -> None:
        """Adds what became of all messages. Whatever the server promised and did not do is a problem."""
        stats = self.stats
        missing, arrivals, unanswered = self.load.missing()
        report.add("sent", "sent in all", stats["sent"])
        report.add("acknowledged", "acknowledged in all", stats["acknowledged"])
        report.add("arrived", "arrivals at members in all", stats["arrived"])
        report.add("refused", "refused", stats["refused"])
        for reason, count in sorted(self.load.refusals().items()):
            report.add(f"refused_{reason}", f"refused: {reason}", count)
        for key, label, count, problem in (
            ("lost_messages", "acknowledged, but lost", missing, f"are lost: {arrivals} arrivals are missing"),
            ("doubled", "arrived twice", stats["doubled"], "arrived more than once at a member"),
            ("reordered", "arrived out of order", stats["reordered"], "arrived after one of a higher sequence"),
            ("misdelivered", "arrived elsewhere", stats["misdelivered"], "arrived at somebody who is not a member"),
            ("unanswered", "never answered", unanswered, "were neither acknowledged nor refused"),
        ):
            report.add(key, label, count)
            if count:
                report.problems.append(f"{count} messages {problem}")
        if stats["sync_required"]:
            report.problems.append(
                f"{stats['sync_required']} times a connection was told to sync: pushes were dropped for it"
            )
        if "too_many" in self.load.refusals():
            report.warnings.append(
                "the server refused sends as too_many, and the senders waited as long as it said: it lets a user send "
                "limits.sends_per_s a second (100 by default); take more --users, or raise its limit"
            )
        if stats["sent"] and not stats["acknowledged"]:
            report.problems.append("not one message was acknowledged")

    def _require_health(self, stats: dict[str, int]) -> None:
        if stats["lost"] and not stats["open"]:
            raise BenchError(f"{self.url}: all connections are lost; the first: {self.load.failure()}")

    def _progress(self, now: dict[str, int], before: dict[str, int], elapsed_s: float) -> str:
        return (
            f"{(now['acknowledged'] - before['acknowledged']) / elapsed_s:,.0f} acknowledged/s, "
            f"{(now['arrived'] - before['arrived']) / elapsed_s:,.0f} arrivals/s, {now['in_flight']:,} in flight, "
            f"{now['refused']:,} refused, {now['paused']:,} told to wait, {now['lost']:,} connections lost"
        )


async def _open_all(
    handshakes: Sequence[tuple[Target, bytes]], timeout_s: float
) -> list[tuple[socket.socket, bytes]]:
    """A connection for each request, to its target, with what came after its answer's head."""
    gate = asyncio.Semaphore(_OPENED_AT_ONCE)

    async def open_one(target: Target, request: bytes) -> tuple[socket.socket, bytes]:
        async with gate:
            sock = socket.socket(target.family, socket.SOCK_STREAM)
            try:
                async with asyncio.timeout(timeout_s):
                    return sock, await _upgrade(sock, target, request)
            except TimeoutError:
                sock.close()
                raise BenchError(f"{target.url}: the upgrade was not answered within {timeout_s:g} s") from None
            except OSError as error:
                sock.close()
                raise BenchError(f"{target.url}: {error.strerror or error}") from None
            except BaseException:
                sock.close()
                raise

    tasks = [asyncio.ensure_future(open_one(target, request)) for target, request in handshakes]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, tuple):
                ended[0].close()
        raise


async def _upgrade(sock: socket.socket, target: Target, request: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await loop.sock_connect(sock, (target.host, target.port))
    await loop.sock_sendall(sock, request)
    received = b""
    while b"\r\n\r\n" not in received:
        more = await loop.sock_recv(sock, 4096)
        if not more or len(received) > _MAX_HEAD_BYTES:
            raise BenchError(f"{target.url}: the connection ended instead of an answer to the upgrade")
        received += more
    head, _, rest = received.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if status == [b"401"]:
        raise BenchError(f"{target.url}: the server does not know this account (401): is the accounts file of another?")
    if status != [b"101"]:
        text = status[0].decode("ascii", "replace") if status else "unreadable"
        raise BenchError(f"{target.url}: the upgrade was refused with HTTP status {text}")
    if target.accept_key not in head:
        raise BenchError(f"{target.url}: status 101 without the right Sec-WebSocket-Accept")
    return rest
