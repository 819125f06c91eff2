"""Coming in: register, log in, codes; and what must not be told to whom."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import threading
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric import padding

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import EmbeddedPlatform, embedded_platform
from tests.integration.services.house import refused
from tests.integration.services.user.user_room import UserRoom, password_key
from xinyu.base.errors import (
    DISABLED,
    INVALID,
    MOBILE_TAKEN,
    OVERLOADED,
    TOO_MANY,
    WRONG_CODE,
    WRONG_PASSWORD,
    ErrorCode,
    XinYuError,
)
from xinyu.storage.database import cursor
from xinyu.wire.v1 import user_pb2
from xinyu_services.user import passwords, verification
from xinyu_services.user.limits import Limit

MOBILE = "13800000001"
PASSWORD = "correct horse"


@pytest.fixture
async def platform(storage: Storage) -> AsyncIterator[EmbeddedPlatform]:
    async with embedded_platform(storage) as opened:
        yield opened


@pytest.fixture
async def room(platform: EmbeddedPlatform) -> AsyncIterator[UserRoom]:
    built = UserRoom(platform)
    yield built
    built.passwords.close()


@pytest.fixture
async def strict_room(platform: EmbeddedPlatform) -> AsyncIterator[UserRoom]:
    """Where `accounts.verify_mobile` is on."""
    built = UserRoom(platform, verify_mobile=True)
    yield built
    built.passwords.close()


def register(room: UserRoom, **values: Any) -> Awaitable[user_pb2.Token]:
    asked = {"mobile": MOBILE, "password": PASSWORD, "nickname": "Ann", "address": "10.0.0.1", "secure": True}
    return room.stub.register(user_pb2.RegisterRequest(**(asked | values)))


def login(room: UserRoom, **values: Any) -> Awaitable[user_pb2.Token]:
    asked = {"mobile": MOBILE, "password": PASSWORD, "address": "10.0.0.1", "secure": True}
    return room.stub.authenticate(user_pb2.AuthenticateRequest(**(asked | values)))


def send_code(room: UserRoom, **values: Any) -> Awaitable[user_pb2.SendCodeResponse]:
    asked = {"mobile": MOBILE, "channel": "register", "address": "10.0.0.1"}
    return room.stub.send_code(user_pb2.SendCodeRequest(**(asked | values)))


def encrypted(password: str) -> str:
    """As the reference client sends it."""
    return base64.b64encode(password_key().public_key().encrypt(password.encode(), padding.PKCS1v15())).decode()


async def select(platform: EmbeddedPlatform, statement: str) -> list[tuple[Any, ...]]:
    def work(connection: Any) -> list[tuple[Any, ...]]:
        c = cursor(connection)
        c.execute(statement)
        rows: list[tuple[Any, ...]] = c.fetchall()
        return rows

    return await platform.database.read(work)


async def execute(platform: EmbeddedPlatform, statement: str, values: tuple[Any, ...] = ()) -> None:
    database = platform.database
    await database.write(lambda c: cursor(c).execute(database.dialect.sql(statement), values) and None)


async def test_a_token_names_its_user(room: UserRoom) -> None:
    registered, logged_in = await register(room), await login(room)
    assert registered.user_id == logged_in.user_id == room.tokens.verify(logged_in.access_token).user_id
    assert registered.access_token != logged_in.access_token
    assert registered.expires_in_s == 7 * 86_400


async def test_the_password_may_come_encrypted(room: UserRoom) -> None:
    await register(room, password=encrypted("pässwörd ☂"), secure=False)
    await login(room, password="pässwörd ☂")
    await login(room, password=encrypted("pässwörd ☂"), secure=False)
    await refused(login(room, password=encrypted("another one"), secure=False), WRONG_PASSWORD)


async def test_plain_text_over_an_open_line_is_refused(room: UserRoom) -> None:
    await refused(register(room, secure=False), INVALID)
    await register(room)
    await refused(login(room, secure=False), INVALID)


async def test_what_cannot_be_decrypted_looks_like_a_wrong_password(room: UserRoom) -> None:
    broken = [
        base64.b64encode(b"\x00" * 256).decode(),
        base64.b64encode(b"\xff" * 256).decode(),
        base64.b64encode(b"\x01" * 257).decode(),
        "A" * 344,
        "=" * 344,
    ]
    for sent in broken:
        assert len(sent) == 344
        await refused(register(room, password=sent), INVALID)
    await register(room)
    wrong = await refused(login(room, password="wrong horse"), WRONG_PASSWORD)
    for sent in broken:
        assert str(await refused(login(room, password=sent), WRONG_PASSWORD)) == str(wrong)


async def test_what_cannot_be_chosen_makes_no_account(room: UserRoom, platform: EmbeddedPlatform) -> None:
    for password in ("", "1234567", "x" * 129, encrypted("1234567"), encrypted("x" * 129)):
        await refused(register(room, password=password), INVALID)
    for nickname in ("", "  ", "a<b", "a\x00b", "x" * 65):
        await refused(register(room, nickname=nickname), INVALID)
    for mobile in ("", "23800000001", "1380000000", "138000000011", "1380000000a", "１３８０００００００１"):
        await refused(register(room, mobile=mobile), INVALID)
    assert await select(platform, "SELECT COUNT(*) FROM user_account") == [(0,)]


async def test_registering_again_within_a_minute_logs_in(room: UserRoom, platform: EmbeddedPlatform) -> None:
    first = await register(room)
    assert (await register(room)).user_id == first.user_id
    await refused(register(room, password="another horse"), MOBILE_TAKEN)
    platform.clock.advance_s(61)
    await refused(register(room), MOBILE_TAKEN)
    assert await select(platform, "SELECT COUNT(*) FROM user_account") == [(1,)]


async def test_two_registrations_that_cross_make_one_account(room: UserRoom, platform: EmbeddedPlatform) -> None:
    tokens = await asyncio.gather(*(register(room) for _ in range(6)))
    assert len({token.user_id for token in tokens}) == 1
    assert await select(platform, "SELECT COUNT(*) FROM user_account") == [(1,)]


async def test_defect_23_unknown_mobile_and_wrong_password_are_one_answer(
    room: UserRoom, platform: EmbeddedPlatform
) -> None:
    await register(room)
    wrong = await refused(login(room, password="wrong horse"), WRONG_PASSWORD)
    unknown = await refused(login(room, mobile="13899999999"), WRONG_PASSWORD)
    assert str(wrong) == str(unknown)
    # A disabled account is told to who knows its password, to nobody else.
    await execute(platform, "UPDATE user_account SET is_disabled = 1")
    await refused(login(room, password="wrong horse"), WRONG_PASSWORD)
    await refused(login(room), DISABLED)
    assert [row[0] for row in await select(platform, "SELECT reason FROM login_log ORDER BY id")] == [
        "",
        "wrong_password",
        "wrong_password",
        "wrong_password",
        "disabled",
    ]


async def test_an_unknown_mobile_costs_the_same_hash(room: UserRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is what can be compared; time is not."""
    await register(room)
    compared: list[str] = []
    real = PasswordHasher.verify

    def counting(self: PasswordHasher, kept: str, password: bytes) -> bool:
        compared.append(kept.rsplit("$", 2)[0])
        return bool(real(self, kept, password))

    monkeypatch.setattr(PasswordHasher, "verify", counting)
    await refused(login(room, password="wrong horse"), WRONG_PASSWORD)
    await refused(login(room, mobile="13899999999"), WRONG_PASSWORD)
    assert len(compared) == 2
    assert compared[0] == compared[1]


