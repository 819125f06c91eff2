"""The list of members: a hundred at first, more on request, others by a part of a name or visit card."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPEN = """async (size) => {
    const { openMembers } = await import("/group-members.js");
    const { People } = await import("/people.js");
    const roster = new Map();
    const listed = [];
    for (let id = 1; id <= size; id += 1) {
        roster.set(id, { user_id: id, role: id === 1 ? 1 : 3, muted_until_ms: 0 });
        const nickname = `Person ${String(id).padStart(6, "0")}`;
        listed.push({ user_id: id, nickname, remark: id === 77 ? "Captain" : "" });
    }
    const people = new People();
    const talk = { talk_id: 7, change: 1, roster, member: { state: "in", role: 3 } };
    const client = Object.assign(new EventTarget(), {
        uid: 2,
        nickname: "Me",
        people,
        bots: { isRobot: (id) => id === 3 },
        replica: { talks: new Map([[7, talk]]), rows: { contact: new Map() } },
        catchup: { loadRoster: async () => {} },
        loadMembers: async () => {
            for (const { user_id, nickname } of listed) people.learn({ user_id, nickname });
            return listed;
        },
    });
    document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
    openMembers(client, { talk_id: 7, to_from_id: 70 });
}"""


async def test_a_large_group_is_shown_a_hundred_at_a_time(page: Page) -> None:
    await page.evaluate(OPEN, 100_000)
    people = page.locator(".person")
    await expect(people.nth(1)).to_contain_text("Person 000002 (you)")
    await expect(people).to_have_count(100)
    await expect(people.nth(0)).to_contain_text("Owner")
    await expect(page.locator(".person", has=page.locator(".bot-mark"))).to_have_text(["PPerson 000003Bot"])
    await page.get_by_role("button", name="More").click()
    await expect(people).to_have_count(200)
    search = page.get_by_role("searchbox", name="Find a member")
    await search.fill("99999")
    await expect(people).to_have_count(1)
    await expect(page.get_by_role("button", name="More")).to_be_hidden()
    await search.fill("capt")
    await expect(people).to_have_text(["PPerson 000077Captain"])
    await search.fill("")
    await expect(people).to_have_count(100)


async def test_a_small_one_needs_no_search(page: Page) -> None:
    await page.evaluate(OPEN, 3)
    await expect(page.locator(".person")).to_have_count(3)
    await expect(page.get_by_role("searchbox")).to_have_count(0)
    await page.get_by_role("button", name="Person 000003").click()
    await expect(page.get_by_role("dialog", name="Contact card")).to_contain_text("Person 000003")
