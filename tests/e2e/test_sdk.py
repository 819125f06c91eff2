"""The Python SDK against `xinyu serve`, in one process and with workers, and against a cluster behind nginx.

People meet, write, take back, hide, read, group, leave, and come back.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.forms import FORMS, EitherServer, running
from tests.server_process import ServerProcess
from xinyu.client import GROUP, SINGLE, ApiError, Client, ContactGroup, SendRefused, Typing

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", params=["one-process", "workers", "cluster"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EitherServer]:
    if request.param == "cluster":
        yield request.getfixturevalue("cluster")
        return
    arguments = ["--workers", "2"] if request.param == "workers" else []
    with ServerProcess(Path(tmp_path_factory.mktemp("sdk")) / "data", arguments=arguments) as server:
        yield server


class People:
    """Makes accounts, each with a mobile number of its own, and clients."""

    _count = 0

    def __init__(self, server: EitherServer) -> None:
        self.server = server
        self.clients: list[Client] = []

    async def join(self, nickname: str) -> Client:
        People._count += 1
        # Every second one speaks protobuf: whoever talks to somebody, talks to the other dialect.
        client = Client(self.server.http_url, dialect="protobuf" if People._count % 2 else "json")
        self.clients.append(client)
        await client.register(nickname, f"138{People._count:08}", "a good password")
        await client.start()
        return client

    async def second_device(self, client: Client) -> Client:
        other = Client(self.server.http_url, self.server.websocket_url, token=client.api.token, platform="app")
        self.clients.append(other)
        await other.start()
        return other


@pytest.fixture
async def people(server: EitherServer) -> AsyncIterator[People]:
    people = People(server)
    yield people
    for client in people.clients:
        await client.close()


async def until(client: Client, condition: Callable[[], Any]) -> None:
    """Looks again after each notice; a notice may have come before the first look."""

    async def wait() -> None:
        stream = client.events()
        while not condition():
            await anext(stream)

    await asyncio.wait_for(wait(), 10)


async def befriend(asker: Client, asked: Client) -> int:
    """Returns the talk's id."""
    mobile = (await asked.detail()).mobile
    found = await asker.search(mobile)
    assert found.user_id == asked.user_id
    await asker.apply(found.user_id, "it is me")
    [application] = await asked.applications()
    assert application.friend_id == asker.user_id
    session = await asked.accept(application.id)
    for client in (asker, asked):
        await until(client, lambda client=client: client.replica.conversation(session.id) is not None)
    return session.id


def texts(client: Client, talk_id: int) -> list[str]:
    return ["(recalled)" if record.recalled else record.text for record in client.replica.records(talk_id)]


async def test_two_people_meet_and_write(people: People) -> None:
    ada, bob = await people.join("Ada"), await people.join("Bob")
    talk_id = await befriend(ada, bob)
    tablet = await people.second_device(ada)
    record = await ada.send_text(SINGLE, bob.user_id, "<b>1 & 2</b> 你好")
    assert record.text == "<b>1 & 2</b> 你好"
    await until(bob, lambda: texts(bob, talk_id)[-1:] == [record.text])
    await until(tablet, lambda: texts(tablet, talk_id) == texts(bob, talk_id))
    assert ada.unread(talk_id) == 0
    assert bob.unread(talk_id) == 1
    talk = ada.talk(SINGLE, bob.user_id)
    assert talk is not None
    assert talk.name == "Bob"
    await bob.mark_read(talk_id)
    assert bob.unread(talk_id) == 0
    quoted = await bob.send_text(SINGLE, ada.user_id, "an answer", quote_id=record.msg_id)
    assert record.msg_id in quoted.quote
    await until(tablet, lambda: tablet.unread(talk_id) == 1)
    assert [c.user_id for c in await ada.contacts()] == [bob.user_id]


