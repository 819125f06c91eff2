"""What the user, contact and group rooms' routes take: the table of routes, and bodies that are refused unread."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from xinyu.gateway.http.route import Route
from xinyu.wire.v1.contact_rpc import ContactStub
from xinyu.wire.v1.group_rpc import GroupStub
from xinyu.wire.v1.presence_rpc import PresenceStub
from xinyu.wire.v1.talk_rpc import TalkStub
from xinyu.wire.v1.user_rpc import UserStub
from xinyu_services.contact import http as contact_http
from xinyu_services.group import http as group_http
from xinyu_services.user import http as user_http


class _NoChannel:
    async def call(self, *_: object, **__: object) -> object:
        raise AssertionError("a body that is refused reaches no room")


def _routes() -> dict[str, Route]:
    channel = _NoChannel()
    routes = [
        *user_http.routes(UserStub(channel), ZoneInfo("UTC")),
        *contact_http.routes(ContactStub(channel), PresenceStub(channel)),
        *group_http.routes(GroupStub(channel), TalkStub(channel), ZoneInfo("UTC")),
    ]
    return {route.path: route for route in routes}


ROUTES = _routes()


def test_defect_19_only_the_entry_is_open() -> None:
    entries = {
        *("auth/register", "auth/login", "auth/forget", "auth/oauth", "auth/oauth/login", "auth/oauth/bind"),
        *("common/send-sms", "common/send-email", "common/send-test", "common/verify-email"),
    }
    assert {path for path, route in ROUTES.items() if route.open} == entries
    assert {path for path, route in ROUTES.items() if route.limit == "entry"} == entries


def test_the_routes_are_those_of_the_contract() -> None:
    assert set(ROUTES) == {
        *("auth/register", "auth/login", "auth/forget", "auth/oauth", "auth/oauth/login", "auth/oauth/bind"),
        *("common/send-sms", "common/send-email", "common/send-test", "common/verify-email"),
        *("auth/logout-all", "user/delete"),  # ours, as the next line
        *("bot/create", "bot/delete", "bot/list", "bot/token-reset", "bot/update"),
        *("user/detail", "user/detail-update", "user/setting", "user/setting/save"),
        *("user/email-update", "user/mobile-update", "user/password-update"),
        *("contact/search", "contact/detail", "contact/list", "contact/online-status"),
        *("contact/delete", "contact/edit-remark", "contact/change-group", "contact/block", "contact/block-list"),
        *("contact-group/list", "contact-group/save"),
        *("contact-apply/create", "contact-apply/list", "contact-apply/accept"),
        *("contact-apply/decline", "contact-apply/unread-num"),
        *("group/create", "group/detail", "group/list", "group/member-list"),
        *("group/invite", "group/remove-member", "group/secede", "group/get-invite-friends"),
        *("group/assign-admin", "group/handover", "group/dismiss", "group/mute", "group/no-speak"),
        *("group/overt", "group/overt-list", "group/remark-update", "group/setting", "group/rules"),
        *("group-apply/create", "group-apply/agree", "group-apply/decline", "group-apply/delete"),
        *("group-apply/list", "group-apply/all", "group-apply/unread-num"),
        *("group-apply/mine", "group-notice/history"),  # ours
        "group-notice/edit",
        *("group-vote/create", "group-vote/detail", "group-vote/submit", "group-vote/list", "group-vote/finish"),
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("auth/login", {"mobile": "1380000000", "password": "x"}),
        ("auth/login", {"mobile": 13800000001, "password": "x"}),
        ("auth/login", {"mobile": "13800000001", "password": False}),
        ("auth/login", {"mobile": "13800000001", "password": ""}),
        ("auth/login", {"mobile": "13800000001", "password": "x" * 1025}),
        ("auth/login", {"mobile": "13800000001\n", "password": "x"}),
        ("auth/register", {"mobile": "23800000001", "password": "x", "nickname": "x"}),
        ("auth/register", {"mobile": "13800000001", "password": "x"}),
        ("auth/register", {"mobile": "13800000001", "password": "x", "nickname": "x", "sms_code": "1234567"}),
        ("common/send-sms", {"mobile": "13800000001"}),
        ("user/detail-update", {"gender": 3}),
        ("user/detail-update", {"gender": "1"}),
        ("user/detail-update", {"motto": "x" * 501}),
        ("user/detail-update", {"nickname": None}),
        ("user/setting/save", {"theme_mode": "pink"}),
        ("user/setting/save", {"notify_cue_tone": "yes"}),
        ("user/setting/save", {"theme_color": "x" * 33}),
        ("contact/search", {"mobile": "1" * 21}),
        ("contact/detail", {"user_id": "1"}),
        ("contact/online-status", {"user_id": 0}),
        ("contact-apply/create", {"user_id": 2**53, "remark": ""}),
        ("contact-apply/create", {"user_id": 1, "remark": "x" * 256}),
        ("contact-apply/accept", {"apply_id": 1.5}),
        ("contact-apply/decline", {}),
        ("group/create", {"name": "x"}),
        ("group/create", {"name": "x", "user_ids": ["1"]}),
        ("group/create", {"name": "x", "user_ids": [0]}),
        ("group/create", {"name": "x", "user_ids": [2**53]}),
        ("group/create", {"name": "x", "user_ids": list(range(1, 2_002))}),
        ("group/detail", {}),
        ("group/detail", {"group_id": -1}),
        ("group/detail", {"group_id": None}),
        ("group/get-invite-friends", {"group_id": -1}),
        ("group-apply/create", {"group_id": 1, "remark": "x" * 256}),
        ("group-apply/agree", {"apply_id": "1"}),
        ("group-notice/edit", {"group_id": 1}),
        ("group-notice/edit", {"group_id": 1, "content": "x" * 10_001}),
        ("group-vote/create", {"group_id": 1, "title": "x", "options": ["a"]}),
        ("group-vote/create", {"group_id": 1, "title": "x", "options": ["a"] * 7}),
        ("group-vote/create", {"group_id": 1, "title": "x" * 51, "options": ["a", "b"]}),
        ("group-vote/submit", {"vote_id": 1, "options": []}),
        ("group-vote/submit", {"vote_id": 1, "options": ["AB"]}),
        ("group-vote/submit", {"vote_id": 1, "options": [1]}),
    ],
)
def test_defect_43_what_is_no_request_is_refused(path: str, body: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(body), type=ROUTES[path].request_type)


def test_unknown_fields_are_ignored() -> None:
    body = {"mobile": "13800000001", "password": "correct horse", "platform": "web", "captcha": {"a": [1]}}
    assert msgspec.json.decode(json.dumps(body), type=ROUTES["auth/login"].request_type).mobile == "13800000001"
