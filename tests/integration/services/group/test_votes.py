"""Votes in a group: one answer a member, secret ones that stay so, and a message that shows them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import eventually
from tests.integration.services.house import House, open_house, refused
from xinyu.base.errors import (
    ALREADY_VOTED,
    DISMISSED,
    FORBIDDEN,
    INVALID,
    MUTED,
    NOT_MEMBER,
    UNKNOWN_GROUP,
    UNKNOWN_VOTE,
    VOTE_ENDED,
    XinYuError,
)
from xinyu.delivery.outbox import Event
from xinyu.storage.database import cursor
from xinyu.wire.v1 import message_pb2, options_pb2
from xinyu_services.group import votes
from xinyu_services.group.events import VOTE

Band = tuple[int, int, int, int, int]


@pytest.fixture
async def house(storage: Storage) -> AsyncIterator[House]:
    async with open_house(storage, greeting="") as opened:
        yield opened


@pytest.fixture
async def band(house: House) -> Band:
    """The group of Ann's, its members Ann, Bob and Cat, and Ann's friend Dan."""
    ann, bob, cat, dan = [
        await house.user.register(f"1370000000{n}", name) for n, name in enumerate(("Ann", "Bob", "Cat", "Dan"))
    ]
    for friend in (bob, cat, dan):
        await house.befriend(ann, friend)
    group_id = (await house.post("group/create", ann, name="Band", user_ids=[bob, cat]))["group_id"]
    return group_id, ann, bob, cat, dan


async def execute(house: House, statement: str, *values: Any) -> None:
    database = house.platform.database
    await database.write(lambda c: cursor(c).execute(database.dialect.sql(statement), values) and None)


async def start(house: House, creator: int, group_id: int, title: str = "Where to?", **more: Any) -> int:
    """The number of the vote, as its message tells it."""
    body = {"title": title, "mode": 1, "is_anonymous": 1, "options": ["Sea", "Hills", "Home"]} | more
    assert await house.post("group-vote/create", creator, group_id=group_id, **body) == {}
    newest = (await house.records(creator, 2, group_id))[0]
    assert newest["msg_type"] == 11
    vote_id: int = json.loads(newest["extra"])["vote_id"]
    return vote_id


async def detail(house: House, member: int, vote_id: int, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = await house.post("group-vote/detail", member, vote_id=vote_id, **more)
    return found


async def submit(house: House, member: int, vote_id: int, *keys: str) -> Any:
    return await house.post("group-vote/submit", member, vote_id=vote_id, options=list(keys))


def nums(found: dict[str, Any]) -> list[int]:
    return [option["num"] for option in found["answer_options"]]


async def test_defect_32_a_vote_is_a_message_that_everybody_sees(house: House, band: Band) -> None:
    group_id, ann, bob, *_ = band
    vote_id = await start(house, bob, group_id)
    record = (await house.records(ann, 2, group_id))[0]
    assert (record["msg_type"], record["from_id"]) == (11, bob)
    assert json.loads(record["extra"]) == {"vote_id": vote_id}
    (entry,) = [each for each in await house.sessions(ann) if (each["talk_mode"], each["to_from_id"]) == (2, group_id)]
    assert (entry["msg_text"], entry["unread_num"]) == ("[投票消息]", 1)
    assert await detail(house, ann, vote_id) == {
        "vote_id": vote_id,
        "group_id": group_id,
        "title": "Where to?",
        "answer_mode": 1,
        "answer_options": [
            {"key": key, "value": value, "num": 0, "is_checked": False}
            for key, value in (("A", "Sea"), ("B", "Hills"), ("C", "Home"))
        ],
        "answer_num": 3,
        "answered_num": 0,
        "is_anonymous": 1,
        "answered_users": [],
        "is_submit": False,
        "status": 1,
        "created_by": bob,
    }


async def test_an_open_vote_tells_who_chose_what(house: House, band: Band) -> None:
    group_id, ann, bob, cat, _ = band
    vote_id = await start(house, ann, group_id, mode=2)
    await submit(house, bob, vote_id, "C", "A")
    house.platform.clock.advance_s(5)
    await submit(house, cat, vote_id, "C")
    found = await detail(house, bob, vote_id)
    assert nums(found) == [1, 0, 2]
    assert [option["is_checked"] for option in found["answer_options"]] == [True, False, True]
    assert (found["is_submit"], found["answered_num"], found["answer_num"]) == (True, 2, 3)
    assert found["answered_users"] == [
        {"user_id": bob, "nickname": "Bob", "options": ["A", "C"], "answer_time": "2026-09-21 22:13:20"},
        {"user_id": cat, "nickname": "Cat", "options": ["C"], "answer_time": "2026-09-21 22:13:25"},
    ]
    assert (await detail(house, ann, vote_id))["is_submit"] is False


async def test_a_secret_vote_never_tells_who(house: House, band: Band, monkeypatch: pytest.MonkeyPatch) -> None:
    # The order of the list is by chance: here the last one who answers stands first.
    places = iter((30, 20, 10))
    monkeypatch.setattr(votes.secrets, "randbelow", lambda _below: next(places))
    group_id, ann, bob, cat, _ = band
    vote_id = await start(house, ann, group_id, is_anonymous=2)
    for member, key in ((ann, "A"), (bob, "B"), (cat, "C")):
        await submit(house, member, vote_id, key)
        house.platform.clock.advance_s(1)
    found = await detail(house, bob, vote_id)
    assert found["is_anonymous"] == 2
    assert found["answered_users"] == [
        {"user_id": 0, "nickname": "", "options": [key], "answer_time": ""} for key in ("C", "B", "A")
    ]
    assert nums(found) == [1, 1, 1]
    # One's own choice is one's own to see.
    assert [option["is_checked"] for option in found["answer_options"]] == [False, True, False]
    for codec in (0, 1):
        assert "Bob" not in json.dumps(await detail(house, ann, vote_id, codec=codec))


async def test_one_vote_each(house: House, band: Band) -> None:
    group_id, ann, bob, *_ = band
    vote_id = await start(house, ann, group_id)
    for _ in range(2):
        assert await submit(house, bob, vote_id, "A") == {}, "the same answer again changes nothing"
    await refused(submit(house, bob, vote_id, "B"), ALREADY_VOTED)
    found = await detail(house, bob, vote_id)
    assert (nums(found), found["answered_num"], len(found["answered_users"])) == ([1, 0, 0], 1, 1)


async def test_two_answers_at_once_count_once(house: House, band: Band) -> None:
    group_id, ann, bob, cat, _ = band
    vote_id = await start(house, ann, group_id)
    answers = await asyncio.gather(
        *(submit(house, bob, vote_id, key) for key in "ABCABC"), *(submit(house, cat, vote_id, "C") for _ in range(3)),
        return_exceptions=True,
    )  # fmt: skip
    refusals = [answer for answer in answers if answer != {}]
    assert len(refusals) == 4
    assert all(isinstance(each, XinYuError) and each.code is ALREADY_VOTED for each in refusals)
    found = await detail(house, ann, vote_id)
    assert (sum(nums(found)), found["answered_num"], len(found["answered_users"])) == (2, 2, 2)


@pytest.mark.parametrize("keys", [["A", "B"], ["D"], ["a"], ["A", "A"], ["1"]])
async def test_what_is_no_answer_counts_nothing(house: House, band: Band, keys: list[str]) -> None:
    group_id, ann, bob, *_ = band
    vote_id = await start(house, ann, group_id)
    await refused(submit(house, bob, vote_id, *keys), INVALID)
    assert nums(await detail(house, bob, vote_id)) == [0, 0, 0]


async def test_only_members_vote_and_see(house: House, band: Band) -> None:
    group_id, ann, bob, _, dan = band
    vote_id = await start(house, ann, group_id)
    await refused(submit(house, dan, vote_id, "A"), NOT_MEMBER)
    await refused(detail(house, dan, vote_id), NOT_MEMBER)
    await refused(house.post("group-vote/list", dan, group_id=group_id), NOT_MEMBER)
    await refused(house.post("group-vote/finish", dan, vote_id=vote_id), NOT_MEMBER)
    body = {"title": "?", "options": ["a", "b"]}
    await refused(house.post("group-vote/create", dan, group_id=group_id, **body), NOT_MEMBER)
    await refused(house.post("group-vote/create", ann, group_id=99_999, **body), UNKNOWN_GROUP)
    await refused(submit(house, ann, 99_999, "A"), UNKNOWN_VOTE)
    await refused(detail(house, ann, 99_999), UNKNOWN_VOTE)
    await refused(house.post("group-vote/finish", ann, vote_id=99_999), UNKNOWN_VOTE)
    await submit(house, bob, vote_id, "A")
    await house.post("group/secede", bob, group_id=group_id)
    await refused(submit(house, bob, vote_id, "A"), NOT_MEMBER)
    found = await detail(house, ann, vote_id)
    assert (found["answer_num"], found["answered_num"]) == (2, 1), "what he said before he went still counts"
    await execute(house, "UPDATE group_info SET state = 2 WHERE group_id = ?", group_id)
    await refused(submit(house, ann, vote_id, "A"), DISMISSED)


async def test_after_the_end_nothing_counts(house: House, band: Band) -> None:
    group_id, ann, bob, cat, dan = band
    vote_id = await start(house, bob, group_id)
    await submit(house, bob, vote_id, "A")
    await refused(house.post("group-vote/finish", cat, vote_id=vote_id), FORBIDDEN)
    for _ in range(2):
        assert await house.post("group-vote/finish", bob, vote_id=vote_id) == {}
    await refused(submit(house, cat, vote_id, "A"), VOTE_ENDED)
    assert await submit(house, bob, vote_id, "A") == {}, "who lost the answer asks again"
    await house.post("group/invite", ann, group_id=group_id, user_ids=[dan])
    found = await detail(house, cat, vote_id)
    assert (found["status"], nums(found)) == (2, [1, 0, 0])
    assert (found["answer_num"], found["answered_num"]) == (3, 1), "those who could have voted then"
    # The owner ends what others have begun.
    other = await start(house, bob, group_id, title="When?")
    await house.post("group-vote/finish", ann, vote_id=other)
    assert (await detail(house, cat, other))["status"] == 2


async def test_answers_and_the_end_at_once_agree(house: House, band: Band) -> None:
    group_id, ann, bob, cat, _ = band
    vote_id = await start(house, ann, group_id)
    results = await asyncio.gather(
        submit(house, bob, vote_id, "A"),
        house.post("group-vote/finish", ann, vote_id=vote_id),
        submit(house, cat, vote_id, "B"),
        return_exceptions=True,
    )
    counted = sum(result == {} for result in (results[0], results[2]))
    found = await detail(house, ann, vote_id)
    assert (sum(nums(found)), found["answered_num"], found["status"]) == (counted, counted, 2)


async def test_creating_again_within_moments_is_one_vote(house: House, band: Band) -> None:
    group_id, ann, *_ = band
    body = {"title": "Where?", "options": ["a", "b"]}
    await asyncio.gather(*(house.post("group-vote/create", ann, group_id=group_id, **body) for _ in range(3)))
    assert [r["msg_type"] for r in await house.records(ann, 2, group_id)] == [11, 1101]
    await house.post("group-vote/create", ann, group_id=group_id, **body | {"options": ["b", "a"]})
    house.platform.clock.advance_s(31)
    await house.post("group-vote/create", ann, group_id=group_id, **body)
    assert len((await house.post("group-vote/list", ann, group_id=group_id))["items"]) == 3


async def test_the_list(house: House, band: Band, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(votes, "VOTES_PAGE", 2)
    group_id, ann, bob, *_ = band
    first = await start(house, ann, group_id, title="One")
    second = await start(house, bob, group_id, title="Two", mode=2, is_anonymous=2)
    third = await start(house, ann, group_id, title="Three", mode=0, is_anonymous=0)
    await submit(house, ann, second, "A", "B")
    await house.post("group-vote/finish", ann, vote_id=second)
    page = await house.post("group-vote/list", ann, group_id=group_id)
    assert [item["vote_id"] for item in page["items"]] == [third, second]
    assert page["items"][1] == {
        "vote_id": second,
        "title": "Two",
        "answer_mode": 2,
        "is_anonymous": 2,
        "status": 2,
        "created_by": bob,
        "created_at": "2026-09-21 22:13:20",
        "is_voted": True,
    }
    assert (page["items"][0]["answer_mode"], page["items"][0]["is_anonymous"]) == (1, 1), "0 = nothing picked"
    rest = await house.post("group-vote/list", ann, group_id=group_id, cursor=page["cursor"])
    assert [(item["vote_id"], item["is_voted"]) for item in rest["items"]] == [(first, False)]
    assert "cursor" not in rest


async def test_answers_come_in_pages(house: House, band: Band, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(votes, "ANSWERS_PAGE", 2)
    group_id, ann, bob, cat, _ = band
    for is_anonymous in (1, 2):
        vote_id = await start(house, ann, group_id, title=f"{is_anonymous}", is_anonymous=is_anonymous)
        for member, key in ((ann, "A"), (bob, "B"), (cat, "C")):
            await submit(house, member, vote_id, key)
        page = await detail(house, ann, vote_id)
        rest = await detail(house, ann, vote_id, cursor=page["cursor"])
        assert "cursor" not in rest
        shown = [answer["options"] for answer in page["answered_users"] + rest["answered_users"]]
        assert sorted(shown) == [["A"], ["B"], ["C"]]
        await refused(detail(house, ann, vote_id, cursor="x"), INVALID)


async def test_who_may_not_speak_starts_no_vote(house: House, band: Band) -> None:
    group_id, ann, bob, cat, _ = band
    body = {"group_id": group_id, "title": "?", "options": ["a", "b"]}
    until_ms = house.platform.clock.now + 1_000
    await execute(
        house, "UPDATE group_member SET muted_until_ms = ? WHERE group_id = ? AND user_id = ?", until_ms, group_id, bob
    )
    await refused(house.post("group-vote/create", bob, **body), MUTED)
    await execute(house, "UPDATE group_info SET mute_all = 1 WHERE group_id = ?", group_id)
    await refused(house.post("group-vote/create", cat, **body), MUTED)
    vote_id = await start(house, ann, group_id)
    assert await submit(house, bob, vote_id, "A") == {}, "voting is not speaking"


async def test_what_cannot_be_voted_on(house: House, band: Band, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(votes, "MAX_A_DAY", 2)
    group_id, ann, *_ = band
    for wrong in ({"title": " "}, {"options": ["a", " "]}, {"options": ["a", "a "]}, {"title": "a\nb"}):
        body = {"title": "?", "options": ["a", "b"]} | wrong
        await refused(house.post("group-vote/create", ann, group_id=group_id, **body), INVALID)
    for wrong in ({"title": "x" * 51}, {"options": ["a"]}, {"options": list("abcdefg")}, {"mode": 3}):
        body = {"title": "?", "options": ["a", "b"]} | wrong
        with pytest.raises(msgspec.ValidationError):
            await house.post("group-vote/create", ann, group_id=group_id, **body)
    assert await house.post("group-vote/list", ann, group_id=group_id) == {"items": []}
    for title in ("1", "2"):
        await start(house, ann, group_id, title=title)
    await refused(house.post("group-vote/create", ann, group_id=group_id, title="3", options=["a", "b"]), FORBIDDEN)
    house.platform.clock.advance_s(86_401)
    await start(house, ann, group_id, title="3")


async def test_new_answers_reach_open_pages_and_a_device_that_was_away(house: House, band: Band) -> None:
    group_id, ann, bob, cat, _ = band
    vote_id = await start(house, ann, group_id)
    sequence = (await house.records(ann, 2, group_id))[0]["sequence"]
    await house.platform.online(bob, 1)
    gateway = house.platform.gateway

    def changes() -> list[Any]:
        return [e["payload"] for e in gateway.told(bob, 1) if e["event"] == "talk.changed" and e["payload"]["records"]]

    target = message_pb2.TalkTarget(talk_mode=2, to_from_id=group_id)
    before = await house.message.open_talk(message_pb2.OpenTalkRequest(user_id=cat, target=target))
    await submit(house, cat, vote_id, "A")
    await eventually(lambda: len(changes()) == 1)
    (record,) = changes()[0]["records"]
    assert (record["sequence"], record["msg_type"]) == (sequence, 11)
    assert json.loads(record["extra"]) == {"vote_id": vote_id}, "nobody is named"
    await house.post("group-vote/finish", ann, vote_id=vote_id)
    await eventually(lambda: len(changes()) == 2)
    away = options_pb2.TalkCursor(
        talk_id=before.talk_id, sequence=before.last_sequence, change=before.change, named=True
    )
    page = await house.message.sync_talks(
        message_pb2.SyncTalksRequest(user_id=cat, talks=[away], talk_limit=10, record_limit=100, codec=1)  # type: ignore[arg-type]
    )
    (talk,) = [json.loads(each) for each in page.talks]
    assert [record["sequence"] for record in talk["records"]] == [sequence]
    assert talk["last_change"] == before.change + 2


async def test_a_recalled_vote_is_told_of_no_more(house: House, band: Band) -> None:
    group_id, ann, bob, *_ = band
    vote_id = await start(house, ann, group_id)
    target = message_pb2.TalkTarget(talk_mode=2, to_from_id=group_id)
    msg_id = f"vote-{vote_id}"
    await house.message.revoke(message_pb2.RevokeRequest(user_id=ann, target=target, msg_id=msg_id))
    before = await house.message.open_talk(message_pb2.OpenTalkRequest(user_id=ann, target=target))
    request = message_pb2.TouchMessageRequest(group_id=group_id, msg_id=msg_id, sender_id=ann)
    assert (await house.message.touch_message(request)).change == before.change
    request.msg_id = "nothing"
    assert (await house.message.touch_message(request)).change == before.change
    request.group_id = 99_999
    await refused(house.message.touch_message(request), UNKNOWN_GROUP)
    record = (await house.records(bob, 2, group_id))[0]
    assert (record["is_revoked"], record["extra"]) == (1, "{}")


async def test_the_command_of_a_dead_process_is_said_again(house: House, band: Band) -> None:
    group_id, ann, *_ = band
    vote_id = await start(house, ann, group_id)
    before = await house.records(ann, 2, group_id)
    await house.group_events.command(Event(VOTE, (vote_id,)))
    await house.group_events.command(Event(VOTE, (99_999,)))
    assert await house.records(ann, 2, group_id) == before
