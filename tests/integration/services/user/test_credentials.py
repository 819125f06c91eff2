"""Password, mobile and mail address: forgotten, changed, taken; and codes where they count."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from types import SimpleNamespace
from typing import Any

import pytest

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import EmbeddedPlatform, embedded_platform
from tests.integration.services.house import refused
from tests.integration.services.user.user_room import UserRoom
from xinyu.base.errors import INVALID, MOBILE_TAKEN, TOO_MANY, WRONG_CODE, WRONG_PASSWORD
from xinyu.wire.v1 import options_pb2, user_pb2
from xinyu_services.user import logins, verification
from xinyu_services.user.limits import Limit

MOBILE, OTHER = "13800000001", "13800000002"
PASSWORD = "correct horse"
NEW = "another horse"
EMAIL = "ann@example.org"


@pytest.fixture
async def platform(storage: Storage) -> AsyncIterator[EmbeddedPlatform]:
    async with embedded_platform(storage) as opened:
        yield opened


@pytest.fixture
async def room(platform: EmbeddedPlatform, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[UserRoom]:
    """As the embedded server is by default: no senders, no codes asked for."""
    built = UserRoom(platform)
    no_waiting(platform, monkeypatch)
    yield built
    built.passwords.close()


@pytest.fixture
async def strict_room(platform: EmbeddedPlatform, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[UserRoom]:
    """Where senders are configured and `accounts.verify_mobile` is on."""
    built = UserRoom(platform, verify_mobile=True, real_sms=True, real_mail=True)
    no_waiting(platform, monkeypatch)
    yield built
    built.passwords.close()


def no_waiting(platform: EmbeddedPlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who ends logins waits for the next second; here the test's clock goes there."""

    async def sleep(seconds: float) -> None:
        platform.clock.advance_s(seconds)

    monkeypatch.setattr(logins, "asyncio", SimpleNamespace(sleep=sleep))


async def enter(room: UserRoom) -> user_pb2.Token:
    """Ann, registered with a code where one is asked for."""
    code = (await send_code(room, "register")).sms_code or room.sender.sent[-1][2]
    return await room.stub.register(
        user_pb2.RegisterRequest(
            mobile=MOBILE, password=PASSWORD, nickname="Ann", sms_code=code, address="10.0.0.1", secure=True
        )
    )


def login(room: UserRoom, password: str, mobile: str = MOBILE) -> Awaitable[user_pb2.Token]:
    return room.stub.authenticate(
        user_pb2.AuthenticateRequest(mobile=mobile, password=password, address="10.0.0.1", secure=True)
    )


def send_code(room: UserRoom, channel: str, mobile: str = MOBILE) -> Awaitable[user_pb2.SendCodeResponse]:
    return room.stub.send_code(user_pb2.SendCodeRequest(mobile=mobile, channel=channel, address="10.0.0.1"))


def send_mail(room: UserRoom, email: str = EMAIL, address: str = "10.0.0.1") -> Awaitable[options_pb2.Empty]:
    return room.stub.send_email_code(
        user_pb2.SendEmailCodeRequest(email=email, channel="update_email", address=address)
    )


def reset(room: UserRoom, code: str, **values: Any) -> Awaitable[options_pb2.Empty]:
    asked = {"mobile": MOBILE, "password": NEW, "sms_code": code, "address": "10.0.0.1", "secure": True}
    return room.stub.reset_password(user_pb2.ResetPasswordRequest(**(asked | values)))


def update_password(room: UserRoom, user_id: int, old: str, new: str) -> Awaitable[options_pb2.Empty]:
    return room.stub.update_password(
        user_pb2.UpdatePasswordRequest(user_id=user_id, old_password=old, new_password=new, secure=True)
    )


def update_mobile(room: UserRoom, user_id: int, **values: Any) -> Awaitable[options_pb2.Empty]:
    asked = {"user_id": user_id, "mobile": OTHER, "password": PASSWORD, "sms_code": "", "secure": True}
    return room.stub.update_mobile(user_pb2.UpdateMobileRequest(**(asked | values)))


def update_email(room: UserRoom, user_id: int, **values: Any) -> Awaitable[options_pb2.Empty]:
    asked = {"user_id": user_id, "email": EMAIL, "password": PASSWORD, "code": "", "secure": True}
    return room.stub.update_email(user_pb2.UpdateEmailRequest(**(asked | values)))


def wrong(code: str) -> str:
    return "000000" if code != "000000" else "111111"


async def ended(room: UserRoom) -> list[int]:
    page = await room.stub.list_ended_logins(user_pb2.EndedLoginsRequest())
    return [each.user_id for each in page.ended]


