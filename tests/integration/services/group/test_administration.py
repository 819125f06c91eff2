"""Running a group: who may do what, what others are told of it, and that a repeat changes nothing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.integration.services.group.band import Band
from tests.integration.services.house import refused
from xinyu.base.errors import (
    DISMISSED,
    FORBIDDEN,
    INVALID,
    MUTED,
    NOT_MEMBER,
    SELF,
    TOO_MANY_ADMINS,
    TOO_MANY_GROUPS,
    UNKNOWN_GROUP,
    UNKNOWN_USER,
)
from xinyu.storage.database import cursor
from xinyu.wire.v1 import media_pb2, message_pb2, talk_pb2
from xinyu_services.group.model import FOREVER_MS

PICTURE = "http://127.0.0.1:8080/media/2026/11/28/0123456789abcdef0123456789abcdef_32x32.png"


async def with_admin(band: Band) -> Band:
    await band.post("assign-admin", band.ann, user_id=band.bob, action=1)
    return band


# ---------------------------------------------------------------- roles


async def test_the_owner_makes_admins_and_ends_that(band: Band) -> None:
    await band.house.platform.online(band.cat, 1)
    for _ in range(2):
        await band.post("assign-admin", band.ann, user_id=band.bob, action=1)
    assert await band.leaders() == {band.ann: 1, band.bob: 2, band.cat: 3, band.dan: 3}
    assert (await band.post("detail", band.bob))["is_manager"] is True
    assert (await band.synced(band.bob))["member"] == {"state": "in", "role": 2, "muted_until_ms": 0}
    (told,) = await band.changes(band.cat)
    assert told["members"] == [{"user_id": band.bob, "role": 2, "state": "in", "muted_until_ms": 0}]
    await band.post("assign-admin", band.ann, user_id=band.bob, action=2)
    assert (await band.member(band.bob))["leader"] == 3
    assert (await band.synced(band.bob))["member"]["role"] == 3
    assert await band.lines(band.cat) == []


async def test_nobody_but_the_owner_makes_admins(band: Band) -> None:
    await with_admin(band)
    for actor in (band.bob, band.cat):
        await refused(band.post("assign-admin", actor, user_id=band.dan, action=1), FORBIDDEN)
        await refused(band.post("assign-admin", actor, user_id=band.ann, action=2), FORBIDDEN)
    await refused(band.post("assign-admin", band.eve, user_id=band.dan, action=1), NOT_MEMBER)
    await refused(band.post("assign-admin", band.ann, user_id=band.ann, action=2), SELF)
    await refused(band.post("assign-admin", band.ann, user_id=band.eve, action=1), UNKNOWN_USER)
    assert await band.leaders() == {band.ann: 1, band.bob: 2, band.cat: 3, band.dan: 3}


async def test_a_group_has_only_so_many_admins(band: Band) -> None:
    await with_admin(band)
    await band.post("assign-admin", band.ann, user_id=band.cat, action=1)
    await refused(band.post("assign-admin", band.ann, user_id=band.dan, action=1), TOO_MANY_ADMINS)
    await band.post("assign-admin", band.ann, user_id=band.bob, action=1)  # he is one already
    await band.post("remove-member", band.ann, user_ids=[band.cat])
    await band.post("assign-admin", band.ann, user_id=band.dan, action=1)
    assert await band.leaders() == {band.ann: 1, band.bob: 2, band.dan: 2}


async def test_an_admin_who_goes_and_comes_is_a_plain_member(band: Band) -> None:
    await with_admin(band)
    await band.post("secede", band.bob)
    await band.post("invite", band.ann, user_ids=[band.bob])
    assert (await band.member(band.bob))["leader"] == 3


# ---------------------------------------------------------------- handing over


async def test_a_group_is_handed_over(band: Band) -> None:
    await band.post("no-speak", band.ann, user_id=band.bob, action=1)
    for _ in range(2):  # the second is the client's whose first answer was lost
        await band.post("handover", band.ann, user_id=band.bob)
    assert await band.leaders() == {band.bob: 1, band.ann: 3, band.cat: 3, band.dan: 3}
    assert (await band.synced(band.bob))["member"] == {"state": "in", "role": 1, "muted_until_ms": 0}
    assert (await band.synced(band.ann))["member"]["role"] == 3
    # Clients tell their own groups from others by the creator.
    for user_id in (band.ann, band.bob):
        ((creator_id, leader),) = [
            (item["creator_id"], item["leader"]) for item in (await band.house.post("group/list", user_id))["items"]
        ]
        assert (creator_id, leader) == (band.bob, 1 if user_id == band.bob else 3)
    kind, body = (await band.lines(band.dan))[-1]
    assert (kind, body) == (
        1113,
        {"owner_id": band.ann, "owner_name": "Ann", "members": [{"user_id": band.bob, "nickname": "Bob"}]},
    )
    assert [kind for kind, _ in await band.lines(band.dan)] == [1109, 1113]
    await band.post("secede", band.ann)
    await band.post("dismiss", band.bob)


async def test_only_the_owner_hands_over_and_only_to_members(band: Band) -> None:
    await with_admin(band)
    for actor in (band.bob, band.cat):
        await refused(band.post("handover", actor, user_id=band.dan), FORBIDDEN)
        await refused(band.post("handover", actor, user_id=band.ann), FORBIDDEN)
    await refused(band.post("handover", band.ann, user_id=band.ann), SELF)
    await refused(band.post("handover", band.ann, user_id=band.eve), UNKNOWN_USER)
    await refused(band.post("handover", band.eve, user_id=band.ann), NOT_MEMBER)
    assert (await band.leaders())[band.ann] == 1
    await band.post("handover", band.ann, user_id=band.bob)
    # Not the repeat of what was done, but a second wish of one who owns nothing any more.
    await refused(band.post("handover", band.ann, user_id=band.cat), FORBIDDEN)
    band.house.platform.clock.advance_s(31)
    await refused(band.post("handover", band.ann, user_id=band.bob), FORBIDDEN)


async def test_two_heirs_at_once_leave_one_owner(band: Band) -> None:
    answers = await asyncio.gather(
        *(band.post("handover", band.ann, user_id=heir) for heir in (band.bob, band.cat)), return_exceptions=True
    )
    assert sorted(isinstance(answer, Exception) for answer in answers) == [False, True]
    assert sorted((await band.leaders()).values()) == [1, 3, 3, 3]


# ---------------------------------------------------------------- the end


async def test_a_dismissed_group_is_in_no_list_and_nobody_writes_in_it(band: Band) -> None:
    await band.say(band.bob, "the last words")
    await band.post("secede", band.dan)
    await band.house.platform.online(band.bob, 1)
    await band.post("dismiss", band.ann)
    assert (await band.lines(band.bob))[-1] == (1106, {"owner_id": band.ann, "owner_name": "Ann", "members": []})
    for user_id in (band.ann, band.bob, band.cat):
        assert await band.house.sessions(user_id) == []
        assert await band.house.post("group/list", user_id) == {"items": []}
        await refused(band.say(user_id, "too late"), DISMISSED)
        assert (await band.synced(user_id))["profile"]["dismissed"] is True
    # Who had left keeps what he could read, and hears no more.
    assert [entry["to_from_id"] for entry in await band.house.sessions(band.dan)] == [band.group_id]
    assert "profile" in (synced := await band.synced(band.dan)) and synced["last_sequence"] == 3
    assert (await band.changes(band.bob))[-1]["profile"]["dismissed"] is True
    for path, body in (
        ("detail", {}),
        ("member-list", {}),
        ("mute", {"action": 1}),
        ("setting", {"group_name": "Zombie"}),
        ("invite", {"user_ids": [band.eve]}),
        ("secede", {}),
    ):
        await refused(band.post(path, band.bob, **body), DISMISSED)
    target = message_pb2.TalkTarget(talk_mode=2, to_from_id=band.group_id)
    create = talk_pb2.CreateSessionRequest(user_id=band.bob, target=target)
    await refused(band.house.talk.create_session(create), DISMISSED)


async def test_a_group_is_dismissed_by_its_owner_once(band: Band) -> None:
    await with_admin(band)
    for actor in (band.bob, band.cat):
        await refused(band.post("dismiss", actor), FORBIDDEN)
    await refused(band.post("dismiss", band.eve), NOT_MEMBER)
    await refused(band.house.post("group/dismiss", band.ann, group_id=54_321), UNKNOWN_GROUP)
    await band.post("dismiss", band.ann)
    lines = await band.lines(band.ann)
    await band.post("dismiss", band.ann)  # the client that lost the answer
    assert await band.lines(band.ann) == lines
    await refused(band.post("dismiss", band.bob), DISMISSED)


async def test_the_end_of_a_large_group_writes_no_row_a_member(band: Band) -> None:
    """One of the group, one of its talk, the line, the owner's cursor: whoever is in."""
    def rows(connection: Any) -> list[Any]:
        c = cursor(connection)
        c.execute("SELECT user_id, state, revision, changed_at_ms FROM group_member ORDER BY user_id")
        found = list(c.fetchall())
        c.execute("SELECT user_id, state, revision FROM talk_member ORDER BY user_id")
        found += c.fetchall()
        c.execute("SELECT user_id, version, state FROM talk_session ORDER BY user_id")
        return found + list(c.fetchall())

    before = await band.house.platform.database.read(rows)
    band.house.platform.clock.advance_s(1)
    await band.post("dismiss", band.ann)
    assert await band.house.platform.database.read(rows) == before


