"""The queue of messages on their way to the server. No I/O, no clock: the caller says what time it is.

Each send gets its msg_id once, when it is queued, and keeps it through every retry, reconnect and restart: the server
stores a msg_id once and answers a repeat with what it stored, so that repeating is always safe. A send leaves the
queue only when it is stored or refused for good.

Order: of one talk only the oldest send is ever on the wire, so a retry cannot be overtaken by a later message of that
talk; different talks go side by side. Failures: a lost connection or answer and a retryable refusal (429, 5xx) put the
send back, the latter two not before their time; any other refusal is final. Bounded: `limit` sends, then SendQueueFull
for the caller, nothing dropped silently.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from random import Random
from typing import Any, Final

import msgspec

from xinyu.client.backoff import Backoff
from xinyu.client.errors import ApiError, ClientError, SendQueueFull

SNAPSHOT_FORMAT: Final = 1


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """What `im.message.send` takes: `type` names the kind ("text", ...), `body` its fields (contract: http-api)."""

    msg_id: str
    talk_mode: int
    to_from_id: int
    type: str
    body: dict[str, Any]
    quote_id: str = ""


class _Stored(msgspec.Struct):
    format: int
    sends: list[Send]


class _Entry:
    __slots__ = ("attempted", "backoff", "in_flight", "not_before_ms", "send")

    def __init__(self, send: Send, backoff: Backoff) -> None:
        self.send = send
        self.backoff = backoff
        self.attempted = False
        self.in_flight = False
        self.not_before_ms = 0


def new_msg_id() -> str:
    """32 hex digits that nobody else makes."""
    return secrets.token_hex(16)


class Outgoing:
    """Sends in the order they were queued, by talk."""

    def __init__(self, *, limit: int = 1000, random: Random | None = None) -> None:
        self._limit = limit
        self._random = random
        self._entries: dict[str, _Entry] = {}  # by msg_id, in the order of queueing
        self._talks: dict[tuple[int, int], dict[str, None]] = {}  # msg_ids of each talk, oldest first

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, msg_id: object) -> bool:
        return msg_id in self._entries

    def __iter__(self) -> Iterator[Send]:
        """What is queued, oldest first."""
        return iter([entry.send for entry in self._entries.values()])

    def put(self, send: Send) -> None:
        """Queue a send. Queueing one that is queued already changes nothing; ValueError when the same msg_id stands
        for something else; SendQueueFull when there is no room."""
        known = self._entries.get(send.msg_id)
        if known is not None:
            if known.send != send:
                raise ValueError(f"msg_id {send.msg_id} is queued for another message")
            return
        if len(self._entries) >= self._limit:
            raise SendQueueFull(f"{self._limit} messages wait to be sent already")
        backoff = Backoff(base_ms=250, cap_ms=15_000, random=self._random)
        self._entries[send.msg_id] = _Entry(send, backoff)
        self._talks.setdefault((send.talk_mode, send.to_from_id), {})[send.msg_id] = None

    def take_due(self, now_ms: int) -> list[Send]:
        """What is to be put on the wire now; each counts as in flight until one of the four methods below."""
        due = []
        for msg_ids in self._talks.values():
            entry = self._entries[next(iter(msg_ids))]
            if not entry.in_flight and entry.not_before_ms <= now_ms:
                entry.attempted = entry.in_flight = True
                due.append(entry.send)
        return due

    def next_due_ms(self) -> int | None:
        """The earliest time at which `take_due` has something; None when nothing waits for a time."""
        heads = [self._entries[next(iter(msg_ids))] for msg_ids in self._talks.values()]
        return min((entry.not_before_ms for entry in heads if not entry.in_flight), default=None)

    def stored(self, msg_id: str) -> None:
        """The server has answered with the stored record."""
        self._remove(msg_id)

    def refused(self, msg_id: str, error: ClientError, now_ms: int) -> bool:
        """The server refused, or no answer came. True = for good, the send is out of the queue; False = it will be
        repeated, not before the time that the server asked for plus a growing wait."""
        entry = self._entries.get(msg_id)
        if entry is None:
            return False
        if isinstance(error, ApiError) and not error.is_retryable and error.status != 401:
            self._remove(msg_id)
            return True
        entry.in_flight = False
        at_least_ms = (error.retry_after_ms or 0) if isinstance(error, ApiError) else 0
        entry.not_before_ms = now_ms + entry.backoff.next_ms(at_least_ms)
        return False

    def disconnected(self) -> None:
        """What was in flight is to be sent again as soon as there is a connection."""
        for entry in self._entries.values():
            entry.in_flight = False
            entry.not_before_ms = 0

    def cancel(self, msg_id: str) -> bool:
        """Take a send out that was never put on the wire. False when it was (it may be stored) or is not queued."""
        entry = self._entries.get(msg_id)
        if entry is None or entry.attempted:
            return False
        self._remove(msg_id)
        return True

    def _remove(self, msg_id: str) -> None:
        entry = self._entries.pop(msg_id, None)
        if entry is None:
            return
        key = (entry.send.talk_mode, entry.send.to_from_id)
        del self._talks[key][msg_id]
        if not self._talks[key]:
            del self._talks[key]

    def snapshot(self) -> bytes:
        """The queue as one value, to be stored whole."""
        return msgspec.msgpack.encode(_Stored(format=SNAPSHOT_FORMAT, sends=list(self)))

    @classmethod
    def restore(cls, snapshot: bytes, *, limit: int = 1000, random: Random | None = None) -> Outgoing:
        """The queue that `snapshot` was taken from; ValueError when it is none (of this format)."""
        try:
            stored = msgspec.msgpack.decode(snapshot, type=_Stored)
        except msgspec.MsgspecError as error:
            raise ValueError(f"not a snapshot of outgoing messages: {error}") from None
        if stored.format != SNAPSHOT_FORMAT:
            raise ValueError(f"a snapshot of format {stored.format}, this version reads {SNAPSHOT_FORMAT}")
        outgoing = cls(limit=max(limit, len(stored.sends)), random=random)
        for send in stored.sends:
            outgoing.put(send)
        return outgoing
