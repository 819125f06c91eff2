"""Rules of webhooks: what a delivery holds, when it is tried again, what becomes of a webhook."""

from __future__ import annotations

import pytest

from xinyu_services.message.model import StoredMessage
from xinyu_services.message.webhook_model import (
    CHARACTERS_AT_ONCE,
    FIRST_PAUSE_MS,
    GONE,
    LONGEST_PAUSE_MS,
    MESSAGES_AT_ONCE,
    UNREACHED,
    Part,
    Webhook,
    WebhookState,
    failure_words,
    filled,
    is_success,
    pause_ms,
    shared,
)

BOT = 9


def message(sequence: int, sender_id: int = 1, body: str = "{}") -> StoredMessage:
    return StoredMessage(5, sequence, f"m{sequence}", sender_id, 1, body, "{}", 0)


def webhook(**values: object) -> Webhook:
    return Webhook(BOT, "https://a.example", 1, WebhookState.ON, **values)  # type: ignore[arg-type]


def test_pauses_double_up_to_a_bound_and_are_spread() -> None:
    assert [pause_ms(failures, 1.0) for failures in (1, 2, 3)] == [FIRST_PAUSE_MS * times for times in (1, 2, 4)]
    assert pause_ms(1, 0.0) == FIRST_PAUSE_MS // 2
    assert [pause_ms(failures, 1.0) for failures in (20, 1_000_000)] == [LONGEST_PAUSE_MS] * 2


@pytest.mark.parametrize(
    ("status", "taken"), [(200, True), (204, True), (299, True), (199, False), (302, False), (0, False)]
)
def test_what_counts_as_taken(status: int, taken: bool) -> None:
    assert is_success(status) is taken


def test_words_say_an_answer_but_never_why_there_was_none() -> None:
    assert failure_words(503) == "It answered 503."
    assert failure_words(UNREACHED) == "It could not be reached, or did not answer in time."


def test_talks_share_a_delivery() -> None:
    assert shared([]) == []
    assert shared([Part(1, 1, 1_000)]) == [Part(1, 1, MESSAGES_AT_ONCE)]
    assert shared([Part(1, 1, 1_000), Part(2, 7, 8)]) == [Part(1, 1, MESSAGES_AT_ONCE // 2), Part(2, 7, 8)]


def test_what_the_bot_sent_is_left_out_and_its_numbers_are_passed() -> None:
    found = {5: [message(1), message(2, BOT), message(3, BOT)]}
    parts, messages = filled([Part(5, 1, 3)], found, BOT)
    assert (parts, [each.sequence for each in messages]) == ((Part(5, 1, 3),), [1])
    assert filled([Part(5, 2, 3)], {5: found[5][1:]}, BOT) == ((Part(5, 2, 3),), [])
    assert filled([Part(5, 2, 3)], {}, BOT) == ((Part(5, 2, 3),), [])


def test_a_delivery_ends_where_its_characters_do() -> None:
    big = "x" * (CHARACTERS_AT_ONCE // 2)
    found = {5: [message(2, body=big), message(4, body=big), message(5)], 6: [message(1)]}
    parts, messages = filled([Part(5, 1, 9), Part(6, 1, 1)], found, BOT)
    # What lies between two messages, gone or the bot's own, goes with the one before it.
    assert (parts, [each.sequence for each in messages]) == ((Part(5, 1, 3),), [2])
    parts, messages = filled([Part(5, 4, 9), Part(6, 1, 1)], {5: found[5][1:], 6: found[6]}, BOT)
    assert (parts, len(messages)) == ((Part(5, 4, 9), Part(6, 1, 1)), 3)


def test_one_message_goes_however_long_it_is() -> None:
    huge = [message(1, body="x" * CHARACTERS_AT_ONCE * 2), message(2)]
    parts, messages = filled([Part(5, 1, 2), Part(6, 1, 1)], {5: huge, 6: [message(1)]}, BOT)
    assert (parts, messages) == ((Part(5, 1, 1),), huge[:1])
    # The second talk's first message does not fit: nothing of that talk is in the delivery.
    parts, messages = filled([Part(4, 1, 1), Part(5, 1, 2)], {4: huge[:1], 5: huge}, BOT)
    assert (parts, messages) == ((Part(4, 1, 1),), huge[:1])


def test_a_failure_is_tried_again_and_a_success_forgets_it() -> None:
    hook = webhook(claimed_until_ms=99, due_at_ms=99, waiting_since_ms=5)
    hook.fail(503, 1, 1_000, 1.0)
    hook.claimed_until_ms = 99
    hook.fail(UNREACHED, 1, 5_000, 1.0)
    assert (hook.failures, hook.failing_since_ms, hook.due_at_ms) == (2, 1_000, 5_000 + 2 * FIRST_PAUSE_MS)
    assert (hook.claimed_until_ms, hook.waiting_since_ms, hook.state) == (0, 5, WebhookState.ON)
    hook.succeed(9_000)
    assert (hook.failures, hook.failing_since_ms, hook.failure) == (0, 0, "")


def test_gone_suspends_until_an_address_is_set() -> None:
    hook = webhook(claimed_until_ms=99, due_at_ms=99, waiting_since_ms=5, batch=(Part(5, 1, 2),))
    hook.fail(GONE, 1, 1_000, 1.0)
    assert (hook.state, hook.due_at_ms, hook.failure) == (WebhookState.SUSPENDED, 0, "It answered 410.")
    hook.note(2_000)
    assert hook.due_at_ms == 0
    hook.choose("https://b.example", 2, 3_000)
    assert (hook.state, hook.due_at_ms, hook.failure, hook.batch) == (WebhookState.ON, 3_000, "", (Part(5, 1, 2),))


def test_a_failure_at_a_former_address_says_nothing_of_the_new_one() -> None:
    hook = webhook(claimed_until_ms=99_000, due_at_ms=99_000, waiting_since_ms=5)
    hook.choose("https://b.example", 2, 1_000)
    assert hook.due_at_ms == 99_000  # somebody delivers: nobody else begins
    hook.fail(GONE, 1, 2_000, 1.0)
    assert (hook.state, hook.failures, hook.due_at_ms) == (WebhookState.ON, 0, 2_000)


def test_taken_away_nothing_is_due_and_who_delivers_moves_nothing() -> None:
    hook = webhook(claim=3, claimed_until_ms=99, due_at_ms=99, waiting_since_ms=5, batch=(Part(5, 1, 2),))
    hook.choose("", 2, 1_000)
    assert (hook.state, hook.due_at_ms, hook.waiting_since_ms, hook.batch) == (WebhookState.OFF, 0, 0, ())
    assert hook.claim == 4
