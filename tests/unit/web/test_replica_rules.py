"""Single rules of the page's replica that random schedules reach too seldom."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETUP = """
const { Replica } = await import("/replica.js");
const replica = new Replica(1);
const record = (sequence, more = {}) => ({ talk_id: 10, msg_id: `m${sequence}`, sequence, msg_type: 1, from_id: 2,
    is_revoked: 2, sent_at_ms: sequence, extra: `{"content":"${sequence}"}`, quote: "{}", ...more });
const recalled = (sequence) => record(sequence, { is_revoked: 1, extra: "{}" });
const talk = (last, more = {}) => ({ talk_id: 10, last_sequence: last, last_change: 0, own: 0, from: 1, base: 0,
    read_sequence: 0, records: [], voids: [], member: { state: "in", role: 3, muted_until_ms: 0 }, ...more });
const answer = (...talks) => ({ epoch: "e", reset: false, versions: { talk: 1, contact: 0, user: 0 },
    rows: { talk: [{ talk_id: 10, talk_mode: 2, to_from_id: 5, version: 1, hidden_sequence: -1 }], contact: [],
    user: [] }, talks });
const shown = () => [...replica.talks.get(10).records.values()].map((r) => [r.sequence, r.is_revoked]);
"""


async def run(page: Page, body: str) -> Any:
    return await page.evaluate(f"async () => {{ {SETUP} {body} }}")


async def test_a_recalled_message_does_not_come_back_with_an_older_change(page: Page) -> None:
    """A range answer made after the recall (change 2) arrives before the push of an earlier edit (change 1)."""
    result = await run(
        page,
        """
        replica.applySync(answer(talk(3, { base: 2, records: [record(3)] })));
        const newer = { change: 2, own: 0, records: [recalled(1), record(2)], voids: [] };
        replica.applyRange(replica.talks.get(10), "e", 1, 2, newer);
        const edit = { talk_id: 10, change: 1, records: [record(1, { extra: '{"content":"edited"}' })], voids: [] };
        return [replica.apply("talk.changed", edit), shown()];
        """,
    )
    assert result == ["applied", [[3, 2], [1, 1], [2, 2]]]


async def test_a_range_answer_older_than_a_recall_is_refused(page: Page) -> None:
    result = await run(
        page,
        """
        replica.applySync(answer(talk(3, { base: 2, records: [record(3)] })));
        const held = replica.talks.get(10);
        replica.apply("talk.changed", { talk_id: 10, change: 1, records: [recalled(1)], voids: [] });
        const late = { change: 0, own: 0, records: [record(1), record(2)], voids: [] };
        return [replica.applyRange(held, "e", 1, 2, late), shown(), replica.missing(10)];
        """,
    )
    assert result == ["old", [[3, 2]], [[1, 2]]]


async def test_a_change_adds_no_record(page: Page) -> None:
    result = await run(
        page,
        """
        replica.applySync(answer(talk(3, { base: 2, records: [record(3)] })));
        return [replica.apply("talk.changed", { talk_id: 10, change: 1, records: [record(2)], voids: [] }), shown()];
        """,
    )
    assert result == ["applied", [[3, 2]]]


async def test_a_change_of_a_message_that_has_not_arrived_is_a_gap(page: Page) -> None:
    result = await run(
        page,
        """
        replica.applySync(answer(talk(1, { records: [record(1)] })));
        return ["records", "voids"].map((name) => replica.apply("talk.changed",
            { talk_id: 10, change: 1, records: [], voids: [], [name]: name === "records" ? [recalled(2)] : [[2, 2]] }));
        """,
    )
    assert result == ["gap", "gap"]


async def test_stale_forgets_the_records_of_the_talk(page: Page) -> None:
    result = await run(
        page,
        """
        replica.applySync(answer(talk(4, { records: [1, 2, 3, 4].map((s) => record(s)) })));
        const records = [recalled(8), record(9)];
        replica.applySync(answer(talk(9, { last_change: 300, stale: true, base: 7, records })));
        return [shown(), replica.missing(10)];
        """,
    )
    assert result == [[[8, 1], [9, 2]], [[1, 7]]]


async def test_one_s_own_membership_is_never_taken_from_a_push(page: Page) -> None:
    result = await run(
        page,
        """
        replica.applySync(answer(talk(1, { records: [record(1)] })));
        const removed = { talk_id: 10, change: 1, records: [], voids: [],
            members: [{ user_id: 1, state: "removed", role: 3, muted_until_ms: 0 }] };
        return [replica.apply("talk.changed", removed), replica.talks.get(10).member.state];
        """,
    )
    assert result == ["gap", "in"]


async def test_unread_counts_from_what_was_read_sent_or_may_be_seen(page: Page) -> None:
    result = await run(
        page,
        """
        const seen = [];
        replica.applySync(answer(talk(4, { read_sequence: 1, records: [1, 2, 3, 4].map((s) => record(s)) })));
        seen.push(replica.unread(10));
        replica.applyRead(10, 2);
        seen.push(replica.unread(10));
        replica.apply("talk.own", { talk_id: 10, own: 1, read_sequence: 2, from: 4, voids: [] });
        seen.push(replica.unread(10));
        replica.apply("im.message", { talk_id: 10, sequence: 5, body: record(5, { from_id: 1 }) });
        seen.push(replica.unread(10));
        return seen;
        """,
    )
    assert result == [3, 2, 1, 0]


async def test_what_is_no_answer_changes_nothing(page: Page) -> None:
    result = await run(
        page,
        """
        replica.applySync(answer(talk(1, { records: [record(1)] })));
        let refused = 0;
        for (const broken of [null, {}, { epoch: "x" }, { epoch: "x", talks: 1, versions: {} }]) {
            try { replica.applySync(broken); } catch (error) { refused += error instanceof TypeError; }
        }
        return [refused, replica.epoch, shown()];
        """,
    )
    assert result == [4, "e", [[1, 2]]]


async def test_ones_own_reactions_stay_with_pushes_and_move_with_what_names_this_user(page: Page) -> None:
    result = await run(
        page,
        """
        const reactions = (...all) => ({ reactions: all.map(([emoji, is_mine]) => ({ emoji, count: 1, is_mine })) });
        replica.applySync(answer(talk(1, { records: [record(1, reactions(["a", true], ["b", false]))] })));
        const mine = () => replica.talks.get(10).records.get(1).reactions.filter((r) => r.is_mine).map((r) => r.emoji);
        const push = (change, user_id, emoji, action) => replica.apply("talk.changed", { talk_id: 10, change,
            records: [record(1, reactions(["a", false], ["b", false]))], voids: [],
            reaction: { sequence: 1, user_id, emoji, action } });
        const seen = [];
        for (const step of [[1, 2, "b", 1], [2, 1, "b", 1], [3, 1, "a", 2], [4, 2, "b", 2]]) {
            push(...step);
            seen.push(mine());
        }
        return seen;
        """,
    )
    assert result == [["a"], ["a", "b"], ["b"], ["b"]]