async def test_what_one_says_of_a_friend_reaches_ones_devices(people: People) -> None:
    ada, bob = await people.join("Ada"), await people.join("Bob")
    await befriend(ada, bob)
    phone = await people.second_device(ada)
    await ada.save_contact_groups([ContactGroup(id=0, name="Work", sort=1)])
    (work,) = await ada.contact_groups()
    await ada.move_contact(bob.user_id, work.id)
    await ada.edit_remark(bob.user_id, "Bobby")

    def noted() -> bool:
        (row,) = phone.replica.contact_rows("contact")
        return (row["remark"], row["group_id"]) == ("Bobby", work.id)

    await until(phone, noted)
    await until(phone, lambda: [row["count"] for row in phone.replica.contact_rows("group")] == [1])
    await ada.block(bob.user_id)
    assert [each.user_id for each in await ada.blocked()] == [bob.user_id]
    with pytest.raises(ApiError, match="does not take"):
        await bob.send_text(SINGLE, ada.user_id, "hi")
    await ada.block(bob.user_id, is_block=False)
    await ada.delete_contact(bob.user_id)
    await until(phone, lambda: phone.replica.contact_rows("contact") == [])
    assert [each.user_id for each in await bob.contacts()] == [ada.user_id]


async def test_an_emoticon_is_sent_as_a_picture(people: People) -> None:
    ada, bob = await people.join("Ada"), await people.join("Bob")
    await befriend(ada, bob)
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(file, "PNG")
    media = await ada.upload_picture(file.getvalue(), "smile.png")
    emoticon = await ada.add_emoticon(media.src)
    assert await ada.emoticons() == [emoticon]
    record = await ada.send(SINGLE, bob.user_id, "emoticon", {"emoticon_id": emoticon.emoticon_id})
    assert (record.msg_type, json.loads(record.extra)["url"]) == (3, media.src)
    await ada.delete_emoticon(emoticon.emoticon_id)
    assert await ada.emoticons() == []


async def test_recall_and_hide_reach_every_device(people: People) -> None:
    ada, bob = await people.join("Ada"), await people.join("Bob")
    talk_id = await befriend(ada, bob)
    phone = await people.second_device(bob)
    first = await ada.send_text(SINGLE, bob.user_id, "to be taken back")
    second = await ada.send_text(SINGLE, bob.user_id, "to be hidden")
    await ada.revoke(SINGLE, bob.user_id, first.msg_id)
    await bob.hide(SINGLE, ada.user_id, [second.msg_id])
    for device in (bob, phone):
        await until(device, lambda device=device: texts(device, talk_id)[-1:] == ["(recalled)"])
    assert texts(ada, talk_id)[-1] == "to be hidden"
    newest = (await bob.history(talk_id))[0]
    assert newest.sequence == first.sequence


async def test_a_group_and_its_members(people: People) -> None:
    ada, bob, eve = await people.join("Ada"), await people.join("Bob"), await people.join("Eve")
    await befriend(ada, bob)
    await befriend(ada, eve)
    group_id = await ada.create_group("climbing", [bob.user_id])
    await until(bob, lambda: bob.talk(GROUP, group_id) is not None)
    talk = bob.talk(GROUP, group_id)
    assert talk is not None
    talk_id = talk.talk_id
    await ada.send_text(GROUP, group_id, "before Eve")
    await ada.invite(group_id, [eve.user_id])
    await ada.send_text(GROUP, group_id, "with Eve")
    await until(eve, lambda: "with Eve" in texts(eve, talk_id))
    assert "before Eve" not in texts(eve, talk_id)
    assert {m.user_id for m in await eve.members(talk_id)} == {ada.user_id, bob.user_id, eve.user_id}
    assert {m.nickname for m in await ada.group_members(group_id)} == {"Ada", "Bob", "Eve"}
    assert {f.record.talk_id for f in (await ada.api.search_messages("EVE")).items} == {talk_id}
    assert len((await eve.api.search_messages("eve", talk=(GROUP, group_id))).items) == 1
    await bob.leave(group_id)
    await ada.remove_member(group_id, eve.user_id)
    await until(
        eve, lambda: (t := eve.talk(GROUP, group_id)) is not None and t.member is not None and t.member.state != "in"
    )
    stream = eve.events()
    with pytest.raises(ApiError) as caught:
        await eve.send_text(GROUP, group_id, "too late")
    assert caught.value.reason == "not_member"
    notices = [await asyncio.wait_for(anext(stream), 10)]
    assert isinstance(notices[0], SendRefused)
    await until(ada, lambda: ada.talk(GROUP, group_id) is not None and ada.is_synced)
    assert [m.user_id for m in await ada.members(talk_id)] == [ada.user_id]


