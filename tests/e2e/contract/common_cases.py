"""`common/*`: codes, on servers whose codes go to the log."""

from __future__ import annotations

from typing import Any

from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.contract.sent_codes import code_to, other_than


@case("common/send-sms")
async def send_sms(world: World) -> Case:
    ann = await world.person()
    mobile = world.mobile()

    async def then(answer: Any) -> None:
        assert answer["sms_code"] == code_to(world, mobile, "register")
        # One that opens an account is not answered, whether there is an account or not.
        for each in (mobile, ann.mobile):
            assert await ann.ok("common/send-sms", {"mobile": each, "channel": "forget_account"}) == {}

    return Case(
        ann,
        {"mobile": mobile, "channel": "register"},
        refused=[
            Refused({"mobile": "23800000001"}, 400, "invalid"),
            Refused({"channel": "pizza"}, 400, "invalid"),
            Refused({"channel": ""}, 400, "invalid"),
        ],
        then=then,
    )


@case("common/send-email")
async def send_email(world: World) -> Case:
    ann = await world.person()
    email = f"ann-{ann.user_id}@example.org"

    async def then(answer: Any) -> None:
        assert answer == {}
        code = code_to(world, email, "update_email")
        await ann.ok("common/verify-email", {"email": email, "code": code, "channel": "update_email"})

    return Case(
        ann,
        {"email": email, "channel": "update_email"},
        refused=[
            Refused({"email": "ann"}, 400, "invalid"),
            Refused({"email": ""}, 400, "invalid"),
            Refused({"email": "a@b.org\r\nBcc: c@d.org"}, 400, "invalid"),
            Refused({"email": f"{'x' * 90}@example.org"}, 400, "invalid"),
            Refused({"channel": "register"}, 400, "invalid"),
        ],
        then=then,
    )


@case("common/send-test")
async def send_test(world: World) -> Case:
    ann = await world.person()
    email = f"test-{ann.user_id}@example.org"

    async def then(_: Any) -> None:
        assert any("test_mail" in line and email in line for line in world.server.log.splitlines())

    return Case(ann, {"email": email}, refused=[Refused({"email": "ann"}, 400, "invalid")], then=then)


@case("common/verify-email")
async def verify_email(world: World) -> Case:
    ann = await world.person()
    email = f"verify-{ann.user_id}@example.org"
    await ann.ok("common/send-email", {"email": email, "channel": "update_email"})
    code = code_to(world, email, "update_email")
    request = {"email": email, "code": code, "channel": "update_email"}

    async def then(_: Any) -> None:
        await ann.ok("common/verify-email", request)  # it is not spent by being looked at
        for _try in range(5):
            await ann.refused("common/verify-email", request | {"code": other_than(code)}, 400)
        await ann.refused("common/verify-email", request, 400)  # guesses are counted

    return Case(
        ann,
        request,
        refused=[
            Refused({"code": other_than(code)}, 400, "wrong_code"),
            Refused({"email": f"other-{email}"}, 400, "wrong_code"),
            Refused({"channel": "register"}, 400, "invalid"),
            Refused({"code": "1234567"}, 400, "invalid"),
        ],
        then=then,
    )
