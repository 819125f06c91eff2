"""What may be forwarded, how copies are known again, and what a merged forward shows."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from xinyu.base.errors import INVALID, XinYuError
from xinyu_services.message.forwards import (
    MAX_COPIES,
    MAX_LINKS,
    MAX_SOURCES,
    MAX_TARGETS,
    Forward,
    check_bounds,
    check_sources,
    copies,
    targets_of,
)
from xinyu_services.message.model import Source, StoredMessage, TalkKey

ANN, BOB, CID = 1, 2, 3
GROUP = TalkKey(2, 7)


def stored(sequence: int, text: str = "", msg_type: int = 1, sender_id: int = BOB) -> StoredMessage:
    return StoredMessage(10, sequence, f"m{sequence}", sender_id, msg_type, json.dumps({"content": text}), "{}", 5)


def forward(action: int, count: int = 2, targets: tuple[TalkKey, ...] = (TalkKey(1, ANN, CID), GROUP)) -> Forward:
    return Forward(ANN, TalkKey(1, ANN, BOB), action, tuple(f"m{n}" for n in range(1, count + 1)), targets)


def invalid(call: object) -> bool:
    with pytest.raises(XinYuError) as caught:
        call()  # type: ignore[operator]
    return caught.value.code is INVALID


def test_each_target_once_users_first() -> None:
    assert targets_of(ANN, [CID, CID], [7, 7]) == (TalkKey(1, ANN, CID), GROUP)
    assert targets_of(CID, [ANN], []) == (TalkKey(1, ANN, CID),)


def test_what_is_too_much_or_nothing_is_refused() -> None:
    many = tuple(TalkKey(2, n) for n in range(1, MAX_TARGETS + 1))
    check_bounds(forward(2, MAX_SOURCES, many))
    check_bounds(forward(1, MAX_COPIES, (GROUP,)))
    for wrong in (
        forward(2, 0), forward(2, MAX_SOURCES + 1), forward(2, 1, ()), forward(2, 1, (*many, GROUP)),
        forward(1, MAX_COPIES // 2 + 1),
    ):  # fmt: skip
        assert invalid(lambda wrong=wrong: check_bounds(wrong))


@pytest.mark.parametrize(("msg_type", "one_by_one", "merged"), [(1, True, True), (9, True, True), (11, False, True),
    (13, False, True), (10, False, False), (1000, False, False), (1105, False, False)])  # fmt: skip
def test_messages_of_the_system_stay_and_votes_are_only_shown(msg_type: int, one_by_one: bool, merged: bool) -> None:
    sources = [stored(1), stored(2, msg_type=msg_type)]
    for action, is_allowed in ((1, one_by_one), (2, merged)):
        if is_allowed:
            check_sources(action, sources)
        else:
            assert invalid(lambda action=action: check_sources(action, sources))


def test_one_by_one_each_target_gets_each_in_the_order_of_the_talk() -> None:
    merged = stored(2, msg_type=9)
    inner = {(10, 2): [Source("deep", 4, 8)]}
    made = copies(forward(1), "token", [stored(1, "hi"), merged], inner, {})
    assert [(copy.key, copy.msg_type, copy.body) for copy in made] == [
        (key, source.msg_type, source.body)
        for key in (TalkKey(1, ANN, CID), GROUP)
        for source in (stored(1, "hi"), merged)
    ]
    assert [copy.sources for copy in made] == [(), (Source("deep", 4, 8),)] * 2
    assert len({copy.msg_id for copy in made}) == 4


def test_a_merged_one_names_its_sources_and_shows_the_first_few() -> None:
    sources = [stored(n, f"<{n}> " + "x" * 500) for n in range(1, 7)]
    inner = {(10, 3): [Source("deep", 4, 8), Source("m1", 10, 1)]}
    one, other = copies(forward(2, 6), "token", sources, inner, {BOB: "Bob"})
    assert (one.msg_type, one.body, one.sources) == (other.msg_type, other.body, other.sources)
    assert one.msg_id != other.msg_id
    body = json.loads(one.body)
    assert body["msg_ids"] == [f"m{n}" for n in range(1, 7)]
    assert (body["talk_type"], body["user_id"], body["receiver_id"]) == (1, ANN, BOB)
    assert [record["nickname"] for record in body["records"]] == ["Bob"] * 4
    assert body["records"][1]["content"] == "<2> " + "x" * 96
    assert one.sources == (*(Source(f"m{n}", 10, n) for n in range(1, 7)), Source("deep", 4, 8))


def test_the_same_try_makes_the_same_ids_and_another_one_others() -> None:
    ids = [[copy.msg_id for copy in copies(forward(1), token, [stored(1), stored(2)], {}, {})] for token in "aab"]
    assert ids[0] == ids[1]
    assert not set(ids[0]) & set(ids[2])


def test_too_many_within_these_are_refused() -> None:
    inner = {(10, 1): [Source(f"d{n}", 4, n) for n in range(MAX_LINKS // 2)]}
    assert invalid(lambda: copies(forward(2), "t", [stored(1, msg_type=9)], inner, {}))


def test_the_hash_of_a_request_is_of_all_that_is_asked() -> None:
    base = forward(1)
    others = [
        replace(base, action=2), replace(base, key=GROUP), replace(base, msg_ids=("m2", "m1")),
        replace(base, targets=(GROUP,)), replace(base, msg_id="mine"),
    ]  # fmt: skip
    assert base.content_hash == forward(1).content_hash
    assert len({each.content_hash for each in (base, *others)}) == 6