async def test_a_text_to_a_stranger_is_answered_and_not_stored(people: People) -> None:
    ada, bob = await people.join("Ada"), await people.join("Bob")
    record = await ada.send_text(SINGLE, bob.user_id, "who are you?")
    assert record.undelivered
    assert record.status == 3
    assert record.body["invalid"] is True
    assert bob.conversations() == []


async def test_typing_is_seen(people: People) -> None:
    ada, bob = await people.join("Ada"), await people.join("Bob")
    await befriend(ada, bob)
    stream = bob.events()
    ada.typing(SINGLE, bob.user_id)

    async def heard() -> Typing:
        async for notice in stream:
            if isinstance(notice, Typing):
                return notice
        raise AssertionError("the stream ended")

    assert (await asyncio.wait_for(heard(), 10)).from_id == ada.user_id


async def test_the_list_is_pinned_cleared_and_hidden(people: People) -> None:
    ada, bob = await people.join("Ada"), await people.join("Bob")
    talk_id = await befriend(ada, bob)
    phone = await people.second_device(ada)
    await ada.send_text(SINGLE, bob.user_id, "one")
    await until(phone, lambda: texts(phone, talk_id)[-1:] == ["one"])
    await ada.clear_records(talk_id)
    await until(phone, lambda: texts(phone, talk_id) == [])
    await ada.hide_talk(talk_id)
    await until(phone, lambda: phone.conversations() == [])
    await bob.send_text(SINGLE, ada.user_id, "two")
    await until(phone, lambda: [view.talk_id for view in phone.conversations()] == [talk_id])


async def test_drafts_pins_and_settings_reach_every_device(people: People) -> None:
    ada, bob = await people.join("Ada"), await people.join("Bob")
    talk_id = await befriend(ada, bob)
    phone = await people.second_device(ada)

    async def told(*wanted: object) -> None:
        def shown() -> tuple[object, ...]:
            view = phone.replica.conversation(talk_id)
            return () if view is None else (view.draft, view.is_pinned, view.is_disturb)

        await until(phone, lambda: shown() == wanted)

    await ada.save_draft(talk_id, "half a sent")
    await ada.pin_talk(talk_id)
    await ada.silence_talk(talk_id)
    await told("half a sent", True, True)
    await phone.save_draft(talk_id, "")
    await ada.pin_talk(talk_id, is_pinned=False)
    await ada.silence_talk(talk_id, is_silent=False)
    await told("", False, False)
    await ada.api.change_settings(theme_mode="dark", notify_cue_tone="N")
    await ada.api.change_detail(motto="Slowly")
    settings = await ada.api.settings()
    assert (settings.theme_mode, settings.notify_cue_tone) == ("dark", "N")

    def row() -> tuple[str, str]:
        user = phone.replica.user_row or {"setting": {"theme_mode": ""}, "user_info": {"motto": ""}}
        return user["setting"]["theme_mode"], user["user_info"]["motto"]

    await until(phone, lambda: row() == ("dark", "Slowly"))


async def test_an_account_ends(people: People) -> None:
    ada, bob = await people.join("Ada"), await people.join("Bob")
    await befriend(ada, bob)
    with pytest.raises(ApiError, match="wrong_password"):
        await ada.api.delete_account("a bad password")
    await ada.api.delete_account("a good password")
    await until(bob, lambda: bob.replica.contact_rows("contact") == [])


async def test_away_and_back_from_a_stored_state(people: People) -> None:
    ada, bob = await people.join("Ada"), await people.join("Bob")
    talk_id = await befriend(ada, bob)
    await ada.stop()
    unsent = asyncio.ensure_future(ada.send_text(SINGLE, bob.user_id, "written while away"))
    await asyncio.sleep(0)
    state = ada.state()
    unsent.cancel()
    for number in range(30):
        await bob.send_text(SINGLE, ada.user_id, f"text {number}")
    again = Client(people.server.http_url, token=ada.api.token, state=state)
    people.clients.append(again)
    await again.start()
    await until(again, lambda: not again.unsent)
    history = await again.history(talk_id, limit=100)
    assert [r.sequence for r in history] == list(range(len(history), 0, -1))
    assert {f"text {n}" for n in range(30)} | {"written while away"} <= {r.text for r in history}


