"""Use cases of forwarding: what of a talk may be forwarded by whom, under which token, and who may read what a merged
forward holds.

A forward is two steps. One transaction reads the sources as the forwarder sees them and takes the token; then the
copies are sent like any other messages (`MessageService.send`), under ids that follow from token, target and source.
Whoever repeats a request whose answer was lost gets the same token, so what was stored is answered and the rest stored.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.errors import UNKNOWN_MESSAGE, XinYuError
from xinyu.delivery.outbox import Event
from xinyu.storage.database import Database
from xinyu.storage.transact import query
from xinyu_services.message.forwards import REPEAT_MS, Forward, check_bounds, check_sources
from xinyu_services.message.model import Member, MsgType, Source, StoredMessage, Talk, TalkKey
from xinyu_services.message.reacting import see_own_reactions
from xinyu_services.message.store import MessageStore
from xinyu_services.message.talk_access import TalkAccess


@dataclass(frozen=True, slots=True)
class Taken:
    """What is forwarded, ascending; `inner`: what is in the merged ones among it, by their place."""

    token: str
    sources: list[StoredMessage]
    inner: dict[tuple[int, int], list[Source]]


class Forwarding:
    """One a process."""

    def __init__(self, database: Database, store: MessageStore, access: TalkAccess, clock: Clock) -> None:
        self._database = database
        self._store = store
        self._access = access
        self._clock = clock

    async def take(self, forward: Forward) -> Taken:
        """Raises INVALID, UNKNOWN_TALK, UNKNOWN_GROUP, NOT_MEMBER; UNKNOWN_MESSAGE when the forwarder cannot read one
        of the sources now."""
        check_bounds(forward)
        now_ms = self._clock.now_ms()

        def work(connection: Connection, _events: list[Event]) -> Taken:
            talk, member = self._access.member_of(connection, forward.key, forward.user_id)
            picked = self._access.pick(connection, talk, member, forward.msg_ids)
            places = [(talk.talk_id, message.sequence) for message in picked.values()]
            hidden = self._store.hidden_of(connection, forward.user_id, places)
            for msg_id in forward.msg_ids:
                message = picked.get(msg_id)
                if message is None or message.recalled_by or (talk.talk_id, message.sequence) in hidden:
                    raise XinYuError(UNKNOWN_MESSAGE)
            sources = sorted(picked.values(), key=lambda message: message.sequence)
            check_sources(forward.action, sources)
            merged = [(m.talk_id, m.sequence) for m in sources if m.msg_type == MsgType.FORWARD]
            inner = self._store.load_forwarded(connection, merged) if merged else {}
            return Taken(self._take_token(connection, forward, now_ms), sources, inner)

        return await self._access.write(forward.key, work)

    def _take_token(self, connection: Connection, forward: Forward, now_ms: int) -> str:
        content_hash = forward.content_hash
        if forward.msg_id:  # the client says itself what is a repeat
            return hashlib.sha256(f"{forward.user_id}/{content_hash}".encode()).hexdigest()
        token = self._store.find_forward_token(connection, forward.user_id, content_hash, now_ms)
        if token is None:
            token = secrets.token_hex(32)
            self._store.put_forward_token(
                connection, forward.user_id, content_hash, token, now_ms, now_ms + REPEAT_MS
            )
        return token

    async def load_records(self, user_id: int, msg_ids: Sequence[str], key: TalkKey | None) -> list[StoredMessage]:
        """The messages of these ids, in their order, that the user may read in a talk that he belongs to, or through a
        forward that reached him: his own, else the earliest. Which talks are looked at: those from which something of
        that id was forwarded, and the one that he names."""

        def work(connection: Connection) -> list[StoredMessage]:
            links = self._store.find_forwards(connection, list(dict.fromkeys(msg_ids)))
            places = {
                *self.reached(connection, user_id, links),
                *self._visible(connection, user_id, [source for _, source in links]),
            }
            found = list(self._store.load_messages(connection, sorted(places)).values())
            talk = self._access.talk_by_key(connection, key) if key is not None else None
            if talk is not None:
                member = self._store.load_members(connection, [(talk.talk_id, user_id)]).get((talk.talk_id, user_id))
                if member is not None:
                    found += self._shown(connection, talk, member, msg_ids)
            best: dict[str, StoredMessage] = {}
            for message in sorted(found, key=lambda m: (m.sender_id != user_id, m.sent_at_ms, m.talk_id)):
                if not message.expired:
                    best.setdefault(message.msg_id, message)
            see_own_reactions(self._store, connection, user_id, best.values())
            return [best[msg_id] for msg_id in dict.fromkeys(msg_ids) if msg_id in best]

        return await query(self._database, work)

    def _shown(
        self, connection: Connection, talk: Talk, member: Member, msg_ids: Sequence[str]
    ) -> list[StoredMessage]:
        picked = list(self._access.pick(connection, talk, member, msg_ids).values())
        hidden = self._store.hidden_of(connection, member.user_id, [(talk.talk_id, m.sequence) for m in picked])
        return [m for m in picked if (talk.talk_id, m.sequence) not in hidden]

    def reached(
        self, connection: Connection, user_id: int, links: Sequence[tuple[tuple[int, int], Source]]
    ) -> set[tuple[int, int]]:
        """Of (place of a forward, source in it) pairs the places of the sources whose forward the user may read now."""
        forwards = self._visible(connection, user_id, [Source("", *place) for place, _ in links])
        messages = self._store.load_messages(connection, sorted(forwards))
        open_ = {place for place, m in messages.items() if not m.recalled_by and not m.expired}
        return {(source.talk_id, source.sequence) for place, source in links if place in open_}

    def _visible(self, connection: Connection, user_id: int, sources: Sequence[Source]) -> set[tuple[int, int]]:
        """The places among `sources` that lie in the user's windows and that he has not hidden."""
        store = self._store
        talk_ids = {source.talk_id for source in sources}
        members = store.load_members(connection, [(talk_id, user_id) for talk_id in sorted(talk_ids)])
        talks = store.load_talks(connection, {talk_id for talk_id, _ in members})
        seen = {
            (source.talk_id, source.sequence)
            for source in sources
            if (member := members.get((source.talk_id, user_id))) is not None
            and member.visible_from(talks[source.talk_id])
            <= source.sequence
            <= member.visible_to(talks[source.talk_id])
        }
        return seen - store.hidden_of(connection, user_id, sorted(seen))