# ---------------------------------------------------------------- mutes


async def test_all_plain_members_are_muted_and_may_speak_again(band: Band) -> None:
    await with_admin(band)
    await band.house.platform.online(band.dan, 1)
    for _ in range(2):
        await band.post("mute", band.bob, action=1)
    await refused(band.say(band.cat, "hush"), MUTED)
    await band.say(band.ann, "the owner speaks")
    await band.say(band.bob, "so does an admin")
    assert (await band.post("detail", band.cat))["is_mute"] == 1
    assert (await band.synced(band.cat))["profile"]["mute_all"] is True
    assert [change["profile"]["mute_all"] for change in await band.changes(band.dan) if "profile" in change] == [True]
    await band.post("mute", band.ann, action=2)
    await band.say(band.cat, "at last")
    told = [(kind, body["owner_name"], body["members"]) for kind, body in await band.lines(band.dan) if kind > 1000]
    assert told == [(1107, "Bob", []), (1108, "Ann", [])]
    for actor in (band.cat, band.dan):
        await refused(band.post("mute", actor, action=1), FORBIDDEN)
    await refused(band.post("mute", band.eve, action=1), NOT_MEMBER)


async def test_one_member_is_muted_until_somebody_ends_it(band: Band) -> None:
    await with_admin(band)
    await band.house.platform.online(band.dan, 1)
    for _ in range(2):
        await band.post("no-speak", band.bob, user_id=band.cat, action=1)
    await refused(band.say(band.cat, "hush"), MUTED)
    await band.say(band.dan, "others may")
    assert (await band.member(band.cat))["is_mute"] == 1
    assert (await band.synced(band.cat))["member"]["muted_until_ms"] == FOREVER_MS
    assert {"user_id": band.cat, "role": 3, "state": "in", "muted_until_ms": FOREVER_MS} in [
        member for change in await band.changes(band.dan) for member in change.get("members", ())
    ]
    # Leaving is no way out of it.
    await band.post("secede", band.cat)
    await band.post("invite", band.ann, user_ids=[band.cat])
    await refused(band.say(band.cat, "hush"), MUTED)
    for _ in range(2):
        await band.post("no-speak", band.ann, user_id=band.cat, action=2)
    await band.say(band.cat, "at last")
    assert (await band.member(band.cat))["is_mute"] == 2
    lines = [(kind, body["owner_name"], body["members"]) for kind, body in await band.lines(band.dan) if kind > 1104]
    named = [{"user_id": band.cat, "nickname": "Cat"}]
    assert lines == [(1109, "Bob", named), (1110, "Ann", named)]


