"""Searching one's own talks: the newest messages that have all words of a keyword, a page at a time.

Design. The talks are those that the user has a row of; those without the keyword's terms are left out at once, and of
the others the window (joins, leaves, cleared records) bounds what is looked at. Then the index is read from the newest
message backwards, in many talks at a time: each dive gives the newest candidates of a talk below where it got to. What
lies above the place of every talk that may hold more (the horizon) is in order, and is looked into: whether it may be
seen, and whether the words stand in its text. A page ends with its 20 hits, or when it has cost enough; its cursor is
the place to go on from.

Bounds, whatever matches: `MAX_TALKS` talks, `MAX_EXAMINED` rows of the index, `MAX_LOOKED_INTO` messages a page. So a
page may have fewer hits than fit and still be followed by another; the last one has no cursor.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from sqlalchemy import Connection

from xinyu.base.errors import INVALID, NOT_MEMBER, UNKNOWN_GROUP, XinYuError
from xinyu.storage.database import Database
from xinyu.storage.transact import query
from xinyu_services.message.model import Member, StoredMessage, Talk, TalkKey, TalkMode
from xinyu_services.message.search_index import SearchIndex
from xinyu_services.message.search_store import Candidate, Dive, SearchStore
from xinyu_services.message.search_text import Keyword, place_of, searched_text
from xinyu_services.message.store import MessageStore

PAGE_HITS: Final = 20
# Of these the ones whose rows changed last.
MAX_TALKS: Final = 5_000
MAX_EXAMINED: Final = 5_000
MAX_LOOKED_INTO: Final = 200
# Of one statement: messages, dives in the first one and in later ones, rows of the index.
LOOKED_INTO_AT_ONCE: Final = 40
FIRST_DIVES: Final = 50
MOST_DIVES: Final = 400
ROWS_OF_DIVES: Final = 2_000
# Terms that a dive asks for, those first that are rare in some of the newest talks.
TERMS_OF_DIVES: Final = 4
SAMPLED_TALKS: Final = 8
SAMPLED_ROWS: Final = 100
# How long a search waits for the index.
CATCH_UP_S: Final = 3.0
# Clocks of processes may differ by less; sequences decide in the end.
CLOCK_SLACK_MS: Final = 60_000
_CURSOR: Final = re.compile(r"([0-9]{1,19})-([0-9]{1,16})\Z")


class OwnTalks(Protocol):
    """What the talk room knows."""

    async def of(self, user_id: int, limit: int) -> Sequence[int]: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for. 0 and None do not narrow it."""

    keyword: str
    target: tuple[int, int] | None = None
    from_id: int = 0
    msg_type: int = 0
    since_ms: int = 0
    until_ms: int = 0
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    message: StoredMessage
    highlights: list[list[int]]


@dataclass(frozen=True, slots=True)
class Found:
    """A page, newest first. `cursor` "" = the last one."""

    hits: list[Hit]
    cursor: str


class _Position(NamedTuple):
    """Of a message in the order of a search. Everything below it is still to come."""

    place: int
    talk_id: int

    @classmethod
    def of(cls, cursor: str) -> _Position | None:
        if not cursor:
            return None
        match = _CURSOR.match(cursor)
        if match is None or int(match[1]) >= 1 << 63:
            raise XinYuError(INVALID, "cursor is not one of ours.")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.place}-{self.talk_id}"


class _Window(NamedTuple):
    """What of a talk the user may see, by sequence and by place."""

    talk_id: int
    low: int
    high: int
    lowest: int
    highest: int


