"""The end of an account, and what it does in the rooms around."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import eventually
from tests.integration.services.house import House, open_house, refused
from xinyu.base.errors import DISMISSED, UNAVAILABLE, UNKNOWN_USER, WRONG_PASSWORD, XinYuError
from xinyu.storage.database import cursor
from xinyu.wire.v1 import group_pb2, message_pb2, user_pb2
from xinyu_services.contact import service as contact_service
from xinyu_services.group import service as group_service
from xinyu_services.user import logins

PASSWORD = "correct horse"


@pytest.fixture
async def house(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    async with open_house(storage, greeting="") as opened:

        async def sleep(seconds: float) -> None:
            opened.platform.clock.advance_s(seconds)

        monkeypatch.setattr(logins, "asyncio", SimpleNamespace(sleep=sleep))
        yield opened


async def register(house: House, *names: str) -> list[int]:
    return [await house.user.register(f"1390000{n:04d}", name) for n, name in enumerate(names)]


async def delete(house: House, user_id: int, password: str = PASSWORD) -> None:
    await house.user.stub.delete_account(
        user_pb2.DeleteAccountRequest(user_id=user_id, password=password, secure=True)
    )


async def settled(house: House) -> None:
    """All that was committed has been handed on, what that has committed, too."""
    for _ in range(3):
        await house.platform.settled()


async def rows(house: House, statement: str) -> list[tuple[Any, ...]]:
    def work(connection: Any) -> list[tuple[Any, ...]]:
        c = cursor(connection)
        c.execute(statement)
        return list(c.fetchall())

    return await house.platform.database.read(work)


async def leaders(house: House, asker: int, group_id: int) -> dict[int, int]:
    items = (await house.post("group/member-list", asker, group_id=group_id))["items"]
    return {item["user_id"]: item["leader"] for item in items}


async def test_nothing_of_a_person_is_left(house: House) -> None:
    (ann,) = await register(house, "Ann")
    await house.post("user/detail-update", ann, motto="me", gender=2, birthday="1990-01-01")
    await refused(delete(house, ann, "wrong horse"), WRONG_PASSWORD)
    await delete(house, ann)
    await settled(house)
    ((mobile, nickname, motto, gender, birthday, password_hash),) = await rows(
        house, "SELECT mobile, nickname, motto, gender, birthday, password_hash FROM user_account"
    )
    assert (mobile, nickname, motto, gender, birthday, password_hash) == (f"-{ann}", "Deleted user", "", 0, "", "")
    assert await rows(house, "SELECT COUNT(*) FROM login_log") == [(0,)]
    page = await house.user.stub.list_ended_logins(user_pb2.EndedLoginsRequest())
    assert [each.user_id for each in page.ended] == [ann]
    (name,) = (await house.user.stub.load_names(user_pb2.LoadNamesRequest(user_ids=[ann]))).names
    assert name.nickname == "Deleted user"
    await refused(delete(house, ann), UNKNOWN_USER)
    await refused(house.post("user/detail-update", ann, motto="still here"), UNKNOWN_USER)
    login = user_pb2.AuthenticateRequest(mobile="13900000000", password=PASSWORD, address="x", secure=True)
    await refused(house.user.stub.authenticate(login), WRONG_PASSWORD)
    assert await house.user.register("13900000000", "Ann again") != ann


async def test_friends_and_requests_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_service, "FORGET_PAGE", 2)
    ann, bob, cat, dan, eve, fay = await register(house, "Ann", "Bob", "Cat", "Dan", "Eve", "Fay")
    for friend in (bob, cat, dan):
        await house.befriend(ann, friend)
    await house.befriend(bob, cat)
    await house.post("contact-apply/create", ann, user_id=eve, remark="hello")
    await house.post("contact-apply/create", fay, user_id=ann, remark="hello")
    await house.platform.online(bob, 1)
    await delete(house, ann)
    await eventually_no_ties(house, ann)
    await settled(house)
    for friend in (bob, cat, dan):
        assert ann not in [item["user_id"] for item in (await house.post("contact/list", friend))["items"]]
    assert [item["user_id"] for item in (await house.post("contact/list", bob))["items"]] == [cat]
    assert (await house.post("contact-apply/list", eve))["items"] == []
    # His devices are told: first the name, then that the friendship is over.
    told = [event["payload"]["row"] for event in house.platform.gateway.told(bob, 1) if event["event"] == "row.changed"]
    about = [row for row in told if row.get("user_id") == ann]
    assert about[-1].get("deleted")
    # And nobody writes to him.
    text = message_pb2.NewMessage(
        user_id=bob, talk_mode=1, to_from_id=ann, msg_type=1, body=b'{"content":"are you there?"}', msg_id="late"
    )
    (result,) = (await house.message.send(message_pb2.SendRequest(messages=[text]))).results
    assert b"not_friend" in result.record or result.refusal.reason == "not_friend"
    await refused(house.post("contact-apply/create", bob, user_id=ann, remark="?"), UNKNOWN_USER)
    await refused(house.post("contact/detail", bob, user_id=ann), UNKNOWN_USER)


async def eventually_no_ties(house: House, user_id: int) -> None:
    while await house.platform.database.read(
        lambda connection: house.contact_store.ties(connection, user_id, 1)
    ):
        await house.platform.settled()


async def test_what_was_to_be_sent_later_is_not(house: House) -> None:
    ann, ben = await register(house, "Ann", "Ben")
    await house.befriend(ann, ben)
    for user_id, other in ((ann, ben), (ben, ann)):
        message = message_pb2.NewMessage(
            user_id=user_id, talk_mode=1, to_from_id=other, msg_type=1, body=b'{"content":"later"}'
        )
        at_ms = house.platform.clock.now_ms() + 3_600_000
        request = message_pb2.ScheduleRequest(message=message, type_name="text", send_at_ms=at_ms)
        await house.message.schedule(request)
    await delete(house, ann)
    await settled(house)
    assert await rows(house, "SELECT user_id FROM scheduled_message") == [(ben,)]


async def test_an_owner_is_followed_by_who_has_been_in_for_longest(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_service, "FORGET_GROUPS", 1)
    ann, bob, cat, dan = await register(house, "Ann", "Bob", "Cat", "Dan")
    for friend in (bob, cat, dan):
        await house.befriend(ann, friend)
    await house.befriend(bob, cat)

    numbers = itertools.count()

    async def group(owner: int, *others: int) -> int:
        """They come one after the other."""
        first = [others[0]] if others else []
        made = await house.post("group/create", owner, name=f"Band {next(numbers)}", user_ids=first)
        group_id: int = made["group_id"]
        for other in others[1:]:
            house.platform.clock.advance_s(1)
            await house.post("group/invite", owner, group_id=group_id, user_ids=[other])
        return group_id

    of_members, of_admins = await group(ann, dan, cat, bob), await group(ann, dan, cat)
    alone, of_bob = await group(ann), await group(bob, cat)
    await house.post("group/invite", bob, group_id=of_bob, user_ids=[ann])
    sql = house.platform.dialect.sql
    await house.platform.database.write(
        lambda connection: cursor(connection).execute(
            sql("UPDATE group_member SET role = 2 WHERE group_id = ? AND user_id = ?"), (of_admins, cat)
        )
        and None
    )
    await delete(house, ann)
    while await rows(house, f"SELECT 1 FROM group_member WHERE user_id = {ann} AND state = 1"):
        await settled(house)
    await settled(house)
    assert await leaders(house, bob, of_members) == {dan: 1, cat: 3, bob: 3}
    assert await leaders(house, cat, of_admins) == {cat: 1, dan: 3}
    assert await leaders(house, bob, of_bob) == {bob: 1, cat: 3}
    await refused(house.group.load_detail(group_pb2.GroupRequest(user_id=bob, group_id=alone)), DISMISSED)
    # The talk knows its new owner, and one line says who left.
    of_dan = {(session["talk_mode"], session["to_from_id"]): session["id"] for session in await house.sessions(dan)}
    talk_id = of_dan[2, of_members]
    page = await house.message.load_members(message_pb2.LoadMembersRequest(user_id=dan, talk_id=talk_id))
    assert {member.user_id: member.role for member in page.members if member.state == 1} == {dan: 1, cat: 3, bob: 3}
    newest = (await house.records(bob, 2, of_members))[0]
    assert newest["msg_type"] == 1103


async def test_a_room_that_is_away_is_told_later(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, bob = await register(house, "Ann", "Bob")
    await house.befriend(ann, bob)
    real, tries = house.contact_service.forget_user, 0

    async def away_at_first(user_id: int) -> bool:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise XinYuError(UNAVAILABLE)
        return await real(user_id)

    monkeypatch.setattr(house.contact_service, "forget_user", away_at_first)
    await delete(house, ann)
    await eventually(lambda: tries >= 2)
    await eventually_no_ties(house, ann)
    # Said once more, it changes nothing.
    versions = await rows(house, "SELECT user_id, friend_id, version FROM contact ORDER BY user_id, friend_id")
    assert not await house.contact_service.forget_user(ann)
    assert await rows(house, "SELECT user_id, friend_id, version FROM contact ORDER BY user_id, friend_id") == versions
