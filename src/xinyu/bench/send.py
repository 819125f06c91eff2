"""Messages from user to user: sent over a WebSocket, stored, acknowledged, pushed to each member of the talk.

Test users (see `accounts`) sit in pairs or groups; of each the first `senders` send, with `in_flight` messages on
their way each. Without a rate a message that is done (acknowledged, and at every member) starts the next. With a rate,
messages are sent when they are due, and their times count from that moment: a pause of the server shows in every
message that it held up. Each message is sent once, with an id of its own; a refused one is counted and not repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xinyu.bench.accounts import MAX_USERS, Accounts
from xinyu.bench.drive import DriveOptions, Reading, prepare
from xinyu.bench.error import require
from xinyu.bench.exchange import MAX_IN_FLIGHT, MAX_TEXT_BYTES, Exchange
from xinyu.bench.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """`members`: of a group; None = pairs of friends. `senders`: of each talk. `in_flight`: messages a sender. `per_s`:
    over all, 0 = as fast as they are done. `messages`: so many in all, instead of `seconds` after `warmup_s`."""

    users: int = 100
    members: int | None = None
    senders: int = 1
    in_flight: int = 1
    seconds: float = 10.0
    warmup_s: float = 1.0
    size_bytes: int = 32
    per_s: float = 0.0
    messages: int | None = None
    accounts_file: Path | None = None


def run(drive: DriveOptions, http_url: str, send: SendOptions) -> Report:
    """BenchError: see Accounts and Exchange."""
    members = send.members or 2
    require(send.members is None or send.members >= 2, "a group has at least two members")
    require(members <= send.users <= MAX_USERS, f"users must lie between {members} and {MAX_USERS}")
    require(1 <= send.senders <= members, f"senders must lie between 1 and the {members} members of a talk")
    require(1 <= send.in_flight <= MAX_IN_FLIGHT, f"a sender has 1 to {MAX_IN_FLIGHT} messages in flight")
    require(1 <= send.size_bytes <= MAX_TEXT_BYTES, f"a text has 1 to {MAX_TEXT_BYTES} bytes")
    require(0 < send.seconds <= 86_400, "seconds must lie above 0 and not above 86400")
    require(0 <= send.warmup_s <= 3600, "the warm-up must lie between 0 and 3600 s")
    require(0 <= send.per_s < 1e9, "a rate is not negative and below 1e9")
    require(send.messages is None or 1 <= send.messages < 1 << 32, "the number of messages must be positive")
    prepare(drive, send.users)
    accounts = Accounts(http_url, send.accounts_file, drive.progress)
    websocket_url, talks = accounts.talks(send.users, members, is_group=send.members is not None)
    text = (b"0123456789abcdefghijklmnopqrstuvwxyz" * (send.size_bytes // 36 + 1))[: send.size_bytes]
    with Exchange(
        drive, websocket_url, talks, senders=send.senders, in_flight=send.in_flight, text=text
    ) as exchange:
        begin, end = _send(exchange, send)
        acknowledged, arrived = exchange.acknowledged.copy(), exchange.arrived.copy()
        exchange.finish()

        elapsed_s = end.time_s - begin.time_s
        count = end.stats["acknowledged"] - begin.stats["acknowledged"]
        report = Report("send", http_url, latencies={"acknowledged": acknowledged, "at a recipient": arrived})
        report.add("users", "users connected", send.users)
        report.add("members", "members a talk", members)
        report.add("senders", "senders", send.senders * len(talks))
        report.add("in_flight", "messages in flight a sender", send.in_flight)
        report.add("size_bytes", "bytes a text", send.size_bytes)
        report.add("seconds", "measured for, s", elapsed_s, 1)
        report.add("messages", "messages measured", count)
        report.add("acknowledged_per_s", "acknowledged (stored) a second", count / elapsed_s)
        arrivals = end.stats["arrived"] - begin.stats["arrived"]
        report.add("arrivals_per_s", "arrivals at members a second", arrivals / elapsed_s)
        if send.per_s:
            report.add("asked_per_s", "messages a second asked for", send.per_s)
            if count / elapsed_s < 0.99 * send.per_s:
                report.warnings.append("the rate that was asked for was not reached")
        if count:
            used_s = end.client_cpu_s - begin.client_cpu_s
            report.add("client_cpu_us_per_message", "client's CPU a message, us", 1e6 * used_s / count, 2)
        exchange.describe_use(report, begin, end, count, "message")
        exchange.describe_account(report)
        exchange.describe_losses(report)
        return report


def _send(exchange: Exchange, send: SendOptions) -> tuple[Reading, Reading]:
    """Readings at the beginning and the end of what is measured."""
    if send.messages is None:
        exchange.load.start(send.per_s)
        exchange.run("warming up", send.warmup_s)
        exchange.acknowledged.reset()
        exchange.arrived.reset()
        begin = exchange.read()
        exchange.run("send", send.seconds)
        return begin, exchange.read()
    begin = exchange.read()
    exchange.load.start(send.per_s, send.messages)
    exchange.wait_for(send.messages)
    return begin, exchange.read()
