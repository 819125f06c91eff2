"""What clients read of a message."""

from __future__ import annotations

import html
import json
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinyu_services.directory import Name
from xinyu_services.message.editing import Version
from xinyu_services.message.model import StoredMessage, TalkKey
from xinyu_services.message.view import MessageView, escape_html

VIEW = MessageView(ZoneInfo("Asia/Shanghai"))
ANN = Name("Ann <b>", "a.png", known=True)


def stored(msg_type: int, extra: object, **changes: object) -> StoredMessage:
    fields = {"talk_id": 3, "sequence": 9, "msg_id": "m", "sender_id": 1, "msg_type": msg_type,
              "body": json.dumps(extra), "quote": '{"content":"<q>"}', "sent_at_ms": 1_790_000_000_123}  # fmt: skip
    return StoredMessage(**(fields | changes))  # type: ignore[arg-type]


@given(st.text())
def test_exactly_five_characters_are_escaped_and_can_be_turned_back(text: str) -> None:
    shown = escape_html(text)
    assert html.unescape(shown) == html.unescape(text.replace("&", "&amp;"))
    assert not set(shown) & set("<>\"'")
    assert shown.replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", '"').replace("&#39;", "'").replace(
        "&amp;", "&") == text  # fmt: skip


@pytest.mark.parametrize(
    ("msg_type", "extra", "shown"),
    [
        (1, {"content": "<i>", "mentions": [0]}, {"content": "&lt;i&gt;", "mentions": [0]}),
        (2, {"lang": "c", "code": "<i>"}, {"lang": "c", "code": "<i>"}),
        (12, {"items": [{"type": 1, "content": "<i>"}, {"type": 3, "content": "http://x/?a&b"}]},
             {"items": [{"type": 1, "content": "&lt;i&gt;"}, {"type": 3, "content": "http://x/?a&b"}]}),
        (1000, {"content": "<i>"}, {"content": "<i>"}),
        (1102, {"owner_id": 1, "owner_name": "<o>", "members": [{"user_id": 2, "nickname": "<n>"}]},
               {"owner_id": 1, "owner_name": "&lt;o&gt;", "members": [{"user_id": 2, "nickname": "&lt;n&gt;"}]}),
    ],
)  # fmt: skip
def test_only_what_the_reference_page_shows_as_html_is_escaped(msg_type: int, extra: object, shown: object) -> None:
    legacy = VIEW.record(stored(msg_type, extra), ANN, 0)
    assert json.loads(legacy.extra) == shown
    assert (legacy.nickname, legacy.quote) == ("Ann <b>", '{"content":"<q>"}')
    assert json.loads(VIEW.record(stored(msg_type, extra), ANN, 1).extra) == extra


@pytest.mark.parametrize(
    ("msg_type", "sentence"), [(1106, "<o> 解散了该群"), (1113, "<o> 将群主转让给了 <n>")]
)
def test_lines_that_the_reference_page_does_not_know_are_sentences_of_plain_text(msg_type: int, sentence: str) -> None:
    extra = {"owner_id": 1, "owner_name": "<o>", "members": [{"user_id": 2, "nickname": "<n>"}]}
    legacy = VIEW.record(stored(msg_type, extra), ANN, 0)
    assert (legacy.msg_type, json.loads(legacy.extra)) == (1000, {"content": sentence})
    ours = VIEW.record(stored(msg_type, extra), ANN, 1)
    assert (ours.msg_type, json.loads(ours.extra)) == (msg_type, extra)


def test_a_recalled_record_has_a_line_and_nothing_else() -> None:
    for codec in (0, 1):
        record = VIEW.record(stored(1, {"content": "secret"}, recalled_by=2), ANN, codec)
        assert (record.is_revoked, record.extra, record.quote, record.sequence) == (1, "{}", "{}", 9)


def test_an_edited_one_says_when_and_its_texts_are_escaped_for_the_reference() -> None:
    message = stored(1, {"content": "<b>"}, edited_at_ms=7)
    assert VIEW.record(message, ANN, 1).edited_at_ms == 7
    versions = [Version('{"content":"<a>"}', 0), Version('{"content":"<b>"}', 7)]
    assert [json.loads(each["extra"])["content"] for each in VIEW.versions(message, versions, 1)] == ["<a>", "<b>"]
    assert [json.loads(each["extra"])["content"] for each in VIEW.versions(message, versions, 0)] == [
        "&lt;a&gt;", "&lt;b&gt;"
    ]  # fmt: skip
    assert [each["edited_at_ms"] for each in VIEW.versions(message, versions, 0)] == [0, 7]
    update = json.loads(VIEW.updated(TalkKey(1, 1, 5), message, ANN, 3))
    assert (update["event"], update["payload"]["to_from_id"], update["ackid"]) == ("im.message.update", 5, "e-3-3")


def test_times_are_texts_of_the_cluster_s_zone() -> None:
    record = VIEW.record(stored(1, {"content": "x"}), ANN, 1)
    assert (record.send_time, record.sent_at_ms) == ("2026-09-21 22:13:20", 1_790_000_000_123)
    assert MessageView(ZoneInfo("UTC")).time_text(0) == "1970-01-01 00:00:00"


def test_events_name_a_single_chat_by_its_receiver_and_a_group_by_itself() -> None:
    message = stored(1, {"content": "x"})
    legacy = json.loads(VIEW.im_message(TalkKey(1, 1, 5), message, ANN, 0))
    assert (legacy["payload"]["to_from_id"], legacy["ackid"]) == (5, "m-3-9")
    ours = json.loads(VIEW.im_message(TalkKey(2, 77), message, ANN, 1))
    assert (ours["payload"]["to_from_id"], ours["payload"]["sequence"], "ackid" in ours) == (77, 9, False)
    update = json.loads(VIEW.session_update(TalkKey(1, 1, 5), 5, 1, "<x>", 1, "u-1"))
    assert (update["payload"]["to_from_id"], update["payload"]["msg_text"]) == (1, "&lt;x&gt;")


def test_what_was_not_delivered_says_so() -> None:
    record = VIEW.undelivered(0, 1, "m", 1, '{"content":"<x>"}', ANN, 5, 0)
    assert json.loads(record.extra) == {"content": "&lt;x&gt;", "invalid": True, "invalid_reason": "not_friend"}
    assert (record.status, record.sequence) == (3, 0)