async def test_a_mute_for_a_while_ends_by_itself(band: Band) -> None:
    clock = band.house.platform.clock
    await band.post("no-speak", band.ann, user_id=band.cat, action=1, duration_s=60)
    clock.advance_s(1)
    await band.post("no-speak", band.ann, user_id=band.cat, action=1, duration_s=60)  # a repeat: no second line
    await refused(band.say(band.cat, "hush"), MUTED)
    clock.advance_s(59)
    await band.say(band.cat, "at last")
    assert (await band.member(band.cat))["is_mute"] == 2
    await band.post("no-speak", band.ann, user_id=band.cat, action=2)  # nothing to end
    assert [kind for kind, _ in await band.lines(band.dan)] == [1109, 1]
    with pytest.raises(Exception, match="duration_s"):
        await band.post("no-speak", band.ann, user_id=band.cat, action=1, duration_s=-1)


async def test_whom_one_may_not_mute(band: Band) -> None:
    await with_admin(band)
    for actor, target in ((band.bob, band.ann), (band.ann, band.bob), (band.cat, band.dan), (band.cat, band.ann)):
        await refused(band.post("no-speak", actor, user_id=target, action=1), FORBIDDEN)
    await refused(band.post("no-speak", band.ann, user_id=band.ann, action=1), SELF)
    await refused(band.post("no-speak", band.ann, user_id=band.eve, action=1), UNKNOWN_USER)
    await refused(band.post("no-speak", band.eve, user_id=band.cat, action=1), NOT_MEMBER)
    # A muted member who is made an admin may speak.
    await band.post("no-speak", band.bob, user_id=band.cat, action=1)
    await band.post("assign-admin", band.ann, user_id=band.cat, action=1)
    await band.say(band.cat, "now I may")


