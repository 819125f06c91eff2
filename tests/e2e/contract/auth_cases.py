"""`auth/*`."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp

from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.contract.sent_codes import code_to, other_than
from tests.e2e.plain_client import Json, Person
from tests.openid_provider import OAUTH_TYPE, REDIRECT_URI

PASSWORD = "correct horse battery"


@case("auth/register")
async def register(world: World) -> Case:
    ann = await world.person()
    mobile = world.mobile()
    request = {"nickname": "Ben", "mobile": mobile, "password": PASSWORD, "platform": "web", "sms_code": "123456"}

    async def then(answer: Any) -> None:
        assert answer["type"] == "Bearer"
        ben = await world.person()
        await ben.enter(answer)
        detail = await ben.ok("user/detail")
        assert (detail["mobile"], detail["nickname"]) == (mobile, "Ben")
        # Once more: the same account.
        again = await ben.ok("auth/register", request)
        await ben.enter(again)
        assert ben.user_id == detail["id"]

    return Case(
        ann,
        request,
        refused=[
            Refused({"mobile": "23800000001"}, 400, "invalid"),
            Refused({"mobile": "1380000000"}, 400, "invalid"),
            Refused({"mobile": ann.mobile, "password": "another password"}, 400, "mobile_taken"),
            Refused({"nickname": ""}, 400, "invalid"),
            Refused({"nickname": "<b>"}, 400, "invalid"),
            Refused({"nickname": "x" * 65}, 400, "invalid"),
            Refused({"password": "1234567"}, 400, "invalid"),
            Refused({"password": "x" * 129}, 400, "invalid"),
            Refused({"sms_code": "1234567"}, 400, "invalid"),
        ],
        then=then,
    )


@case("auth/login")
async def login(world: World) -> Case:
    ann = await world.person()

    async def then(answer: Any) -> None:
        user_id = ann.user_id
        await ann.enter(answer)
        assert ann.user_id == user_id

    return Case(
        ann,
        {"mobile": ann.mobile, "password": PASSWORD, "platform": "pc"},
        refused=[
            Refused({"mobile": "123"}, 400, "invalid"),
            Refused({"password": "wrong horse"}, 400, "wrong_password"),
            Refused({"mobile": world.mobile()}, 400, "wrong_password"),
            Refused({"password": ""}, 400, "invalid"),
            Refused({"password": "A" * 344}, 400, "wrong_password"),
        ],
        then=then,
    )


@case("auth/forget")
async def forget(world: World) -> Case:
    ann = await world.person()
    nobody = world.mobile()
    for mobile in (ann.mobile, nobody):
        # Never in the answer: it opens an account.
        assert await ann.ok("common/send-sms", {"mobile": mobile, "channel": "forget_account"}) == {}
    code = code_to(world, ann.mobile, "forget_account")
    request = {"mobile": ann.mobile, "password": "a new password", "sms_code": code}

    async def then(_: Any) -> None:
        await ann.refused("auth/login", {"mobile": ann.mobile, "password": PASSWORD}, 400)
        await ann.enter(await ann.ok("auth/login", {"mobile": ann.mobile, "password": "a new password"}))
        await ann.ok("auth/forget", request)  # the answer was lost
        await ann.refused("auth/forget", request | {"password": "yet another one"}, 400)

    return Case(
        ann,
        request,
        refused=[
            Refused({"sms_code": other_than(code)}, 400, "wrong_code"),
            Refused({"sms_code": ""}, 400, "wrong_code"),
            Refused({"mobile": nobody}, 400, "wrong_code"),
            # Whoever gets the code of a number without an account is told no more than who guesses.
            Refused({"mobile": nobody, "sms_code": code_to(world, nobody, "forget_account")}, 400, "wrong_code"),
            Refused({"mobile": "123"}, 400, "invalid"),
            Refused({"password": "1234567"}, 400, "invalid"),
        ],
        then=then,
    )


async def came_back(person: Person, subject: str) -> Json:
    """Of a browser that was at the provider: code and state."""
    uri = (await person.ok("auth/oauth", {"oauth_type": OAUTH_TYPE}))["uri"]
    async with aiohttp.ClientSession() as browser:
        async with browser.get(f"{uri}&login_hint={subject}", allow_redirects=False) as answer:
            assert answer.status == 302
            location = answer.headers["Location"]
    assert location.startswith(f"{REDIRECT_URI}?")
    query = parse_qs(urlsplit(location).query)
    return {"oauth_type": OAUTH_TYPE, "code": query["code"][0], "state": query["state"][0]}


async def bind_token(person: Person, subject: str) -> str:
    answer = await person.ok("auth/oauth/login", await came_back(person, subject))
    assert answer["is_authorize"] == "N"
    token: str = answer["bind_token"]
    return token


async def bound(world: World, person: Person, subject: str) -> Json:
    """The request that gives the identity to this person's account."""
    await person.ok("common/send-sms", {"mobile": person.mobile, "channel": "oauth_bind"})
    return {
        "bind_token": await bind_token(person, subject),
        "mobile": person.mobile,
        "sms_code": code_to(world, person.mobile, "oauth_bind"),
    }


