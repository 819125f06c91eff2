"""What the message room's outbox events mean, and whom they reach.

| kind | values                                   | told as                                                          |
|------|------------------------------------------|------------------------------------------------------------------|
| m    | talk, sequence, roster change            | im.message (+ legacy im.session.update) to who may see it        |
| c    | talk, change, sequence                   | talk.changed / legacy im.message.revoke; others: the number alone |
| e    | talk, change, sequence                   | talk.changed / legacy im.message.update (+ im.session.update)     |
| x    | talk, change, sequence, user, emoji, set | talk.changed with the reaction                                    |
| p    | talk, change, sequence                   | talk.changed of a pin                                             |
| r    | talk, change, users, profile changed     | talk.changed with members and profile, a pair's to each its own  |
| w    | talk, change, pair, reads                | talk.changed: to each of a pair how far the other has read       |
| v    | talk, change, sequences                  | talk.changed: these messages have disappeared                    |
| o    | talk, user, own, hidden, digest moved    | talk.own to the user's devices (+ legacy im.session.update)      |
| t    | talk, user, waiting, failed, revision    | command: the talk room counts what is to be sent later           |
| s    | talk, mode, seeds                        | command: the talk room makes session rows, webhooks begin        |
| h    | talk                                     | command: bots' webhooks have something to tell                   |

Recipients are the members in whose window the message lies, read at the event's `change` or later: rosters are cached
with the change that they were read at, and an event that names a higher one reads anew. A message reaches those too who
left right after it; its later changes do not (they learn them by the next sync).

Groups with more than `by_talk_above` members have no roster here: their pushes name the talk and who of it is meant,
and the gateways know the members. What costs something by member stays out of them: a change of more than ROSTER_TOLD
members is told to each of these by the part of the list that he is in, and to all as its number alone, which makes
devices ask for the roster anew.

Whatever tells of a message notes its talk for the search index, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from sqlalchemy import Connection

from xinyu.delivery.dispatcher import LEGACY, V1_JSON, Members, Push
from xinyu.delivery.outbox import Event
from xinyu.storage.database import Database
from xinyu.wire.v1 import gateway_pb2, talk_pb2
from xinyu.wire.v1.talk_rpc import TalkStub
from xinyu_services.directory import NOBODY, Directory, Name
from xinyu_services.message.model import Member, MemberState, StoredMessage, Talk, TalkFacts, TalkKey, TalkMode
from xinyu_services.message.search_index import SearchIndex
from xinyu_services.message.service import Head, MessageService
from xinyu_services.message.store import MessageStore
from xinyu_services.message.view import MessageView, profile_of
from xinyu_services.message.webhooks import Webhooks

# Members of all cached rosters together.
MAX_CACHED_MEMBERS: Final = 500_000
# Rows of members in one push of a large group.
ROSTER_TOLD: Final = 200
# Kinds that tell what became of a message.
CHANGES: Final = ("c", "e", "x", "p")

MEMBERS: Final = gateway_pb2.AUDIENCE_MEMBERS
READERS: Final = gateway_pb2.AUDIENCE_READERS
SEEING: Final = gateway_pb2.AUDIENCE_SEEING
OTHERS: Final = gateway_pb2.AUDIENCE_OTHERS


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
        self,
        database: Database,
        store: MessageStore,
        view: MessageView,
        directory: Directory,
        talks: TalkStub,
        by_talk_above: int,
    ) -> None:
        self._database = database
        self._store = store
        self._view = view
        self._directory = directory
        self._talks = talks
        self._by_talk_above = by_talk_above
        self._rosters: dict[int, _Roster] = {}
        self._cached_members = 0
        self.heads: Callable[[Connection, int, Sequence[int]], list[Head]] | None = None
        self._index: SearchIndex | None = None
        self._webhooks: Webhooks | None = None

    def attach(self, service: MessageService, index: SearchIndex, webhooks: Webhooks) -> None:
        self.heads, self._index, self._webhooks = service.heads, index, webhooks

    def is_command(self, event: Event) -> bool:
        return event.kind in ("s", "t", "h")

    async def command(self, event: Event) -> None:
        if event.kind == "h":
            if self._webhooks is not None:
                await self._webhooks.note(event.values[0])
            return
        if event.kind == "t":
            talk_id, user_id, waiting, failed, revision = event.values
            await self._talks.count_scheduled(
                talk_pb2.CountScheduledRequest(
                    user_id=user_id, talk_id=talk_id, waiting=waiting, failed=failed, revision=revision
                )
            )
            return
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
        if self._webhooks is not None:
            await self._webhooks.begin_in(talk_id, [seed[0] for seed in seeds])

    # ---------------------------------------------------------------- pushes

    async def pushes(self, events: Sequence[Event], *, remade: bool) -> Sequence[Push]:
        if self._index is not None:
            for event in events:
                if event.kind == "m":
                    self._index.note(event.values[0])
        known = await self._know(events)
        names = await self._directory.users(
            {message.sender_id for message in known.messages.values() if message.sender_id}
        )
        profiles = {
            known.talks[e.values[0]].key
            for e in events
            if e.kind == "r" and e.values[3] and e.values[0] in known.talks
        }
        # A profile is told once: without its name nothing is told, and devices ask.
        groups = await self._directory.groups(
            {k.low for k in profiles if k.mode == TalkMode.GROUP},
            required=True,
            at_least={talk.key.low: talk.profile_revision for talk in known.talks.values()},
        )
        pairs = {user_id for k in profiles if k.mode == TalkMode.SINGLE for user_id in (k.low, k.high)}
        peers = await self._directory.users(pairs, required=True)
        pushes: list[Push] = []
        for event in events:
            if event.kind == "m":
                self._message(event, known, names, pushes)
            elif event.kind in CHANGES:
                self._change(event, known, names, pushes)
            elif event.kind == "r":
                self._roster(event, known, groups, peers, pushes)
            elif event.kind == "v":
                self._expired(event, known, pushes)
            elif event.kind == "w":
                self._receipt(event, pushes)
            elif event.kind == "o":
                self._own(event, known, pushes)
        return pushes

    def _message(self, event: Event, known: _Known, names: Mapping[int, Name], pushes: list[Push]) -> None:
        talk_id, sequence, _ = event.values
        message, key = known.messages.get((talk_id, sequence)), known.keys.get(talk_id)
        if message is None or key is None or message.expired:
            return  # void by now: not pushed
        sender = names.get(message.sender_id, NOBODY)
        view = self._view
        # The reference client throws at a text without content: it hears of a recalled one by its list entry.
        codecs = V1_JSON if message.recalled_by else LEGACY | V1_JSON
        if talk_id in known.large:
            readers = known.members_of(talk_id, READERS, sequence)
            pushes.append(Push((), lambda codec: view.im_message(key, message, sender, codec), codecs, members=readers))
            pushes += self._session_updates(key, message, (), readers)
            return
        roster = known.rosters[talk_id]
        users = [*roster.seeing(sequence), *roster.gone(sequence)]
        pushes.append(
            Push(
                users,
                lambda codec: view.im_message(key, message, sender, codec),
                codecs,
                # They hear of it after the message, whether they are told that or not.
                legacy_also=partial(self._session_updates, key, message),
            )
        )

    def _session_updates(
        self,
        key: TalkKey,
        message: StoredMessage,
        users: Sequence[int],
        members: Members | None = None,
        *,
        ackid: str = "",
    ) -> list[Push]:
        ackid = ackid or f"u-{message.talk_id}-{message.sequence}"
        if key.mode == TalkMode.GROUP:  # everybody calls it the same
            return [Push(users, partial(self._session_update, key, 0, message, ackid), LEGACY, members=members)]
        return [Push([user], partial(self._session_update, key, user, message, ackid), LEGACY) for user in users]

    def _session_update(self, key: TalkKey, viewer_id: int, message: StoredMessage, ackid: str, _codec: int) -> bytes:
        return self._view.session_update(key, viewer_id, message.sender_id, message.digest, message.sent_at_ms, ackid)

    def _change(self, event: Event, known: _Known, names: Mapping[int, Name], pushes: list[Push]) -> None:
        talk_id, change, sequence = event.values[:3]
        key, roster, is_large = known.keys.get(talk_id), known.rosters.get(talk_id), talk_id in known.large
        if key is None or (roster is None and not is_large):
            return
        message, view = known.messages.get((talk_id, sequence)), self._view
        seeing, others = partial(Push, ()), partial(Push, ())
        may_see: Sequence[int] = ()
        members = known.members_of(talk_id, SEEING, sequence) if is_large else None
        if is_large:
            seeing = partial(Push, (), members=members)
            others = partial(Push, (), members=known.members_of(talk_id, OTHERS, sequence))
        elif roster is not None:
            may_see = roster.seeing(sequence)
            seeing = partial(Push, may_see)
            may_not = set(roster.users).difference(may_see) if len(may_see) < len(roster.users) else ()
            others = partial(Push, tuple(may_not))
        if message is None or message.expired:
            pushes.append(seeing(lambda _: view.talk_changed(talk_id, change, voids=[sequence]), V1_JSON))
        else:
            sender = names.get(message.sender_id, NOBODY)
            reaction = _reaction(event) if event.kind == "x" else None
            pushes.append(
                seeing(
                    lambda codec: view.talk_changed(
                        talk_id, change, records=[view.record(message, sender, codec)], reaction=reaction
                    ),
                    V1_JSON,
                )
            )
            if message.recalled_by and event.kind == "c":
                digest = event.fresh[2] if event.fresh is not None else known.talks[talk_id].last_digest
                pushes.append(seeing(lambda _: view.revoked(key, message, change, digest), LEGACY))
            elif event.kind == "e" and not message.recalled_by:
                pushes.append(seeing(lambda _: view.updated(key, message, sender, change), LEGACY))
                if event.fresh[2] if event.fresh is not None else known.talks[talk_id].last_sequence == sequence:
                    ackid = f"eu-{talk_id}-{change}"
                    pushes += self._session_updates(key, message, may_see, members, ackid=ackid)
        pushes.append(others(lambda _: view.talk_changed(talk_id, change), V1_JSON))

    def _expired(self, event: Event, known: _Known, pushes: list[Push]) -> None:
        """To all alike: for who never saw one of them its number means nothing."""
        talk_id, change, sequences = event.values
        encode = partial(_encoded, partial(self._view.talk_changed, talk_id, change, voids=sequences))
        if talk_id in known.large:
            pushes.append(Push((), encode, V1_JSON, members=known.members_of(talk_id, MEMBERS, 0)))
        elif talk_id in known.rosters:
            pushes.append(Push(known.rosters[talk_id].users, encode, V1_JSON))

    def _roster(
        self,
        event: Event,
        known: _Known,
        groups: Mapping[int, Name],
        peers: Mapping[int, Name],
        pushes: list[Push],
    ) -> None:
        talk_id, change, users, profile_changed = event.values
        roster, talk = known.rosters.get(talk_id), known.talks.get(talk_id)
        if talk is None or (roster is None and talk_id not in known.large):
            return
        if talk.key.mode == TalkMode.SINGLE:  # its profile is the other one's name
            for user_id in talk.key[1:]:
                shown_of = profile_of(talk, peers[talk.key.peer_of(user_id)])
                encode = partial(self._view.talk_changed, talk_id, change, profile=shown_of)
                pushes.append(Push([user_id], partial(_encoded, encode), V1_JSON))
            return
        members = [known.members[talk_id, user] for user in users if (talk_id, user) in known.members]
        profile = profile_of(talk, groups.get(talk.key.low, NOBODY)) if profile_changed else None
        view = self._view
        if roster is not None and talk_id not in known.large:
            recipients = [*roster.users, *(user for user in users if user not in roster.joined)]
            pushes.append(
                Push(
                    recipients, lambda _: view.talk_changed(talk_id, change, members=members, profile=profile), V1_JSON
                )
            )
            return
        # First those whom it is about: their devices learn that they must sync, and are told nothing new after that.
        for start in range(0, len(members), ROSTER_TOLD):
            told = members[start : start + ROSTER_TOLD]
            pushes.append(
                Push(
                    [member.user_id for member in told],
                    partial(_encoded, partial(view.talk_changed, talk_id, change, members=told, profile=profile)),
                    V1_JSON,
                )
            )
        shown = members if len(members) <= ROSTER_TOLD else ()
        pushes.append(
            Push(
                (),
                lambda _: view.talk_changed(talk_id, change, members=shown, profile=profile),
                V1_JSON,
                members=known.members_of(talk_id, MEMBERS, 0),
            )
        )

    def _receipt(self, event: Event, pushes: list[Push]) -> None:
        """To each what the other has read, or the number alone: all of it stands in the event."""
        talk_id, change, (low, high), moved = event.values
        reads = dict(moved)
        view = self._view
        for user_id, peer_id in ((low, high), (high, low)):
            encode = partial(view.talk_changed, talk_id, change, peer_read=reads.get(peer_id))
            pushes.append(Push([user_id], partial(_encoded, encode), V1_JSON))

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
        known = _Known()
        messages: list[tuple[int, int]] = []
        talks: set[int] = set()
        stale_rosters: set[int] = set()
        members: set[tuple[int, int]] = set()
        owns: list[Event] = []
        for event in events:
            if event.kind == "w":
                continue
            talk_id = event.values[0]
            sequence = 0
            if event.kind == "m":
                sequence, roster_change = event.values[1:]
            elif event.kind in CHANGES:
                roster_change, sequence = event.values[1:3]
            elif event.kind == "r":
                roster_change = event.values[1]
                talks.add(talk_id)
                members.update((talk_id, user) for user in event.values[2])
            elif event.kind == "v":
                roster_change = event.values[1]
                if event.fresh is None:
                    talks.add(talk_id)
            else:
                owns.append(event)
                continue
            if event.fresh is not None:
                facts: TalkFacts = event.fresh[0]
                roster_change = facts.roster_change
                known.keys[talk_id] = facts.key
                self._note_large(known, talk_id, facts)
            if event.kind in ("m", *CHANGES):
                if event.fresh is None:
                    messages.append((talk_id, sequence))
                    talks.add(talk_id)
                else:
                    known.messages[talk_id, sequence] = event.fresh[1]
            roster = self._rosters.get(talk_id)
            if roster is None or roster.change < roster_change:
                stale_rosters.add(talk_id)
            else:
                known.rosters[talk_id] = roster
        stale_rosters.difference_update(known.large)
        if messages or talks or stale_rosters or members or owns:
            await self._database.read(
                lambda connection: self._load(connection, known, messages, talks, stale_rosters, members, owns)
            )
        return known

    def _note_large(self, known: _Known, talk_id: int, facts: TalkFacts) -> None:
        """Once it is known that a talk is large, all events of the turn are told by talk, by the newest roster."""
        if facts.member_count > self._by_talk_above:
            known.large[talk_id] = max(facts.roster_change, known.large.get(talk_id, 0))

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
            for talk_id, talk in known.talks.items():
                known.keys[talk_id] = talk.key
                self._note_large(known, talk_id, talk.facts)
        for talk_id in stale_rosters.difference(known.large):
            rows = store.load_roster(connection, talk_id)
            change = known.talks[talk_id].last_change if talk_id in known.talks else -1
            known.rosters[talk_id] = self._cache(talk_id, _Roster.of(change, rows))
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


def _reaction(event: Event) -> dict[str, object]:
    sequence, user_id, emoji, action = event.values[2:]
    return {"sequence": sequence, "user_id": user_id, "emoji": emoji, "action": action}


def _encoded(encode: Callable[[], bytes], _codec: int) -> bytes:
    return encode()


@dataclass(slots=True)
class _Known:
    """What one turn's events are told from. `large`: talks that are told by talk, with the change that their rosters
    must be as of; the others have `rosters`."""

    messages: dict[tuple[int, int], StoredMessage] = field(default_factory=dict)
    keys: dict[int, TalkKey] = field(default_factory=dict)
    talks: dict[int, Talk] = field(default_factory=dict)
    rosters: dict[int, _Roster] = field(default_factory=dict)
    large: dict[int, int] = field(default_factory=dict)
    members: dict[tuple[int, int], Member] = field(default_factory=dict)
    own: dict[tuple[int, int, int], tuple[Talk, Member, Head | None]] = field(default_factory=dict)

    def members_of(self, talk_id: int, audience: gateway_pb2.Audience.ValueType, sequence: int) -> Members:
        return Members(talk_id, self.large[talk_id], audience, sequence)