async def test_tries_are_bounded_by_address_and_account(room: UserRoom, platform: EmbeddedPlatform) -> None:
    await register(room)
    for _ in range(30):
        await refused(login(room, password="wrong horse"), WRONG_PASSWORD)
    refusal = await refused(login(room), TOO_MANY)
    assert refusal.retry_after_ms is not None
    assert 0 < refusal.retry_after_ms <= 300_000
    await login(room, address="10.0.0.2")  # its owner, elsewhere, is not locked out by that
    platform.clock.advance_s(refusal.retry_after_ms / 1000)
    await login(room)


async def test_many_addresses_share_the_bound_of_an_account(room: UserRoom) -> None:
    await register(room)
    for n in range(100):
        await refused(login(room, password="wrong horse", address=f"10.1.0.{n}"), WRONG_PASSWORD)
    await refused(login(room, address="10.2.0.1"), TOO_MANY)


async def test_right_passwords_never_meet_the_bound(room: UserRoom) -> None:
    await register(room)
    for _ in range(40):
        await login(room)


async def test_the_reference_hash_is_taken_over_and_made_anew(room: UserRoom, platform: EmbeddedPlatform) -> None:
    await register(room)
    salt = bytes(range(16))
    made = hashlib.pbkdf2_hmac("sha256", b"old password", salt, 1_000)
    kept = f"pbkdf2_sha256$1000${salt.hex()}${made.hex()}"
    await execute(platform, "UPDATE user_account SET password_hash = ?", (kept,))
    await refused(login(room, password="wrong horse"), WRONG_PASSWORD)
    assert await select(platform, "SELECT password_hash FROM user_account") == [(kept,)]
    await login(room, password="old password")
    ((now,),) = await select(platform, "SELECT password_hash FROM user_account")
    assert now.startswith("$argon2id$")
    await login(room, password="old password")


async def test_a_hash_of_another_cost_is_made_anew(room: UserRoom, platform: EmbeddedPlatform) -> None:
    await register(room)
    other = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1).hash(PASSWORD)
    await execute(platform, "UPDATE user_account SET password_hash = ?", (other,))
    await login(room)
    ((now,),) = await select(platform, "SELECT password_hash FROM user_account")
    assert "m=8,t=1,p=1" in now
    await login(room)


