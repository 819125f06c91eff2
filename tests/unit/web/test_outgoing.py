"""The outgoing queue: one msg_id a message, repeated until it is answered, in order, over reloads."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETUP = """
const { Outgoing } = await import("/outgoing.js");
const { ApiError } = await import("/api-error.js");
sessionStorage.clear();
const sent = [];
let plan = [];
const send = async (entry) => {
  sent.push([entry.msg_id, entry.body.content]);
  const next = plan.shift();
  if (next instanceof Error) throw next;
  return next ?? { sequence: sent.length };
};
const make = () => new Outgoing({ storage: sessionStorage, key: "queue", send, onChange: () => {} });
const text = (content, talk_id = 10) => ({ talk_id, talk_mode: 1, to_from_id: 2, type: "text", body: { content } });
const until = async (ready) => { while (!ready()) await new Promise((resolve) => setTimeout(resolve, 5)); };
"""


async def run(page: Page, body: str) -> Any:
    return await page.evaluate(f"async () => {{ {SETUP} {body} }}")


async def test_a_message_without_answer_is_repeated_with_the_same_msg_id_and_order_holds(page: Page) -> None:
    contents, ids, left = await run(
        page,
        """
        const queue = make();
        queue.add(text("a")); queue.add(text("b"));
        const waiting = sent.length;
        plan = [new ApiError(0, "no answer", "deadline"), new ApiError(429, "slow", "too_many", 1)];
        queue.setOnline(true);
        await until(() => sent.length === 4);
        await until(() => queue.entries.every(({ state }) => state === "sent"));
        if (waiting) throw new Error("sent while there was no connection");
        return [sent.map(([, content]) => content), sent.map(([id]) => id), queue.entries.length];
        """,
    )
    assert contents == ["a", "a", "a", "b"]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert all(len(msg_id) == 32 and set(msg_id) <= set("0123456789abcdef") for msg_id in ids)
    assert left == 2  # they stay in view until the talk's records reach them


async def test_what_waits_survives_a_reload_with_its_msg_id(page: Page) -> None:
    before, after = await run(
        page,
        """
        const queue = make();
        queue.add(text("a"));
        const before = queue.entries.map(({ msg_id }) => msg_id);
        const again = make();
        again.setOnline(true);
        await until(() => sent.length === 1);
        return [before, sent.map(([id]) => id)];
        """,
    )
    assert before == after


async def test_a_refused_message_waits_for_the_user_and_does_not_hold_up_the_next(page: Page) -> None:
    result = await run(
        page,
        """
        const queue = make();
        plan = [new ApiError(403, "You are muted in this group.", "muted")];
        queue.add(text("a")); queue.add(text("b"));
        queue.setOnline(true);
        await until(() => sent.length === 2);
        const states = queue.entries.map(({ state, reason }) => [state, reason]);
        const first = queue.entries[0].msg_id;
        queue.retry(first);
        await until(() => queue.entries[0].state === "sent");
        return [states[0], sent.map(([, content]) => content), sent[0][0] === sent[2][0]];
        """,
    )
    assert result == [["failed", "muted"], ["a", "b", "a"], True]


async def test_a_wait_that_nobody_would_sit_through_fails_at_once(page: Page) -> None:
    """Such as slow mode of an hour; a short one is waited for."""
    result = await run(
        page,
        """
        const queue = make();
        plan = [new ApiError(429, "Wait.", "slow_mode", 3_600_000), new ApiError(429, "Wait.", "slow_mode", 50)];
        queue.add(text("a")); queue.add(text("b"));
        queue.setOnline(true);
        await until(() => queue.entries[1].state === "sent");
        return queue.entries.map(({ state, reason }) => [state, reason]);
        """,
    )
    assert result == [["failed", "slow_mode"], ["sent", ""]]


async def test_an_undelivered_text_is_failed_with_its_reason(page: Page) -> None:
    result = await run(
        page,
        """
        const queue = make();
        plan = [{ sequence: 0, reason: "not_friend" }];
        queue.add(text("a"));
        queue.setOnline(true);
        await until(() => queue.entries[0].state === "failed");
        return queue.entries[0].reason;
        """,
    )
    assert result == "not_friend"


async def test_the_queue_is_bounded(page: Page) -> None:
    result = await run(
        page,
        """
        const queue = make();
        let taken = 0;
        for (let i = 0; i < 250; i += 1) taken += queue.add(text(String(i), i));
        return [taken, queue.entries.length];
        """,
    )
    assert result == [200, 200]