async def test_a_bad_token_is_said_at_once(server: EitherServer) -> None:
    async with Client(server.http_url, token="no token at all") as client:
        with pytest.raises(ApiError) as caught:
            await client.start()
        assert caught.value.status == 401
    async with Client(server.http_url) as client:
        with pytest.raises(ApiError) as caught:
            await client.login("13899999999", "a wrong password")
        assert caught.value.reason == "wrong_password"


@pytest.mark.parametrize("form", FORMS)
async def test_a_restart_of_the_server_is_lived_through(
    form: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Told 1012 and the delay, the client comes back by itself; what was sent meanwhile is stored."""
    with running(form, request, tmp_path / "data") as server:
        people = People(server)
        ada, bob = await people.join("Ada"), await people.join("Bob")
        try:
            talk_id = await befriend(ada, bob)
            await asyncio.to_thread(server.stop)
            await until(ada, lambda: not ada.is_connected)
            waiting = [asyncio.ensure_future(ada.send_text(SINGLE, bob.user_id, f"text {n}")) for n in range(5)]
            await asyncio.to_thread(server.start)
            records = await asyncio.wait_for(asyncio.gather(*waiting), 60)
            assert [record.text for record in records] == [f"text {n}" for n in range(5)]
            await bob.wait_synced(60)
            await until(bob, lambda: texts(bob, talk_id)[-5:] == [f"text {n}" for n in range(5)])
        finally:
            for client in people.clients:
                await client.close()


async def test_pictures_and_files(people: People, tmp_path: Path) -> None:
    ann, ben = await people.join("Ann"), await people.join("Ben")
    await befriend(ann, ben)
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(file, "PNG")
    picture = await ann.upload_picture(file.getvalue(), "sea.png")
    assert picture.size == (64, 48)
    assert picture.thumbnail.endswith("_64x48_small.webp")
    assert len(picture.blur) == 28
    sent = await ann.send_picture(SINGLE, ben.user_id, picture)
    await until(ben, lambda: (talk := ben.talk(SINGLE, ann.user_id)) and talk.last_sequence >= sent.sequence)
    body = (await ben.history(sent.talk_id, limit=1))[0].body
    assert (body["url"], body["thumbnail"], body["blur"]) == (picture.src, picture.thumbnail, picture.blur)
    with pytest.raises(ApiError) as refused:
        await ann.upload_picture(b"no picture")
    assert refused.value.reason == "unsupported_media"

    path, data, told = tmp_path / "plan.pdf", os.urandom(2_500_000), []
    path.write_bytes(data)
    upload_id = await ann.upload_file(path, on_progress=lambda sent, size: told.append((sent, size)))
    assert told == [(1 << 20, len(data)), (2 << 20, len(data)), (len(data), len(data))]
    assert await ann.upload_file(path, upload_id=upload_id) == upload_id, "nothing is left to do"
    record = await ann.send_file(SINGLE, ben.user_id, upload_id)
    assert (record.body["name"], record.body["size"]) == ("plan.pdf", len(data))
    assert await ben.download_file(record.msg_id) == data


async def test_an_upload_that_was_interrupted_goes_on(people: People) -> None:
    ann = await people.join("Ann")
    data = os.urandom(2_500_000)
    seen: list[str] = []
    call_form = ann.api.call_form

    async def breaks(shape: Any, path: str, fields: dict[str, str], part: bytes, name: str) -> Any:
        if fields["split_index"] == "2":
            seen.append(fields["upload_id"])
            raise ApiError(400, 400, "invalid", "the cable")
        return await call_form(shape, path, fields, part, name)

    ann.api.call_form = breaks  # type: ignore[method-assign]
    with pytest.raises(ApiError, match="the cable"):
        await ann.upload_file(data, "a.bin")
    ann.api.call_form = call_form  # type: ignore[method-assign]
    told: list[int] = []
    assert await ann.upload_file(data, upload_id=seen[0], on_progress=lambda sent, _: told.append(sent)) == seen[0]
    assert told == [2 << 20, len(data)], "the first part was there"
    with pytest.raises(ValueError, match="bytes are not"):
        await ann.upload_file(data + b"x", upload_id=seen[0])
