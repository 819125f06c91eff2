"""What the message room's outbox events mean, and whom they reach.

| kind | values                                   | told as                                                          |
|------|------------------------------------------|------------------------------------------------------------------|
| m    | talk, sequence, change                   | im.message (+ legacy im.session.update) to who may see it        |
| c    | talk, change, sequence                   | talk.changed / legacy im.message.revoke; others: the number alone |
| r    | talk, change, users, profile changed     | talk.changed with members and profile                            |
| o    | talk, user, own, hidden, digest moved    | talk.own to the user's devices (+ legacy im.session.update)      |
| s    | talk, mode, seeds                        | command: the talk room makes session rows                        |

Recipients are the members in whose window the message lies, read at the event's `change` or later: rosters are cached
with the change that they were read at, and an event that names a higher one reads anew. A message reaches those too who
left right after it; its later changes do not (they learn them by the next sync).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import Connection

from xinyu.delivery.dispatcher import LEGACY, V1_JSON, Push
from xinyu.delivery.outbox import Event
from xinyu.storage.database import Database
from xinyu.wire.v1 import talk_pb2
from xinyu.wire.v1.talk_rpc import TalkStub
from xinyu_services.directory import NOBODY, Directory, Name
from xinyu_services.message.model import Member, MemberState, StoredMessage, Talk, TalkKey, TalkMode
from xinyu_services.message.service import Head, MessageService
from xinyu_services.message.store import MessageStore
from xinyu_services.message.view import MessageView, profile_of

# Members of all cached rosters together.
MAX_CACHED_MEMBERS: Final = 500_000


@dataclass(frozen=True, slots=True)
class _Roster:
    """Members that are in, with the sequence that each joined at, as of `change`; and those that left, with their
    windows: a message may be told after its reader left."""

    change: int
    users: tuple[int, ...]
    joined: Mapping[int, int]
    last_joined: int
    left: Mapping[int, tuple[int, int]]
    last_left: int

    @classmethod
    def of(cls, change: int, rows: Sequence[Member]) -> _Roster:
        inside = {m.user_id: m.joined_sequence for m in rows if m.state == MemberState.IN}
        left = {
            m.user_id: (m.joined_sequence, m.left_sequence)
            for m in rows
            if m.left_sequence is not None and m.joined_sequence <= m.left_sequence
        }
        return cls(
            change,
            tuple(inside),
            inside,
            max(inside.values(), default=0),
            left,
            max((window[1] for window in left.values()), default=0),
        )

    @property
    def size(self) -> int:
        return len(self.users) + len(self.left)

    def seeing(self, sequence: int) -> Sequence[int]:
        """Members in whose window `sequence` lies."""
        if sequence >= self.last_joined:
            return self.users
        return [user for user in self.users if self.joined[user] <= sequence]

    def gone(self, sequence: int) -> Sequence[int]:
        """Former members in whose window it lies."""
        if sequence > self.last_left:
            return ()
        return [user for user, (joined, left) in self.left.items() if joined <= sequence <= left]


class MessageEvents:
    """`xinyu.delivery.dispatcher.EventSource` of this room. `service` is set by the composition root (the service needs
    the dispatcher, the dispatcher this)."""

    def __init__(
        self, database: Database, store: MessageStore, view: MessageView, directory: Directory, talks: TalkStub
    ) -> None:
        self._database = database
        self._store = store
        self._view = view
        self._directory = directory
        self._talks = talks
        self._rosters: dict[int, _Roster] = {}
        self._cached_members = 0
        self.heads: Callable[[Connection, int, Sequence[int]], list[Head]] | None = None

    def attach(self, service: MessageService) -> None:
        self.heads = service.heads

    def is_command(self, event: Event) -> bool:
        return event.kind == "s"

    async def command(self, event: Event) -> None:
        talk_id, mode, seeds = event.values
        await self._talks.ensure_sessions(
            talk_pb2.EnsureSessionsRequest(
                talk_id=talk_id,
                talk_mode=mode,
                sessions=[
                    talk_pb2.SessionSeed(user_id=u, to_from_id=t, revision=r, hidden_sequence=h) for u, t, r, h in seeds
                ],
            )
        )

    # ---------------------------------------------------------------- pushes

    async def pushes(self, events: Sequence[Event], *, remade: bool) -> Sequence[Push]:
        known = await self._know(events)
        names = await self._directory.users(
            {message.sender_id for message in known.messages.values() if message.sender_id}
        )
        groups = await self._directory.groups(
            {
                known.talks[e.values[0]].key.low
                for e in events
                if e.kind == "r" and e.values[3] and e.values[0] in known.talks
            },
            required=True,  # a profile is told once: without its name nothing is told, and devices ask
        )
        pushes: list[Push] = []
        for event in events:
            if event.kind == "m":
                self._message(event, known, names, pushes)
            elif event.kind == "c":
                self._change(event, known, names, pushes)
            elif event.kind == "r":
                self._roster(event, known, groups, pushes)
            elif event.kind == "o":
                self._own(event, known, pushes)
        return pushes

    def _message(self, event: Event, known: _Known, names: Mapping[int, Name], pushes: list[Push]) -> None:
        talk_id, sequence, _ = event.values
        message, key = known.messages.get((talk_id, sequence)), known.keys.get(talk_id)
        if message is None or key is None or message.expired:
            return  # void by now: not pushed
        sender = names.get(message.sender_id, NOBODY)
        roster, view = known.rosters[talk_id], self._view
        users = [*roster.seeing(sequence), *roster.gone(sequence)]
        # The reference client throws at a text without content: it hears of a recalled one by its list entry.
        codecs = V1_JSON if message.recalled_by else LEGACY | V1_JSON
        pushes.append(
            Push(
                users,
                lambda codec: view.im_message(key, message, sender, codec),
                codecs,
                # They hear of it after the message, whether they are told that or not.
                legacy_also=partial(self._session_updates, key, message),
            )
        )

    def _session_updates(self, key: TalkKey, message: StoredMessage, users: Sequence[int]) -> list[Push]:
        ackid = f"u-{message.talk_id}-{message.sequence}"
        alike = [users] if key.mode == TalkMode.GROUP else [[user] for user in users]
        return [
            Push(viewers, partial(self._session_update, key, viewers[0], message, ackid), LEGACY) for viewers in alike
        ]

    def _session_update(self, key: TalkKey, viewer_id: int, message: StoredMessage, ackid: str, _codec: int) -> bytes:
        return self._view.session_update(key, viewer_id, message.sender_id, message.digest, message.sent_at_ms, ackid)

    def _change(self, event: Event, known: _Known, names: Mapping[int, Name], pushes: list[Push]) -> None:
        talk_id, change, sequence = event.values
        key, roster = known.keys.get(talk_id), known.rosters.get(talk_id)
        if key is None or roster is None:
            return
        message, view = known.messages.get((talk_id, sequence)), self._view
        seeing = roster.seeing(sequence)
        others = [user for user in roster.users if user not in set(seeing)] if len(seeing) < len(roster.users) else []
        if message is None or message.expired:
            pushes.append(Push(seeing, lambda _: view.talk_changed(talk_id, change, voids=[sequence]), V1_JSON))
        else:
            sender = names.get(message.sender_id, NOBODY)
            pushes.append(
                Push(
                    seeing,
                    lambda codec: view.talk_changed(talk_id, change, records=[view.record(message, sender, codec)]),
                    V1_JSON,
                )
            )
            if message.recalled_by:
                digest = event.fresh[2] if event.fresh is not None else known.talks[talk_id].last_digest
                pushes.append(Push(seeing, lambda _: view.revoked(key, message, change, digest), LEGACY))
        if others:
            pushes.append(Push(others, lambda _: view.talk_changed(talk_id, change), V1_JSON))

    def _roster(self, event: Event, known: _Known, groups: Mapping[int, Name], pushes: list[Push]) -> None:
        talk_id, change, users, profile_changed = event.values
        roster, talk = known.rosters.get(talk_id), known.talks.get(talk_id)
        if roster is None or talk is None:
            return
        members = [known.members[talk_id, user] for user in users if (talk_id, user) in known.members]
        profile = profile_of(talk, groups.get(talk.key.low, NOBODY)) if profile_changed else None
        view = self._view
        recipients = [*roster.users, *(user for user in users if user not in roster.joined)]
        pushes.append(
            Push(recipients, lambda _: view.talk_changed(talk_id, change, members=members, profile=profile), V1_JSON)
        )

    def _own(self, event: Event, known: _Known, pushes: list[Push]) -> None:
        talk_id, user_id, own, hidden, _ = event.values
        found = known.own.get((talk_id, user_id, own))
        if found is None:
            return
        talk, member, head = found
        view = self._view
        if member.own == own:
            pushes.append(Push([user_id], lambda _: view.talk_own(talk, member, hidden), V1_JSON))
        if head is not None:
            sender_id = head.last.sender_id if head.last is not None else talk.last_sender_id
            pushes.append(
                Push(
                    [user_id],
                    lambda _: view.session_update(
                        talk.key,
                        user_id,
                        sender_id,
                        head.digest,
                        head.last_at_ms or talk.last_at_ms,
                        f"o-{talk_id}-{own}",
                    ),
                    LEGACY,
                )
            )

    # ---------------------------------------------------------------- what pushes need to know

    async def _know(self, events: Sequence[Event]) -> _Known:
        known = _Known({}, {}, {}, {}, {}, {})
        messages: list[tuple[int, int]] = []
        talks: set[int] = set()
        stale_rosters: set[int] = set()
        members: set[tuple[int, int]] = set()
        owns: list[Event] = []
        for event in events:
            talk_id = event.values[0]
            if event.kind in ("m", "c"):
                sequence, change = (event.values[1], event.values[2]) if event.kind == "m" else (
                    event.values[2], event.values[1])  # fmt: skip
                if event.fresh is None:
                    messages.append((talk_id, sequence))
                    talks.add(talk_id)
                else:
                    known.keys[talk_id] = event.fresh[0]
                    known.messages[talk_id, sequence] = event.fresh[1]
            elif event.kind == "r":
                change = event.values[1]
                talks.add(talk_id)
                members.update((talk_id, user) for user in event.values[2])
            else:
                owns.append(event)
                continue
            roster = self._rosters.get(talk_id)
            if roster is None or roster.change < change:
                stale_rosters.add(talk_id)
            else:
                known.rosters[talk_id] = roster
        if messages or talks or stale_rosters or members or owns:
            await self._database.read(
                lambda connection: self._load(connection, known, messages, talks, stale_rosters, members, owns)
            )
        return known

    def _load(
        self,
        connection: Connection,
        known: _Known,
        messages: Sequence[tuple[int, int]],
        talks: set[int],
        stale_rosters: set[int],
        members: set[tuple[int, int]],
        owns: Sequence[Event],
    ) -> None:
        """One snapshot, at or after every event's transaction."""
        store = self._store
        if messages:
            # Later facts win over what a transaction knew: a remade event tells the message as it is now.
            known.messages.update(store.load_messages(connection, messages))
        wanted = talks | stale_rosters | {e.values[0] for e in owns if e.fresh is None}
        if wanted:
            known.talks = store.load_talks(connection, wanted)
            known.keys.update((talk_id, talk.key) for talk_id, talk in known.talks.items())
        for talk_id in stale_rosters:
            talk = known.talks.get(talk_id)
            rows = store.load_roster(connection, talk_id) if talk is not None else []
            known.rosters[talk_id] = self._cache(talk_id, _Roster.of(talk.last_change if talk else -1, rows))
        if members:
            known.members = store.load_members(connection, members)
        if owns:
            self._load_own(connection, known, owns)

    def _load_own(self, connection: Connection, known: _Known, owns: Sequence[Event]) -> None:
        rows = self._store.load_members(connection, {(e.values[0], e.values[1]) for e in owns if e.fresh is None})
        for event in owns:
            talk_id, user_id, own, _, digest_moved = event.values
            if event.fresh is not None:
                talk, member = event.fresh
            else:
                if talk_id not in known.talks or (talk_id, user_id) not in rows:
                    continue
                talk, member = known.talks[talk_id], rows[talk_id, user_id]
            head = None
            if digest_moved and self.heads is not None:
                head = next(iter(self.heads(connection, user_id, [talk_id])), None)
            known.own[talk_id, user_id, own] = (talk, member, head)

    def _cache(self, talk_id: int, roster: _Roster) -> _Roster:
        old = self._rosters.pop(talk_id, None)
        self._cached_members += roster.size - (old.size if old else 0)
        self._rosters[talk_id] = roster
        while self._cached_members > MAX_CACHED_MEMBERS and len(self._rosters) > 1:
            first = next(iter(self._rosters))
            self._cached_members -= self._rosters.pop(first).size
        return roster


@dataclass(slots=True)
class _Known:
    """What one turn's events are told from."""

    messages: dict[tuple[int, int], StoredMessage]
    keys: dict[int, TalkKey]
    talks: dict[int, Talk]
    rosters: dict[int, _Roster]
    members: dict[tuple[int, int], Member]
    own: dict[tuple[int, int, int], tuple[Talk, Member, Head | None]]