# ---------------------------------------------------------------- forgotten


async def test_a_number_alone_opens_nobodys_account(room: UserRoom) -> None:
    """Where codes are answered to newcomers: not this one, and it is asked for."""
    user_id = (await enter(room)).user_id
    assert (await send_code(room, "forget_account")).sms_code == ""
    code = room.sender.sent[-1][2]
    await refused(reset(room, ""), WRONG_CODE)
    await refused(reset(room, wrong(code)), WRONG_CODE)
    await login(room, PASSWORD)
    assert await ended(room) == []
    await reset(room, code)
    await refused(login(room, PASSWORD), WRONG_PASSWORD)
    assert (await login(room, NEW)).user_id == user_id
    assert await ended(room) == [user_id]


async def test_a_code_of_another_kind_resets_nothing(room: UserRoom) -> None:
    await enter(room)
    answered = (await send_code(room, "mobile_update")).sms_code
    assert answered
    await refused(reset(room, answered), WRONG_CODE)


async def test_a_repeated_reset_is_answered_as_the_first(room: UserRoom) -> None:
    await enter(room)
    await send_code(room, "forget_account")
    code = room.sender.sent[-1][2]
    await reset(room, code)
    await reset(room, code)
    await refused(reset(room, code, password="a third horse"), WRONG_CODE)
    await login(room, NEW)


async def test_a_reset_does_not_tell_who_is_here(room: UserRoom) -> None:
    await enter(room)
    for mobile in (MOBILE, OTHER):
        assert (await send_code(room, "forget_account", mobile)).sms_code == ""
    guessed = await refused(reset(room, "x"), WRONG_CODE)
    unknown = await refused(reset(room, "x", mobile=OTHER), WRONG_CODE)
    right_but_unknown = await refused(reset(room, room.sender.sent[-1][2], mobile=OTHER), WRONG_CODE)
    assert str(guessed) == str(unknown) == str(right_but_unknown)


async def test_resets_share_the_bound_of_logins(room: UserRoom) -> None:
    await enter(room)
    await send_code(room, "forget_account")
    code = room.sender.sent[-1][2]
    for _ in range(30):
        await refused(reset(room, wrong(code)), WRONG_CODE)
    await refused(reset(room, code), TOO_MANY)


# ---------------------------------------------------------------- password


async def test_defect_10_a_new_password_ends_all_logins(room: UserRoom) -> None:
    user_id = (await enter(room)).user_id
    await refused(update_password(room, user_id, "wrong horse", NEW), WRONG_PASSWORD)
    await refused(update_password(room, user_id, PASSWORD, "short"), INVALID)
    assert await ended(room) == []
    await update_password(room, user_id, PASSWORD, NEW)
    assert await ended(room) == [user_id]
    await refused(login(room, PASSWORD), WRONG_PASSWORD)
    await login(room, NEW)


