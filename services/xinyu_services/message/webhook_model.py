"""Rules of bots' webhooks: what a delivery holds, when a failed one is tried again, what is said of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from xinyu_services.message.model import Member, StoredMessage, Talk

# Of one delivery.
TALKS_AT_ONCE: Final = 20
MESSAGES_AT_ONCE: Final = 100
# Of texts; a single message may have more.
CHARACTERS_AT_ONCE: Final = 256 * 1024
# What a record has besides its texts, about.
RECORD_CHARACTERS: Final = 512
FIRST_PAUSE_MS: Final = 1_000
LONGEST_PAUSE_MS: Final = 15 * 60_000
GONE: Final = 410
UNREACHED: Final = 0


class WebhookState(IntEnum):
    OFF = 0
    ON = 1
    SUSPENDED = 2  # its receiver has said that it is gone


class Part(NamedTuple):
    """Messages of one talk, both ends included. Nobody else's but the bot's own may be left out of them."""

    talk_id: int
    first: int
    last: int


@dataclass(slots=True)
class Webhook:
    """A bot's row. `has_begun`: what is sent now is told, in each of its talks. `due_at_ms`: when somebody is to look
    after it, 0 = there is nothing to do. Who does takes a `claim`, the highest number, until `claimed_until_ms`.
    `batch`: what delivery number `delivery` is made of, while it is under way. `waiting_since_ms`: since when there is
    something to tell and nothing has been told."""

    bot_id: int
    url: str
    revision: int
    state: int
    has_begun: bool = False
    due_at_ms: int = 0
    waiting_since_ms: int = 0
    claim: int = 0
    claimed_until_ms: int = 0
    delivery: int = 0
    batch: tuple[Part, ...] = ()
    failures: int = 0
    failing_since_ms: int = 0
    failure: str = ""

    @property
    def delivery_id(self) -> str:
        """The same at every try: the batch is stored before the first."""
        return f"{self.bot_id}-{self.delivery}"

    def choose(self, url: str, revision: int, now_ms: int) -> None:
        """Its owner's word. Whoever is delivering goes on to his answer; the next try goes to the new address."""
        self.url, self.revision = url, revision
        self.failures, self.failing_since_ms, self.failure = 0, 0, ""
        if url:
            self.state = WebhookState.ON
            if self.claimed_until_ms <= now_ms and self.waiting_since_ms:
                self.due_at_ms = now_ms
            return
        self.state, self.has_begun, self.batch = WebhookState.OFF, False, ()
        self.claim += 1  # what is under way moves nothing any more
        self.due_at_ms = self.waiting_since_ms = self.claimed_until_ms = 0

    def note(self, now_ms: int) -> None:
        """There is something to tell."""
        self.waiting_since_ms = self.waiting_since_ms or now_ms
        if self.state == WebhookState.ON:
            self.due_at_ms = self.due_at_ms or now_ms

    def release(self, due_at_ms: int) -> None:
        """Nobody delivers now."""
        self.claimed_until_ms, self.due_at_ms = 0, due_at_ms

    def succeed(self, now_ms: int) -> None:
        self.batch = ()
        self.failures, self.failing_since_ms, self.failure = 0, 0, ""
        self.waiting_since_ms = now_ms

    def fail(self, status: int, revision: int, now_ms: int, share: float) -> None:
        """`revision`: of the address that was tried; what was wrong with a former one says nothing. `share`: 0 to 1, so
        that many do not come back together."""
        if revision != self.revision:
            self.release(now_ms)
            return
        self.failures += 1
        self.failing_since_ms = self.failing_since_ms or now_ms
        self.failure = failure_words(status)
        if status == GONE:
            self.state = WebhookState.SUSPENDED
            self.release(0)
        else:
            self.release(now_ms + pause_ms(self.failures, share))


def pause_ms(failures: int, share: float) -> int:
    """Doubles from one to the next, up to LONGEST_PAUSE_MS; of that, half to all."""
    longest = min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS << min(failures - 1, 30))
    return int(longest * (1 + share) / 2)


def failure_words(status: int) -> str:
    """For the bot's owner. Why an address was not reached is for the log: it would tell what there is behind the
    server's wall."""
    if status == UNREACHED:
        return "It could not be reached, or did not answer in time."
    return f"It answered {status}."


def is_success(status: int) -> bool:
    return 200 <= status < 300


def window_of(talk: Talk | None, member: Member | None, sequence: int) -> tuple[int, int]:
    """What a bot may read beyond `sequence`, lowest to highest; (1, 0) where it never belonged to the talk."""
    if talk is None or member is None:
        return 1, 0
    return max(sequence + 1, member.visible_from(talk)), member.visible_to(talk)


def shared(windows: Sequence[Part]) -> list[Part]:
    """What of `windows` one delivery looks at: each talk's equal share of it."""
    share = max(1, MESSAGES_AT_ONCE // len(windows)) if windows else 0
    return [Part(talk_id, first, min(last, first + share - 1)) for talk_id, first, last in windows]


def filled(
    parts: Sequence[Part], found: Mapping[int, Sequence[StoredMessage]], bot_id: int
) -> tuple[tuple[Part, ...], list[StoredMessage]]:
    """The messages of a delivery, and the parts of which they are all that there are, as far as CHARACTERS_AT_ONCE
    go: one message at least."""
    taken: list[Part] = []
    messages: list[StoredMessage] = []
    left = CHARACTERS_AT_ONCE
    for talk_id, first, last in parts:
        for message in told(found.get(talk_id, ()), bot_id):
            left -= len(message.body) + len(message.quote) + RECORD_CHARACTERS
            if left < 0 and messages:
                if message.sequence > first:
                    taken.append(Part(talk_id, first, message.sequence - 1))
                return tuple(taken), messages
            messages.append(message)
        taken.append(Part(talk_id, first, last))
    return tuple(taken), messages


def told(messages: Sequence[StoredMessage], bot_id: int) -> list[StoredMessage]:
    """Without what the bot has sent itself."""
    return [message for message in messages if message.sender_id != bot_id]