class MessageSearch:
    """Constructed by the composition root."""

    def __init__(
        self, database: Database, store: MessageStore, terms: SearchStore, index: SearchIndex, own_talks: OwnTalks
    ) -> None:
        self._database = database
        self._store = store
        self._terms = terms
        self._index = index
        self._own_talks = own_talks

    async def search(self, user_id: int, asked: Asked) -> Found:
        """Raises INVALID, UNKNOWN_GROUP, NOT_MEMBER. With one who never was spoken to there is nothing to find."""
        keyword, below = Keyword.of(asked.keyword), _Position.of(asked.cursor)
        if not keyword.words:
            raise XinYuError(INVALID, "The keyword is empty.")
        talk_ids: Sequence[int] = ()
        if asked.target is None:
            talk_ids = await self._own_talks.of(user_id, MAX_TALKS)

        def work(connection: Connection) -> Found | list[int]:
            own = talk_ids if asked.target is None else self._target(connection, user_id, *asked.target)
            if not own:
                return Found([], "")
            lagging = [] if caught_up else self._terms.lagging_among(connection, own)
            if lagging:
                return lagging
            # Of most talks nothing but this is read.
            having = self._terms.having(connection, own, keyword.terms)
            if not having:
                return Found([], "")
            return self._search(connection, user_id, self._scope(connection, user_id, having), keyword, asked, below)

        caught_up = False
        found = await query(self._database, work)
        if isinstance(found, list):
            await self._index.catch_up(found, CATCH_UP_S)
            caught_up = True
            found = await query(self._database, work)
        assert isinstance(found, Found)
        return found

    def _target(self, connection: Connection, user_id: int, mode: int, to_from_id: int) -> list[int]:
        """The one talk that is meant, of which the user has a row."""
        key = TalkKey.of(user_id, mode, to_from_id)
        talk_ids = list(self._store.find_talks(connection, [key]).values())
        if not talk_ids and mode == TalkMode.GROUP:
            raise XinYuError(UNKNOWN_GROUP)
        if talk_ids and not self._store.load_members(connection, [(talk_ids[0], user_id)]):
            raise XinYuError(NOT_MEMBER)
        return talk_ids

    def _scope(
        self, connection: Connection, user_id: int, talk_ids: Sequence[int]
    ) -> list[tuple[Talk, Member]]:
        """Talks with something in them that the user may see, those with the newest message first."""
        talks = self._store.load_talks(connection, talk_ids)
        members = self._store.load_members(connection, [(talk_id, user_id) for talk_id in talks])
        pairs = [(talks[talk_id], member) for (talk_id, _), member in members.items()]
        seen = [(talk, member) for talk, member in pairs if member.visible_from(talk) <= member.visible_to(talk)]
        return sorted(seen, key=lambda pair: -pair[0].last_at_ms)

    def _search(
        self,
        connection: Connection,
        user_id: int,
        scope: Sequence[tuple[Talk, Member]],
        keyword: Keyword,
        asked: Asked,
        below: _Position | None,
    ) -> Found:
        windows = self._windows(connection, scope, asked, below)
        if not windows:
            return Found([], "")
        terms = keyword.terms
        if len(terms) > 1:
            sample = list(windows)[:SAMPLED_TALKS]
            counts = self._terms.count_terms(connection, sample, terms, SAMPLED_ROWS)
            terms = sorted(terms, key=lambda term: counts[term])[:TERMS_OF_DIVES]
        return self._read_back(connection, user_id, windows, terms, keyword, asked)

    def _windows(
        self, connection: Connection, scope: Sequence[tuple[Talk, Member]], asked: Asked, below: _Position | None
    ) -> dict[int, _Window]:
        edges = [(talk.talk_id, member.visible_from(talk)) for talk, member in scope if member.visible_from(talk) > 1]
        edges += [
            (talk.talk_id, member.visible_to(talk))
            for talk, member in scope
            if member.visible_to(talk) < talk.last_sequence
        ]
        times = self._terms.load_times(connection, edges) if edges else {}
        windows: dict[int, _Window] = {}
        for talk, member in scope:
            talk_id, low, high = talk.talk_id, member.visible_from(talk), member.visible_to(talk)
            first_ms, last_ms = times.get((talk_id, low), 0), times.get((talk_id, high), talk.last_at_ms)
            lowest = max(place_of(asked.since_ms), place_of(first_ms - CLOCK_SLACK_MS))
            highest = place_of(last_ms + CLOCK_SLACK_MS)
            if asked.until_ms:
                highest = min(highest, place_of(asked.until_ms + 1) - 1)
            if below is not None:
                highest = min(highest, below.place if talk_id < below.talk_id else below.place - 1)
            if lowest <= highest:
                windows[talk_id] = _Window(talk_id, low, high, lowest, highest)
        return windows

    def _read_back(
        self,
        connection: Connection,
        user_id: int,
        windows: dict[int, _Window],
        terms: Sequence[int],
        keyword: Keyword,
        asked: Asked,
    ) -> Found:
        left = {window.talk_id: window.highest for window in windows.values()}  # where each talk's next dive begins
        waiting: list[tuple[int, int, int]] = []  # a heap of candidates: place and talk, negative, and sequence
        hits: list[Hit] = []
        examined = looked_into = 0
        dives = FIRST_DIVES
        while True:
            horizon = max((_Position(place, talk_id) for talk_id, place in left.items()), default=_Position(-1, 0))
            for chunk in _above(waiting, horizon):
                messages = self._look_into(connection, user_id, chunk, keyword, asked)
                for place, talk_id, sequence in chunk:
                    if (talk_id, sequence) in messages:
                        hits.append(messages[talk_id, sequence])
                        if len(hits) == PAGE_HITS:
                            return Found(hits, str(_Position(place, talk_id)))
                looked_into += len(chunk)
                if looked_into >= MAX_LOOKED_INTO:
                    return Found(hits, str(_Position(*chunk[-1][:2])))
            if not left:
                return Found(hits, "")
            if examined >= MAX_EXAMINED:
                # The horizon itself is still to be looked at.
                return Found(hits, str(_Position(horizon.place, horizon.talk_id + 1)))
            deepest = heapq.nlargest(dives, left.items(), key=lambda item: (item[1], item[0]))
            dives = min(2 * dives, MOST_DIVES)
            limit = ROWS_OF_DIVES // len(deepest)
            asked_dives = [Dive(talk_id, windows[talk_id].lowest, place) for talk_id, place in deepest]
            for talk_id, candidates in self._terms.dive(connection, asked_dives, terms, limit).items():
                examined += len(candidates)
                window = windows[talk_id]
                for each in candidates:
                    if each.matches and window.low <= each.sequence <= window.high:
                        heapq.heappush(waiting, (-each.place, -talk_id, each.sequence))
                _move_on(left, talk_id, candidates, limit)

    def _look_into(
        self,
        connection: Connection,
        user_id: int,
        chunk: Sequence[tuple[int, int, int]],
        keyword: Keyword,
        asked: Asked,
    ) -> dict[tuple[int, int], Hit]:
        """Those of the (place, talk_id, sequence) candidates that are hits."""
        keys = [(talk_id, sequence) for _, talk_id, sequence in chunk]
        messages = self._store.load_messages(connection, keys)
        hidden = self._store.hidden_of(connection, user_id, keys)
        hits: dict[tuple[int, int], Hit] = {}
        for key, message in messages.items():
            if key in hidden or (asked.from_id and message.sender_id != asked.from_id):
                continue
            if asked.msg_type and message.msg_type != asked.msg_type:
                continue
            highlights = keyword.highlights(searched_text(message))
            if highlights is not None:
                hits[key] = Hit(message, highlights)
        return hits


def _above(waiting: list[tuple[int, int, int]], horizon: _Position) -> Iterator[list[tuple[int, int, int]]]:
    """Takes the candidates above the horizon off the heap, newest first, some at a time."""
    while waiting and (-waiting[0][0], -waiting[0][1]) > horizon:
        chunk: list[tuple[int, int, int]] = []
        while waiting and len(chunk) < LOOKED_INTO_AT_ONCE and (-waiting[0][0], -waiting[0][1]) > horizon:
            place, talk_id, sequence = heapq.heappop(waiting)
            chunk.append((-place, -talk_id, sequence))
        yield chunk


def _move_on(left: dict[int, int], talk_id: int, candidates: Sequence[Candidate], limit: int) -> None:
    """After a dive of `limit` rows: a short one was the talk's last."""
    if len(candidates) < limit:
        del left[talk_id]
    else:
        left[talk_id] = candidates[-1].place - 1