async def test_of_two_new_passwords_one_is_refused(
    room: UserRoom, platform: EmbeddedPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = (await enter(room)).user_id
    real, first = room.passwords.hash, True

    async def change_meanwhile(sent: str, *, secure: bool) -> str:
        nonlocal first
        if first:
            first = False
            await update_password(room, user_id, PASSWORD, "the quicker horse")
        return await real(sent, secure=secure)

    monkeypatch.setattr(room.passwords, "hash", change_meanwhile)
    await refused(update_password(room, user_id, PASSWORD, NEW), WRONG_PASSWORD)
    await login(room, "the quicker horse")


async def test_guesses_of_a_password_that_is_asked_again_are_bounded(room: UserRoom) -> None:
    user_id = (await enter(room)).user_id
    for _ in range(10):
        await refused(update_password(room, user_id, "wrong horse", NEW), WRONG_PASSWORD)
        await refused(update_mobile(room, user_id, password="wrong horse"), WRONG_PASSWORD)
        await refused(update_email(room, user_id, password="wrong horse"), WRONG_PASSWORD)
    await refused(update_password(room, user_id, PASSWORD, NEW), TOO_MANY)


# ---------------------------------------------------------------- mobile


async def test_a_new_mobile(room: UserRoom, platform: EmbeddedPlatform) -> None:
    user_id = (await enter(room)).user_id
    await platform.online(user_id, 1)
    await update_mobile(room, user_id)
    await update_mobile(room, user_id)  # the answer was lost
    await platform.settled()
    assert (await login(room, PASSWORD, OTHER)).user_id == user_id
    await refused(login(room, PASSWORD), WRONG_PASSWORD)
    (told,) = platform.gateway.told(user_id, 1)
    assert told["payload"]["row"]["user_info"]["mobile"] == OTHER
    await room.register(MOBILE, "Ben")  # the old number is free again


async def test_a_mobile_of_somebody_else_is_refused(room: UserRoom) -> None:
    user_id = (await enter(room)).user_id
    await room.register(OTHER, "Ben")
    await refused(update_mobile(room, user_id), MOBILE_TAKEN)
    await refused(update_mobile(room, user_id, mobile="123"), INVALID)
    await login(room, PASSWORD)


async def test_a_new_mobile_is_proven_where_codes_count(strict_room: UserRoom) -> None:
    user_id = (await enter(strict_room)).user_id
    assert (await send_code(strict_room, "mobile_update", OTHER)).sms_code == ""
    target, _, code = strict_room.sender.sent[-1]
    assert target == OTHER
    await refused(update_mobile(strict_room, user_id, sms_code=wrong(code)), WRONG_CODE)
    # It is the new mobile that is proven.
    await send_code(strict_room, "mobile_update", MOBILE)
    if strict_room.sender.sent[-1][2] != code:
        await refused(update_mobile(strict_room, user_id, sms_code=strict_room.sender.sent[-1][2]), WRONG_CODE)
    await update_mobile(strict_room, user_id, sms_code=code)
    await login(strict_room, PASSWORD, OTHER)


async def test_defect_22_wrong_codes_of_a_change_are_counted(strict_room: UserRoom) -> None:
    user_id = (await enter(strict_room)).user_id
    await send_code(strict_room, "mobile_update", OTHER)
    code = strict_room.sender.sent[-1][2]
    for _ in range(5):
        await refused(update_mobile(strict_room, user_id, sms_code=wrong(code)), WRONG_CODE)
    await refused(update_mobile(strict_room, user_id, sms_code=code), WRONG_CODE)


async def test_defect_22_a_real_sender_alone_knows_the_code(platform: EmbeddedPlatform) -> None:
    """Though no code is asked for."""
    room = UserRoom(platform, real_sms=True)
    try:
        for channel in ("register", "mobile_update", "oauth_bind", "forget_account"):
            assert (await send_code(room, channel)).sms_code == ""
        assert len(room.sender.sent) == 4
    finally:
        room.passwords.close()


# ---------------------------------------------------------------- mail


async def test_a_new_mail_address(room: UserRoom, platform: EmbeddedPlatform) -> None:
    user_id = (await enter(room)).user_id
    await platform.online(user_id, 1)
    await update_email(room, user_id)
    await update_email(room, user_id)
    await platform.settled()
    (told,) = platform.gateway.told(user_id, 1)
    assert told["payload"]["row"]["user_info"]["email"] == EMAIL
    assert (await room.service.account(user_id)).email == EMAIL
    await refused(update_email(room, user_id, email="ann"), INVALID)


async def test_a_new_mail_address_is_proven_where_mail_goes_out(strict_room: UserRoom) -> None:
    user_id = (await enter(strict_room)).user_id
    await refused(update_email(strict_room, user_id, code="123456"), WRONG_CODE)
    await send_mail(strict_room)
    ((target, channel, code),) = strict_room.mail.sent
    assert (target, channel) == (EMAIL, "update_email")
    await refused(update_email(strict_room, user_id, code=code, email="ben@example.org"), WRONG_CODE)
    check = user_pb2.CheckEmailCodeRequest(email=EMAIL, channel="update_email", code=code)
    await strict_room.stub.check_email_code(check)
    await update_email(strict_room, user_id, code=code)
    await refused(strict_room.stub.check_email_code(check), WRONG_CODE)


async def test_mails_are_bounded_by_target_and_address(room: UserRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "CODES_OF_ADDRESS", Limit("code-address", 12, 300))
    for _ in range(9):
        await send_mail(room)
    await room.stub.send_test_email(user_pb2.SendTestEmailRequest(email=EMAIL.upper(), address="10.0.0.1"))
    await refused(send_mail(room, address="10.0.0.9"), TOO_MANY)
    for name in ("b", "c"):
        await send_mail(room, f"{name}@example.org")
    await refused(send_mail(room, "d@example.org"), TOO_MANY)
    await send_mail(room, "d@example.org", "10.0.0.2")


async def test_a_test_mail_goes_to_the_servers_own_address(room: UserRoom) -> None:
    await room.stub.send_test_email(user_pb2.SendTestEmailRequest(address="10.0.0.1"))
    assert room.mail.sent == [("server@example.org", "test", "")]
    await refused(room.stub.send_test_email(user_pb2.SendTestEmailRequest(email="x", address="1")), INVALID)
