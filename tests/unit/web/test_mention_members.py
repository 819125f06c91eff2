"""Whom one may mention: the latest writers first, then the list, bounded; everybody by rule and role."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETUP = """
const { MentionMembers } = await import("/mention-members.js");
const { People } = await import("/people.js");
const record = (sequence, from_id, nickname) => ({ sequence, from_id, nickname, avatar: "" });
const member = (user_id, nickname, remark = "") => ({ user_id, nickname, remark, avatar: "" });
const group = (size, { role = 3, mention_all = 1, records = [] } = {}) => ({
  roster: new Map(Array.from({ length: size }, (_, index) => [index + 1, { role: index ? role : 1 }])),
  profile: { mention_all },
  records: new Map(records.map((each) => [each.sequence, each])),
});
let loads = 0;
let failures = 0;
const make = (talk, listed, uid = 2, talk_mode = 2) => new MentionMembers(
  {
    uid,
    nickname: "Me",
    people: new People(),
    replica: { rows: { talk: new Map([[7, { talk_id: 7, talk_mode, to_from_id: 70 }]]) }, talks: new Map([[7, talk]]) },
    loadMembers: async () => {
      loads += 1;
      if (failures-- > 0) throw new Error("refused");
      return listed;
    },
  },
  7,
  () => {},
);
const namesOf = (people) => people.map(({ name }) => name);
"""


async def run(page: Page, body: str) -> Any:
    return await page.evaluate(f"async () => {{ {SETUP} {body} }}")


async def test_the_latest_writers_come_first_and_nobody_who_left(page: Page) -> None:
    before, after, found = await run(
        page,
        """
        const writers = [[4, "Dan"], [3, "Cas"], [2, "Me"], [99, "Gone"], [0, ""]];
        const records = writers.map(([id, name], index) => record(index + 1, id, name));
        const listed = [member(1, "Ann"), member(2, "Me"), member(3, "Cas", "Captain"), member(5, "Eve\\n2")];
        const members = make(group(5, { records }), listed);
        const before = namesOf(members.offered(""));
        await members.load();
        return [before, namesOf(members.offered("")), namesOf(members.offered("cas"))];
        """,
    )
    assert before == ["Cas", "Dan"]
    assert after == ["Captain", "Dan", "Ann", "Eve 2"]
    assert found == ["Captain"]


async def test_a_hundred_thousand_members_are_a_short_list_that_is_asked_for_once(page: Page) -> None:
    count, loads, again = await run(
        page,
        """
        const talk = group(100_000);
        const members = make(talk, Array.from({ length: 5000 }, (_, index) => member(index + 1, `Member ${index}`)));
        members.offered("m");
        await members.load();
        const count = members.offered("member").length;
        const before = loads;
        talk.roster.delete(3);
        await members.load();
        return [count, before, loads];
        """,
    )
    assert (count, loads, again) == (30, 1, 2)


async def test_after_a_failure_it_is_asked_for_by_what_the_user_does_alone(page: Page) -> None:
    drawn, found, loads = await run(
        page,
        """
        failures = 1;
        const members = make(group(3), [member(1, "Ann")]);
        await members.load();
        await members.load();
        const drawn = loads;
        members.offered("a");
        await members.loading;
        return [drawn, namesOf(members.offered("a")), loads];
        """,
    )
    assert (drawn, found, loads) == (1, ["Ann"], 2)


@pytest.mark.parametrize(
    ("role", "rule", "is_offered"), [(3, 1, False), (3, 2, True), (2, 1, True), (1, 1, True)]
)
async def test_everybody(page: Page, role: int, rule: int, *, is_offered: bool) -> None:
    talk = f"group(3, {{ role: {role}, mention_all: {rule} }})"
    found = await run(page, f"return namesOf(make({talk}, []).offered('every'));")
    assert found == (["everybody"] if is_offered else [])


async def test_nobody_in_a_chat_of_two(page: Page) -> None:
    assert await run(page, "return make(group(2), [member(1, 'Ann')], 2, 1).offered('');") == []
    assert await run(page, "await make(group(2), [], 2, 1).load(); return loads;") == 0
