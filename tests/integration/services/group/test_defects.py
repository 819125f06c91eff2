"""Defects of a reference backend that must not come back, as far as they concern running a group. The numbers are those
of the contract's list; those of making groups and belonging to them are in test_groups.py."""

from __future__ import annotations

from tests.integration.services.group.band import Band
from tests.integration.services.house import refused
from xinyu.base.errors import BLOCKED, DISMISSED, FORBIDDEN, MUTED, NOT_MEMBER
from xinyu.wire.v1 import talk_pb2


async def test_06_membership_mutes_and_the_end_are_enforced_where_one_sends(band: Band) -> None:
    await refused(band.say(band.eve, "I am not in it"), NOT_MEMBER)
    await band.post("no-speak", band.ann, user_id=band.bob, action=1)
    await refused(band.say(band.bob, "one is muted"), MUTED)
    await band.post("mute", band.ann, action=1)
    await refused(band.say(band.cat, "all are muted"), MUTED)
    await band.say(band.ann, "but the owner")
    await band.post("dismiss", band.ann)
    await refused(band.say(band.ann, "it is over"), DISMISSED)
    assert BLOCKED.status == MUTED.status == DISMISSED.status == 403


async def test_13_who_hides_a_group_is_told_of_its_changes(band: Band) -> None:
    await band.house.platform.online(band.bob, 1)
    target = {"talk_mode": 2, "to_from_id": band.group_id}
    await band.house.talk.delete_session(talk_pb2.DeleteSessionRequest(user_id=band.bob, target=target))
    assert await band.house.sessions(band.bob) == []
    await band.post("mute", band.ann, action=1)
    assert (await band.changes(band.bob))[-1]["profile"]["mute_all"] is True
    (entry,) = await band.house.sessions(band.bob)  # the line has brought it back
    assert (entry["to_from_id"], entry["unread_num"]) == (band.group_id, 2)


async def test_20_assign_admin_cannot_be_turned_on_the_owner(band: Band) -> None:
    await band.post("assign-admin", band.ann, user_id=band.bob, action=1)
    for actor in (band.bob, band.cat):
        for action in (1, 2):
            await refused(band.post("assign-admin", actor, user_id=band.ann, action=action), FORBIDDEN)
        await refused(band.post("no-speak", actor, user_id=band.ann, action=1), FORBIDDEN)
    assert await band.leaders() == {band.ann: 1, band.bob: 2, band.cat: 3, band.dan: 3}


async def test_30_roles_and_switches_count_as_the_client_does(band: Band) -> None:
    await band.post("assign-admin", band.ann, user_id=band.bob, action=1)
    assert await band.leaders() == {band.ann: 1, band.bob: 2, band.cat: 3, band.dan: 3}
    assert (await band.member(band.cat))["is_mute"] == 2
    await band.post("no-speak", band.bob, user_id=band.cat, action=1)
    assert (await band.member(band.cat))["is_mute"] == 1
    for action, shown in ((1, 1), (2, 0)):
        await band.post("overt", band.ann, action=action)
        assert (await band.post("detail", band.cat))["is_overt"] == action
        assert len((await band.house.post("group/overt-list", band.eve))["items"]) == shown


async def test_31_handing_over_and_the_visit_card_do_what_they_say(band: Band) -> None:
    await band.post("remark-update", band.bob, remark="Bob the bass")
    await band.post("handover", band.ann, user_id=band.bob)
    assert (await band.member(band.bob))["remark"] == "Bob the bass"
    assert (await band.leaders())[band.bob] == 1


async def test_33_every_change_of_a_group_leaves_its_line(band: Band) -> None:
    await band.post("invite", band.ann, user_ids=[band.eve])
    await band.post("secede", band.eve)
    await band.post("remove-member", band.ann, user_ids=[band.dan])
    await band.post("mute", band.ann, action=1)
    await band.post("mute", band.ann, action=2)
    await band.post("no-speak", band.ann, user_id=band.cat, action=1)
    await band.post("no-speak", band.ann, user_id=band.cat, action=2)
    await band.post("handover", band.ann, user_id=band.bob)
    await band.post("dismiss", band.bob)
    lines = await band.lines(band.cat)
    assert [kind for kind, _ in lines] == [1102, 1103, 1104, 1107, 1108, 1109, 1110, 1113, 1106]
    assert all(body["owner_name"] and isinstance(body["members"], list) for _, body in lines)
    assert await band.house.sessions(band.cat) == []


async def test_41_the_list_of_public_groups_counts_members(band: Band) -> None:
    await band.post("overt", band.ann, action=1)
    for change, count in (("secede", 3), ("invite", 4), ("remove-member", 3)):
        actor, more = (band.dan, {}) if change == "secede" else (band.ann, {"user_ids": [band.dan]})
        await band.post(change, actor, **more)
        (item,) = (await band.house.post("group/overt-list", band.eve))["items"]
        assert (item["count"], item["max_num"]) == (count, 10)


async def test_42_a_group_s_profile_can_be_emptied_and_what_is_absent_stays(band: Band) -> None:
    await band.post("setting", band.ann, group_name="Band", profile="We play.")
    await band.post("setting", band.ann, group_name="The Band")
    assert (await band.post("detail", band.bob))["profile"] == "We play."
    await band.post("setting", band.ann, group_name="The Band", avatar="", profile="")
    assert (await band.post("detail", band.bob))["profile"] == ""


async def test_48_mentioning_everybody_breaks_nothing(band: Band) -> None:
    await band.say(band.ann, "@all", [0])
    assert (await band.lines(band.bob))[-1] == (1, {"content": "@all", "mentions": [0]})