# ---------------------------------------------------------------- profile and rules


async def test_the_profile_is_changed_and_emptied(band: Band) -> None:
    await with_admin(band)
    media = {"user_id": band.ann, "kind": 1, "name": "us.png", "size_bytes": 9, "width": 32, "height": 32}
    key = PICTURE.partition("/media/")[2]
    await band.house.media.stub.add_file(media_pb2.MediaFile(media_id=key[11:43], key=key, url=PICTURE, **media))
    await band.house.platform.online(band.dan, 1)
    assert (await band.synced(band.dan))["profile"]["name"] == "Band"  # kept by name for a while
    await band.post("setting", band.bob, group_name="<b>Us</b>", avatar=key[11:43], profile="We play.\nLoudly.")
    detail = await band.post("detail", band.dan)
    assert (detail["group_name"], detail["avatar"], detail["profile"]) == ("<b>Us</b>", PICTURE, "We play.\nLoudly.")
    profile = (await band.changes(band.dan))[-1]["profile"]
    assert (profile["name"], profile["avatar"]) == ("<b>Us</b>", PICTURE)
    assert (await band.synced(band.dan))["profile"] == profile
    assert [entry["name"] for entry in await band.house.sessions(band.dan)] == ["<b>Us</b>"]
    await band.post("setting", band.bob, group_name="Us")
    assert (await band.post("detail", band.dan))["avatar"] == PICTURE  # what is absent stays
    revision = await band.revision()
    await band.post("setting", band.bob, group_name="Us", avatar=PICTURE)
    assert await band.revision() == revision
    assert await band.lines(band.dan) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"group_name": ""},
        {"group_name": " "},
        {"group_name": "x" * 65},
        {"group_name": "a\x00b"},
        {"group_name": "Us", "profile": "x" * 256},
        {"group_name": "Us", "profile": "a\x00b"},
        {"group_name": "Us", "avatar": "https://elsewhere.example/a.png"},
        {"group_name": "Us", "avatar": "javascript:alert(1)"},
        {"group_name": "Us", "avatar": "f" * 32},
    ],
)
async def test_a_profile_that_is_none(band: Band, wrong: dict[str, Any]) -> None:
    await refused(band.post("setting", band.ann, **wrong), INVALID)
    detail = await band.post("detail", band.ann)
    assert (detail["group_name"], detail["avatar"], detail["profile"]) == ("Band", "", "")


