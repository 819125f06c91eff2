"""Somebody at the chat page: a browser profile of his own, and what he does and sees there, in the page's words."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import BrowserContext, Locator, Page, Route, expect

PASSWORD = "correct horse"
_mobiles = itertools.count(13_900_000_001)

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


@dataclass
class Person:
    name: str
    origin: str
    context: BrowserContext
    page: Page
    mobile: str = field(default_factory=lambda: str(next(_mobiles)))
    complaints: list[str] = field(default_factory=list)

    @classmethod
    async def arrive(
        cls, context: BrowserContext, origin: str, name: str, *, websocket_url: str = ""
    ) -> Person:
        """Opens the page in a fresh context. `websocket_url` replaces the one that the server tells the page."""
        page = context.pages[0] if context.pages else await context.new_page()
        person = cls(name, origin, context, page)
        page.on("pageerror", lambda error: person.complaints.append(str(error)))
        page.on("console", lambda message: person._heard(message.type, message.text))
        page.on("dialog", lambda dialog: person.complaints.append(f"dialog: {dialog.message}"))
        if websocket_url:

            async def config(route: Route) -> None:
                await route.fulfill(json={"websocket_url": websocket_url, "version": "test"})

            await page.route("**/config.json", config)
        await page.goto(origin)
        return person

    def _heard(self, kind: str, text: str) -> None:
        """A browser reports a refused request or a lost socket as an error of its own; scripts must report none."""
        if kind == "error" and not text.startswith(("Failed to load resource", "WebSocket connection to")):
            self.complaints.append(text)

    async def leave(self) -> None:
        await self.context.close()
        assert self.complaints == []

    # ---------------------------------------------------------------- signing in

    async def register(self) -> None:
        await self.page.get_by_role("button", name="Create account").click()
        await self.page.get_by_label("Nickname").fill(self.name)
        await self.page.get_by_label("Mobile number").fill(self.mobile)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Create account").click()
        await self.connected()

    async def log_in(self, password: str = PASSWORD) -> None:
        await self.page.get_by_label("Mobile number").fill(self.mobile)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Log in").click()

    async def connected(self) -> None:
        await expect(self.connection).to_have_attribute("data-state", "connected", timeout=30_000)

    async def reload(self) -> None:
        await self.page.reload()
        await self.connected()

    # ---------------------------------------------------------------- the side

    @property
    def connection(self) -> Locator:
        return self.page.locator(".connection")

    def tab(self, name: str) -> Locator:
        return self.page.get_by_role("navigation").get_by_role("link", name=name)

    def entry(self, name: str) -> Locator:
        """The line of the conversation list."""
        return self.page.locator(".talk-item", has=self.page.locator(".talk-item-name", has_text=name))

    async def list_names(self) -> list[str]:
        return await self.page.locator(".talk-item-name").all_inner_texts()

    async def ask(self, other: Person) -> None:
        """Sends a contact request."""
        await self.page.locator(".side-header").get_by_role("button", name="Add contact").click()
        dialog = self.page.get_by_role("dialog")
        await dialog.get_by_label("Mobile number").fill(other.mobile)
        await dialog.get_by_role("button", name="Find").click()
        await dialog.get_by_label("A few words").fill(f"Hello, {self.name} here")
        await dialog.get_by_role("button", name="Send request").click()
        await expect(dialog).to_have_count(0)

    async def accept(self, other: Person) -> None:
        await self.tab("Contacts").click()
        request = self.page.get_by_role("list", name="Requests").locator(".person", has_text=other.name)
        await expect(request).to_contain_text(f"Hello, {other.name} here")
        await request.get_by_role("button", name="Accept").click()
        await expect(
            self.page.get_by_role("list", name="Friends").get_by_role("button", name=other.name)
        ).to_be_visible()

    async def befriend(self, other: Person) -> None:
        await self.ask(other)
        await other.accept(self)
        await self.tab("Contacts").click()
        await expect(
            self.page.get_by_role("list", name="Friends").get_by_role("button", name=other.name)
        ).to_be_visible()

    async def open_chat(self, name: str) -> None:
        await self.tab("Chats").click()
        await self.entry(name).click()
        await expect(self.page.locator(".chat-title")).to_have_text(name)

    async def make_group(self, name: str, *members: Person) -> None:
        await self.page.locator(".side-header").get_by_role("button", name="New group").click()
        dialog = self.page.get_by_role("dialog")
        await dialog.get_by_label("Group name").fill(name)
        for member in members:
            await dialog.get_by_role("checkbox", name=member.name).check()
        await dialog.get_by_role("button", name="Create").click()
        await expect(self.page.locator(".chat-title")).to_have_text(name)

    # ---------------------------------------------------------------- the chat

    @property
    def editor(self) -> Locator:
        return self.page.get_by_label("Write a message")

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("log")

    @property
    def texts(self) -> Locator:
        """The texts of all bubbles, in the order of display."""
        return self.log.locator(".message .text")

    def bubble(self, text: str) -> Locator:
        exact = self.page.locator(".text", has_text=text)
        return self.log.locator(".message", has=exact)

    def line(self, text: str) -> Locator:
        """A sentence in the middle."""
        return self.log.locator(".line", has_text=text)

    async def say(self, *texts: str) -> None:
        for text in texts:
            await self.editor.fill(text)
            await self.editor.press("Enter")

    async def act(self, text: str, action: str) -> None:
        """Opens the menu of the message and picks an action."""
        await self.bubble(text).hover()
        await self.bubble(text).get_by_role("button", name="Message actions").click()
        await self.page.get_by_role("menuitem", name=action, exact=True).click()

    async def pick(self, action: str) -> None:
        """Out of the menu of the open chat."""
        await self.page.get_by_role("button", name="Chat details").click()
        await self.page.get_by_role("menuitem", name=action, exact=True).click()

    async def send_more(self, action: str) -> None:
        """Out of the menu beside the editor."""
        await self.page.get_by_role("button", name="Send something else").click()
        await self.page.get_by_role("menuitem", name=action, exact=True).click()

    def dialog(self, name: str) -> Locator:
        return self.page.get_by_role("dialog", name=name, exact=True)

    # ---------------------------------------------------------------- what passes

    async def watch(self, selector: str) -> None:
        """Notes every text that these elements show from now on, however short."""
        await self.page.evaluate(
            """(selector) => {
                window.seen = new Set();
                const note = () => {
                    for (const node of document.querySelectorAll(selector)) window.seen.add(node.textContent);
                };
                const everything = { subtree: true, childList: true, characterData: true };
                new MutationObserver(note).observe(document.body, everything);
            }""",
            selector,
        )

    async def has_seen(self, *texts: str) -> None:
        seen: list[str] = []
        for _ in range(300):
            seen = await self.page.evaluate("() => [...window.seen]")
            if set(texts) <= set(seen):
                return
            await self.page.wait_for_timeout(100)
        raise AssertionError(f"{texts} were not shown, but {seen}")

    # ---------------------------------------------------------------- beside the page

    async def api(self, path: str, body: dict[str, Any]) -> Any:
        """A REST call with the login of the page."""
        token = await self.page.evaluate("() => JSON.parse(sessionStorage.getItem('xinyu.session')).token")
        answer = await self.page.request.post(
            f"{self.origin}/api/v1/{path}", data=body, headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status == 200, await answer.text()
        return await answer.json()

    async def user_id(self) -> int:
        uid = await self.page.evaluate("() => JSON.parse(sessionStorage.getItem('xinyu.session')).uid")
        assert isinstance(uid, int)
        return uid
