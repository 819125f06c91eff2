"""The page in the reader's language, and in the one that he picks."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Arrive

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_chinese_browser_gets_a_chinese_page_and_may_switch(arrive: Arrive) -> None:
    li = await arrive("李雷", register=False, locale="zh-CN")
    page = li.page
    assert await page.evaluate("document.documentElement.lang") == "zh"
    await page.get_by_role("button", name="注册账号").click()
    await page.get_by_label("昵称").fill("李雷")
    await page.get_by_label("手机号").fill("12345")
    await page.get_by_label("密码").fill("correct horse")
    await page.get_by_role("button", name="注册账号").click()
    await expect(page.get_by_role("alert")).to_have_text("手机号为 11 位数字，以 1 开头。")
    await page.get_by_label("手机号").fill(li.mobile)
    await page.get_by_role("button", name="注册账号").click()
    await li.connected()
    await expect(page.get_by_text("还没有聊天")).to_be_visible()
    # A refusal of the server's, too.
    await page.get_by_role("button", name="退出登录").click()
    await page.get_by_label("手机号").fill(li.mobile)
    await page.get_by_label("密码").fill("not the password")
    await page.get_by_role("button", name="登录").click()
    await expect(page.get_by_role("alert")).to_have_text("手机号或密码不正确。")
    await page.get_by_role("button", name="English").click()
    await li.log_in()
    await li.connected()
    await expect(page.get_by_text("No chats yet")).to_be_visible()
    await li.reload()
    await expect(page.get_by_text("No chats yet")).to_be_visible()
    await page.locator(".side-header").get_by_role("button", name="中文").click()
    await li.connected()
    await expect(page.get_by_text("还没有聊天")).to_be_visible()


async def test_one_sees_which_friends_are_online(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    subtitle = alice.page.locator(".chat-subtitle")
    await expect(subtitle).to_have_text("online")
    await expect(alice.entry("Bob").locator(".presence")).to_have_attribute("title", "online")
    await bob.page.goto("about:blank")
    await expect(subtitle).to_contain_text("last seen")
    await expect(alice.entry("Bob").locator(".presence.is-online")).to_have_count(0)
    await bob.page.goto(bob.origin)
    await bob.connected()
    await expect(subtitle).to_have_text("online")
