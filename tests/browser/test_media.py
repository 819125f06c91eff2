"""Pictures and files at the page: picked, on their way, shown, fetched."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Route, expect

from tests.browser.conftest import Arrive
from tests.browser.person import Person

pytestmark = pytest.mark.asyncio(loop_scope="module")


def picture(width: int, height: int) -> bytes:
    file = io.BytesIO()
    red, green = Image.linear_gradient("L").resize((width, height)), Image.new("L", (width, height), 120)
    Image.merge("RGB", (red, green, red.rotate(180))).save(file, "PNG")
    return file.getvalue()


async def pick(person: Person, label: str, *files: tuple[str, str, bytes]) -> None:
    """Chooses files in the dialog that the button of this name opens."""
    async with person.page.expect_file_chooser() as opened:
        await person.page.get_by_role("button", name=label).click()
    payloads = [{"name": name, "mimeType": kind, "buffer": data} for name, kind, data in files]
    await (await opened.value).set_files(payloads)  # type: ignore[arg-type]


async def test_a_picture_and_a_file(arrive: Arrive, tmp_path: Path) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    await bob.open_chat("Alice")

    held = asyncio.Event()

    async def hold(route: Route) -> None:
        await held.wait()
        await route.continue_()

    # The layout must not wait for the bytes.
    await bob.page.route("**/media/**", hold)
    await pick(alice, "Send a picture", ("lake.png", "image/png", picture(640, 320)))
    await expect(alice.log.locator("img.picture")).to_have_count(1)
    shown = bob.log.locator("img.picture")
    await expect(shown).to_have_attribute("width", "320")
    await expect(shown).to_have_attribute("height", "160")
    before = await shown.bounding_box()
    blurred = bob.log.locator("canvas.picture-blur")
    await expect(blurred).to_have_count(1)
    red, *_ = await blurred.evaluate("(canvas) => [...canvas.getContext('2d').getImageData(16, 1, 1, 1).data]")
    red_below, *_ = await blurred.evaluate("(canvas) => [...canvas.getContext('2d').getImageData(16, 30, 1, 1).data]")
    assert red < 80 < 180 < red_below  # the picture grows red downwards, and its blur does
    held.set()
    await bob.page.wait_for_function("() => document.querySelector('img.picture').naturalWidth >= 320")
    await expect(bob.log.locator(".picture-blur")).to_have_count(0)
    after = await shown.bounding_box()
    assert before is not None
    assert after is not None
    assert (before["width"], before["height"]) == (after["width"], after["height"]) == (320, 160)
    await expect(bob.entry("Alice")).to_contain_text("[Picture]")

    data = os.urandom(2_500_000)
    await alice.watch("progress")
    await pick(alice, "Send a file", ("plan <b>.pdf", "application/pdf", data))
    link = bob.log.get_by_role("button", name="Download plan <b>.pdf")
    await expect(link).to_contain_text("2.5 MB")
    async with bob.page.expect_download() as started:
        await link.click()
    download = await started.value
    await download.save_as(tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == data
    assert await bob.page.evaluate("document.body.outerHTML.includes('token=')") is False

    await expect(alice.log.get_by_role("button", name="Download plan <b>.pdf")).to_have_count(1)
    await expect(alice.log.locator("progress")).to_have_count(0)
    for person in (alice, bob):
        await person.reload()
        await expect(person.log.locator("img.picture")).to_have_count(1)
        await expect(person.log.locator("button.file")).to_have_count(1)
    await bob.page.screenshot(path=tmp_path / "media-desktop.png", animations="disabled", caret="hide")
    await alice.page.set_viewport_size({"width": 390, "height": 844})
    await alice.page.screenshot(path=tmp_path / "media-phone.png", animations="disabled", caret="hide")


async def test_progress_cancel_refusal_and_retry(arrive: Arrive, tmp_path: Path) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    held, failing = asyncio.Event(), True

    async def second_part(route: Route) -> None:
        if b'"split_index"\r\n\r\n2\r\n' not in (route.request.post_data_buffer or b""):
            await route.continue_()
        elif failing:
            await held.wait()
            await route.fulfill(status=400, json={"code": 400, "message": "The disk is tired.", "data": None})
        else:
            await route.continue_()

    await alice.page.route("**/upload/multipart", second_part)
    data = os.urandom(2_500_000)
    await pick(alice, "Send a file", ("big.bin", "application/octet-stream", data), ("more.bin", "text/plain", b"1"))
    bar = alice.log.get_by_role("progressbar", name="Uploading big.bin")
    await expect(bar).to_have_js_property("value", 41)  # the first part of three is through
    await alice.page.screenshot(path=tmp_path / "upload-desktop.png", animations="disabled", caret="hide")
    held.set()
    await expect(alice.log.get_by_role("alert")).to_contain_text("The disk is tired.")
    await expect(alice.log.get_by_role("button", name="Download more.bin")).to_have_count(1)
    failing = False
    await alice.log.get_by_role("button", name="Retry").click()
    await expect(alice.log.get_by_role("button", name="Download big.bin")).to_have_count(1)

    await pick(alice, "Send a picture", ("page.png", "image/png", b"<html>"))
    await expect(alice.log.get_by_role("alert")).to_contain_text("Files of this kind are not taken here.")
    await alice.log.get_by_role("button", name="Discard").click()
    await expect(alice.log.get_by_role("alert")).to_have_count(0)

    failing, held = True, asyncio.Event()
    await pick(alice, "Send a file", ("never.bin", "application/octet-stream", data))
    await expect(alice.log.get_by_role("progressbar")).to_have_js_property("value", 41)
    await alice.log.get_by_role("button", name="Cancel").click()
    await expect(alice.log.get_by_role("progressbar")).to_have_count(0)
    held.set()
    await alice.say("done")
    await expect(alice.bubble("done")).to_have_attribute("data-state", "sent")
    await expect(alice.log.locator("button.file")).to_have_count(2)