async def test_plain_members_change_neither_profile_nor_rules(band: Band) -> None:
    for path, body in (
        ("setting", {"group_name": "Mine", "avatar": PICTURE}),
        ("setting", {"group_name": "Mine"}),
        ("rules", {"slow_mode_s": 5}),
    ):
        await refused(band.post(path, band.cat, **body), FORBIDDEN)
        await refused(band.post(path, band.eve, **body), NOT_MEMBER)
    assert (await band.post("detail", band.ann))["group_name"] == "Band"


async def test_the_rules_are_told(band: Band) -> None:
    await with_admin(band)
    await band.house.platform.online(band.dan, 1)
    await band.post("rules", band.bob, slow_mode_s=30)
    await band.post("rules", band.ann, mention_all=2)
    detail = await band.post("detail", band.dan)
    assert (detail["slow_mode_s"], detail["mention_all"]) == (30, 2)
    profiles = [change["profile"] for change in await band.changes(band.dan) if "profile" in change]
    assert [(each["slow_mode_s"], each["mention_all"]) for each in profiles] == [(30, 1), (30, 2)]
    assert (await band.synced(band.cat))["profile"] == profiles[-1]
    revision = await band.revision()
    await band.post("rules", band.ann, slow_mode_s=30, mention_all=2)
    await band.post("rules", band.ann)
    assert await band.revision() == revision


async def test_a_visit_card_is_one_s_own(band: Band) -> None:
    await band.post("remark-update", band.cat, remark="Cat at the drums")
    assert (await band.member(band.cat))["remark"] == "Cat at the drums"
    assert (await band.member(band.dan))["remark"] == ""
    assert (await band.post("detail", band.cat))["visit_card"] == "Cat at the drums"
    for wrong in ("<b>", "a\nb", "x" * 65):
        await refused(band.post("remark-update", band.cat, remark=wrong), INVALID)
    await refused(band.post("remark-update", band.eve, remark="Eve"), NOT_MEMBER)
    await band.post("remark-update", band.cat, remark="")
    assert (await band.member(band.cat))["remark"] == ""


# ---------------------------------------------------------------- limits


async def test_nobody_owns_or_joins_more_groups_than_he_may(band: Band) -> None:
    post = band.house.post
    for n in range(2):
        await post("group/create", band.ann, name=f"Own {n}", user_ids=[])
    await refused(post("group/create", band.ann, name="One too many", user_ids=[]), TOO_MANY_GROUPS)
    mine = (await post("group/create", band.dan, name="Dan's", user_ids=[band.ann]))["group_id"]
    await refused(post("group/handover", band.dan, group_id=mine, user_id=band.ann), TOO_MANY_GROUPS)
    # Ann owns three and is in Dan's: one more, and it is enough.
    await post("group/create", band.bob, name="Bob's", user_ids=[band.ann])
    await refused(post("group/create", band.bob, name="Bob's second", user_ids=[band.ann]), TOO_MANY_GROUPS)
    other = (await post("group/create", band.cat, name="Cat's", user_ids=[]))["group_id"]
    await refused(post("group/invite", band.cat, group_id=other, user_ids=[band.dan, band.ann]), TOO_MANY_GROUPS)
    assert {item["user_id"] for item in (await post("group/member-list", band.cat, group_id=other))["items"]} == {
        band.cat
    }
    # A group that has ended counts no more.
    await band.post("dismiss", band.ann)
    await post("group/invite", band.cat, group_id=other, user_ids=[band.ann])
    await post("group/create", band.bob, name="Bob's third", user_ids=[])


# ---------------------------------------------------------------- the lines as the reference client reads them


async def test_lines_that_the_reference_client_cannot_draw_are_sentences(band: Band) -> None:
    await band.house.platform.settled()  # what the making of the group said has been told
    await band.house.platform.online(band.cat, 0)
    await band.post("handover", band.ann, user_id=band.bob)
    await band.post("dismiss", band.bob)
    await band.house.platform.settled()
    events = band.house.platform.gateway.told(band.cat, 0)
    told = [event["payload"]["body"] for event in events if event["event"] == "im.message"]
    assert [(body["msg_type"], json.loads(body["extra"])) for body in told] == [
        (1000, {"content": "Ann 将群主转让给了 Bob"}),
        (1000, {"content": "Bob 解散了该群"}),
    ]