async def test_those_who_wait_for_a_hash_are_bounded(room: UserRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    await register(room)
    monkeypatch.setattr(passwords, "MAX_WAITING", 2)
    compare, go_on = passwords.Passwords._verify, threading.Event()

    def compare_later(self: passwords.Passwords, sent: str, kept: str | None) -> passwords.Verdict:
        assert go_on.wait(30)
        return compare(self, sent, kept)

    monkeypatch.setattr(passwords.Passwords, "_verify", compare_later)
    tries = [asyncio.ensure_future(login(room)) for _ in range(8)]
    try:
        ended = asyncio.as_completed(tries, timeout=30)
        for _ in range(6):
            with pytest.raises(XinYuError) as refusal:
                await next(ended)
            assert reason(refusal.value) == OVERLOADED
    finally:
        go_on.set()
    for success in ended:
        await success
    await login(room)


async def test_a_code_is_answered_where_none_is_needed(room: UserRoom) -> None:
    code = (await send_code(room)).sms_code
    assert len(code) == 6
    assert code.isdigit()
    assert room.sender.sent == [(MOBILE, "register", code)]
    await register(room, sms_code="000000" if code != "000000" else "111111")


async def test_defect_22_codes_are_not_answered_where_they_count(strict_room: UserRoom) -> None:
    assert (await send_code(strict_room)).sms_code == ""
    ((_, _, code),) = strict_room.sender.sent
    await refused(register(strict_room, sms_code=""), WRONG_CODE)
    await register(strict_room, sms_code=code)


async def test_defect_22_a_code_is_spent_once(strict_room: UserRoom) -> None:
    await send_code(strict_room)
    await send_code(strict_room, mobile="13800000002")
    code = strict_room.sender.sent[0][2]
    other_code = strict_room.sender.sent[1][2]
    answers = await asyncio.gather(
        *(register(strict_room, sms_code=code, password=f"password {n}") for n in range(4)), return_exceptions=True
    )
    assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
    # Whoever comes second finds the code spent, or the mobile taken, whichever is looked at later.
    refusals = {reason(answer) for answer in answers if isinstance(answer, BaseException)}
    assert refusals <= {MOBILE_TAKEN, WRONG_CODE}
    # It was another mobile's code.
    await refused(register(strict_room, mobile="13800000003", sms_code=other_code), WRONG_CODE)


async def test_defect_22_guesses_are_counted(strict_room: UserRoom) -> None:
    await send_code(strict_room)
    code = strict_room.sender.sent[0][2]
    wrong = "000000" if code != "000000" else "111111"
    for _ in range(5):
        await refused(register(strict_room, sms_code=wrong), WRONG_CODE)
    await refused(register(strict_room, sms_code=code), WRONG_CODE)


async def test_a_code_is_good_for_five_minutes(strict_room: UserRoom, platform: EmbeddedPlatform) -> None:
    await send_code(strict_room)
    platform.clock.advance_s(300)
    await refused(register(strict_room, sms_code=strict_room.sender.sent[0][2]), WRONG_CODE)


async def test_a_new_code_replaces_the_old_one(strict_room: UserRoom, platform: EmbeddedPlatform) -> None:
    await send_code(strict_room)
    await send_code(strict_room)
    assert await select(platform, "SELECT COUNT(*) FROM verification_code") == [(1,)]
    await register(strict_room, sms_code=strict_room.sender.sent[1][2])
    assert await select(platform, "SELECT COUNT(*) FROM verification_code") == [(0,)]


async def test_forget_account_does_not_tell_who_is_here(strict_room: UserRoom) -> None:
    await send_code(strict_room)
    await register(strict_room, sms_code=strict_room.sender.sent[0][2])
    known = await send_code(strict_room, channel="forget_account")
    unknown = await send_code(strict_room, channel="forget_account", mobile="13899999999")
    assert known == unknown


async def test_codes_are_bounded_by_mobile_and_address(room: UserRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "CODES_OF_ADDRESS", Limit("code-address", 20, 300))
    for _ in range(10):
        await send_code(room)
    refusal = await refused(send_code(room), TOO_MANY)
    assert refusal.retry_after_ms
    await send_code(room, mobile="13800000002")
    for n in range(8):
        await send_code(room, mobile=f"1390000{n:04d}")
    await refused(send_code(room, mobile="13700000000"), TOO_MANY)
    await send_code(room, mobile="13700000000", address="10.0.0.2")


async def test_codes_for_nothing(room: UserRoom) -> None:
    for values in ({"channel": "pizza"}, {"mobile": "12"}, {"channel": ""}):
        await refused(send_code(room, **values), INVALID)
    assert room.sender.sent == []


def reason(error: BaseException) -> ErrorCode:
    assert isinstance(error, XinYuError)
    return error.code