@case("auth/oauth")
async def oauth(world: World) -> Case:
    ann = await world.person()

    async def then(answer: Any) -> None:
        query = parse_qs(urlsplit(answer["uri"]).query)
        assert query["code_challenge_method"] == ["S256"]
        assert query["redirect_uri"] == [REDIRECT_URI]
        assert {"state", "nonce", "code_challenge"} <= set(query)

    return Case(
        ann,
        {"oauth_type": OAUTH_TYPE},
        refused=[
            Refused({"oauth_type": "gitee"}, 404, "unknown_provider"),
            Refused({"oauth_type": ""}, 400, "invalid"),
        ],
        then=then,
    )


@case("auth/oauth/login")
async def oauth_login(world: World) -> Case:
    ann = await world.person()
    subject = f"login-{ann.user_id}"
    await ann.ok("auth/oauth/bind", await bound(world, ann, subject))
    request = await came_back(ann, subject)
    other, another = await came_back(ann, subject), await came_back(ann, subject)

    async def then(answer: Any) -> None:
        assert (answer["is_authorize"], answer["bind_token"]) == ("Y", "")
        user_id = ann.user_id
        await ann.enter(answer["authorize"])
        assert ann.user_id == user_id
        await ann.refused("auth/oauth/login", request, 400)  # a code is spent once

    return Case(
        ann,
        request,
        refused=[
            Refused({"oauth_type": "gitee"}, 404, "unknown_provider"),
            Refused({"state": "made up"}, 400, "oauth_refused"),
            # A code fits the state that it came back with, and no other.
            Refused({"code": other["code"], "state": another["state"]}, 400, "oauth_refused"),
            Refused({"state": (await came_back(ann, subject))["state"], "code": "made up"}, 400, "oauth_refused"),
            Refused({"code": ""}, 400, "invalid"),
        ],
        then=then,
    )


@case("auth/oauth/bind")
async def oauth_bind(world: World) -> Case:
    ann, ben = await world.people(2)
    subject, mobile = f"bind-{ann.user_id}", world.mobile()
    request = await bound(world, ann, subject)
    await ann.ok("common/send-sms", {"mobile": mobile, "channel": "oauth_bind"})
    of_newcomer = {
        "bind_token": await bind_token(ann, f"new-{ann.user_id}"),
        "mobile": mobile,
        "sms_code": code_to(world, mobile, "oauth_bind"),
    }

    async def then(answer: Any) -> None:
        user_id = ann.user_id
        await ann.enter(answer["authorize"])
        assert ann.user_id == user_id
        again = await ann.ok("auth/oauth/bind", request)  # the answer was lost
        await ann.enter(again["authorize"])
        assert ann.user_id == user_id
        # A number that nobody has gets an account, with the name that the provider told.
        await ben.enter((await ben.ok("auth/oauth/bind", of_newcomer))["authorize"])
        detail = await ben.ok("user/detail")
        assert (detail["mobile"], detail["nickname"]) == (mobile, "Ann of the provider")

    return Case(
        ann,
        request,
        refused=[
            # A number alone opens nobody's account.
            Refused({"mobile": ben.mobile}, 400, "wrong_code"),
            Refused({"sms_code": other_than(request["sms_code"])}, 400, "wrong_code"),
            Refused({"sms_code": ""}, 400, "wrong_code"),
            Refused({"bind_token": "made up"}, 400, "oauth_refused"),
            Refused({"mobile": "123"}, 400, "invalid"),
        ],
        then=then,
    )
