"""REST routes of the user room (contract: http-api, auth, common, user; bot of ours)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Meta, UnsetType

from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu.base.text_time import text_time
from xinyu.gateway.http.route import HttpCall, Nothing, Route
from xinyu.wire.v1 import user_pb2
from xinyu.wire.v1.user_rpc import UserStub
from xinyu_services.user.model import MAIL_CHANNEL

Mobile = Annotated[str, Meta(pattern="^[0-9]{11}\\Z")]
NewMobile = Annotated[str, Meta(pattern="^1[0-9]{10}\\Z")]
Code = Annotated[str, Meta(max_length=6)]
Email = Annotated[str, Meta(max_length=100)]
Word = Annotated[str, Meta(min_length=1, max_length=32)]
# Room for what cannot be a password any more: its refusal is worded by the room. 344 characters is the RSA form.
Password = Annotated[str, Meta(min_length=1, max_length=1024)]
Id = Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]
Platform = Annotated[str, Meta(max_length=16)]
PLATFORMS: Final = ("web", "pc", "app")


class Register(msgspec.Struct):
    nickname: Annotated[str, Meta(max_length=1024)]
    mobile: NewMobile
    password: Password
    platform: Platform = "web"
    sms_code: Code = ""


class Login(msgspec.Struct):
    mobile: Mobile
    password: Password
    platform: Platform = "web"


class SendSms(msgspec.Struct):
    mobile: NewMobile
    channel: Word


class Forget(msgspec.Struct):
    mobile: NewMobile
    password: Password
    sms_code: Code = ""


class OAuthBegin(msgspec.Struct):
    oauth_type: Word


class OAuthLogin(msgspec.Struct):
    oauth_type: Word
    code: Annotated[str, Meta(min_length=1, max_length=2048)]
    state: Annotated[str, Meta(min_length=1, max_length=128)]


class OAuthBind(msgspec.Struct):
    bind_token: Annotated[str, Meta(min_length=1, max_length=128)]
    mobile: NewMobile
    sms_code: Code


class SendEmail(msgspec.Struct):
    """`email` may be left out by its shape only: a code must go somewhere."""

    email: Email = ""
    channel: Word = MAIL_CHANNEL


class SendTest(msgspec.Struct):
    email: Email = ""


class VerifyEmail(msgspec.Struct):
    email: Email
    code: Code
    channel: Word


class PasswordUpdate(msgspec.Struct):
    old_password: Password
    new_password: Password


class Delete(msgspec.Struct):
    password: Password


class MobileUpdate(msgspec.Struct):
    mobile: NewMobile
    password: Password
    sms_code: Code


class EmailUpdate(msgspec.Struct):
    email: Email
    password: Password
    code: Code


class DetailUpdate(msgspec.Struct):
    """What is absent stays as it is; null takes a birthday away."""

    avatar: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    nickname: Annotated[str, Meta(max_length=1024)] | UnsetType = UNSET
    gender: Annotated[int, Meta(ge=0, le=2)] | UnsetType = UNSET
    motto: Annotated[str, Meta(max_length=500)] | UnsetType = UNSET
    birthday: Annotated[str, Meta(max_length=10)] | UnsetType | None = UNSET


BotName = Annotated[str, Meta(min_length=1, max_length=64)]


class BotCreate(msgspec.Struct):
    """`avatar`: an uploaded picture's URL or media id, "" = none. `webhook_url`: where its messages are told, too."""

    name: BotName
    avatar: Annotated[str, Meta(max_length=255)] = ""
    webhook_url: Annotated[str, Meta(max_length=2048)] = ""


class OfBot(msgspec.Struct):
    bot_id: Id


class BotUpdate(msgspec.Struct):
    """What is absent stays as it is."""

    bot_id: Id
    name: BotName | UnsetType = UNSET
    avatar: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    webhook_url: Annotated[str, Meta(max_length=2048)] | UnsetType = UNSET


class SettingSave(msgspec.Struct):
    theme_mode: Literal["light", "dark", "auto"] | UnsetType = UNSET
    theme_bag_img: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    theme_color: Annotated[str, Meta(max_length=32)] | UnsetType = UNSET
    notify_cue_tone: Literal["Y", "N"] | UnsetType = UNSET
    keyboard_event_notify: Literal["Y", "N"] | UnsetType = UNSET
    read_receipts: Literal["Y", "N"] | UnsetType = UNSET


def routes(user: UserStub, zone: ZoneInfo) -> list[Route]:
    """All routes of this room. `zone`: of times that are answered as text."""

    async def register(call: HttpCall, body: Register) -> dict[str, Any]:
        request = user_pb2.RegisterRequest(
            mobile=body.mobile,
            password=body.password,
            nickname=body.nickname,
            platform=_platform(body.platform),
            sms_code=body.sms_code,
            address=call.address,
            user_agent=call.user_agent,
            secure=call.secure,
        )
        return _token(await user.register(request))

    async def login(call: HttpCall, body: Login) -> dict[str, Any]:
        request = user_pb2.AuthenticateRequest(
            mobile=body.mobile,
            password=body.password,
            platform=_platform(body.platform),
            address=call.address,
            user_agent=call.user_agent,
            secure=call.secure,
        )
        return _token(await user.authenticate(request))

    async def logout_all(call: HttpCall, _body: Nothing) -> None:
        await user.end_logins(user_pb2.UserRequest(user_id=call.user_id))

    async def send_sms(call: HttpCall, body: SendSms) -> dict[str, Any]:
        request = user_pb2.SendCodeRequest(mobile=body.mobile, channel=body.channel, address=call.address)
        code = (await user.send_code(request)).sms_code
        return {"sms_code": code} if code else {}

    async def send_email(call: HttpCall, body: SendEmail) -> None:
        request = user_pb2.SendEmailCodeRequest(email=body.email, channel=body.channel, address=call.address)
        await user.send_email_code(request)

    async def send_test(call: HttpCall, body: SendTest) -> None:
        await user.send_test_email(user_pb2.SendTestEmailRequest(email=body.email, address=call.address))

    async def verify_email(_call: HttpCall, body: VerifyEmail) -> None:
        request = user_pb2.CheckEmailCodeRequest(email=body.email, channel=body.channel, code=body.code)
        await user.check_email_code(request)

    async def forget(call: HttpCall, body: Forget) -> None:
        request = user_pb2.ResetPasswordRequest(
            mobile=body.mobile,
            password=body.password,
            sms_code=body.sms_code,
            address=call.address,
            secure=call.secure,
        )
        await user.reset_password(request)

    async def password_update(call: HttpCall, body: PasswordUpdate) -> None:
        request = user_pb2.UpdatePasswordRequest(
            user_id=call.user_id,
            old_password=body.old_password,
            new_password=body.new_password,
            secure=call.secure,
        )
        await user.update_password(request)

    async def delete(call: HttpCall, body: Delete) -> None:
        request = user_pb2.DeleteAccountRequest(user_id=call.user_id, password=body.password, secure=call.secure)
        await user.delete_account(request)

    async def mobile_update(call: HttpCall, body: MobileUpdate) -> None:
        request = user_pb2.UpdateMobileRequest(
            user_id=call.user_id,
            mobile=body.mobile,
            password=body.password,
            sms_code=body.sms_code,
            secure=call.secure,
        )
        await user.update_mobile(request)

    async def email_update(call: HttpCall, body: EmailUpdate) -> None:
        request = user_pb2.UpdateEmailRequest(
            user_id=call.user_id, email=body.email, password=body.password, code=body.code, secure=call.secure
        )
        await user.update_email(request)

    async def oauth_begin(call: HttpCall, body: OAuthBegin) -> dict[str, Any]:
        request = user_pb2.BeginOAuthRequest(oauth_type=body.oauth_type, address=call.address)
        return {"uri": (await user.begin_oauth(request)).uri}

    async def oauth_login(call: HttpCall, body: OAuthLogin) -> dict[str, Any]:
        request = user_pb2.FinishOAuthRequest(
            oauth_type=body.oauth_type,
            code=body.code,
            state=body.state,
            address=call.address,
            user_agent=call.user_agent,
        )
        found = await user.finish_oauth(request)
        if not found.HasField("token"):
            return {"is_authorize": "N", "bind_token": found.bind_token}
        return {"is_authorize": "Y", "authorize": _token(found.token), "bind_token": ""}

    async def oauth_bind(call: HttpCall, body: OAuthBind) -> dict[str, Any]:
        request = user_pb2.BindOAuthRequest(
            bind_token=body.bind_token,
            mobile=body.mobile,
            sms_code=body.sms_code,
            address=call.address,
            user_agent=call.user_agent,
        )
        return {"authorize": _token(await user.bind_oauth(request))}

    async def detail(call: HttpCall, _body: Nothing) -> dict[str, Any]:
        found = await user.load_user(user_pb2.UserRequest(user_id=call.user_id))
        return {
            "id": found.user_id,
            "mobile": found.mobile,
            "nickname": found.nickname,
            "avatar": found.avatar,
            "gender": found.gender,
            "motto": found.motto,
            "email": found.email,
            "birthday": found.birthday,
        }

    async def detail_update(call: HttpCall, body: DetailUpdate) -> None:
        values = _present(body)
        if values.get("birthday", "") is None:
            values["birthday"] = ""
        await user.update_profile(user_pb2.UpdateProfileRequest(user_id=call.user_id, **values))

    async def setting(call: HttpCall, _body: Nothing) -> msgspec.Raw:
        request = user_pb2.LoadSettingsRequest(user_id=call.user_id, codec=call.codec)  # type: ignore[arg-type]
        return msgspec.Raw((await user.load_settings(request)).encoded)

    async def setting_save(call: HttpCall, body: SettingSave) -> None:
        await user.save_settings(user_pb2.SaveSettingsRequest(user_id=call.user_id, **_present(body)))

    async def bot_create(call: HttpCall, body: BotCreate) -> dict[str, Any]:
        request = user_pb2.CreateBotRequest(
            user_id=call.user_id, name=body.name, avatar=body.avatar, webhook_url=body.webhook_url
        )
        return _bot_token(await user.create_bot(request))

    async def bot_list(call: HttpCall, _body: Nothing) -> dict[str, Any]:
        page = await user.list_bots(user_pb2.UserRequest(user_id=call.user_id))
        items = [
            {
                "bot_id": bot.bot_id,
                "name": bot.name,
                "avatar": bot.avatar,
                "created_at": text_time(bot.created_at_ms, zone),
                "webhook_url": bot.webhook_url,
                "webhook_state": bot.webhook_state,
                "webhook_failure": bot.webhook_failure,
                "webhook_failing_since_ms": bot.webhook_failing_since_ms,
            }
            for bot in page.bots
        ]
        return {"items": items}

    async def bot_update(call: HttpCall, body: BotUpdate) -> dict[str, Any]:
        updated = await user.update_bot(user_pb2.UpdateBotRequest(user_id=call.user_id, **_present(body)))
        return _secret(updated.webhook_secret)

    async def bot_token_reset(call: HttpCall, body: OfBot) -> dict[str, Any]:
        return _bot_token(
            await user.reset_bot_token(user_pb2.BotRequest(user_id=call.user_id, bot_id=body.bot_id))
        )

    async def bot_delete(call: HttpCall, body: OfBot) -> None:
        await user.delete_bot(user_pb2.BotRequest(user_id=call.user_id, bot_id=body.bot_id))

    return [
        Route("bot/create", BotCreate, bot_create),
        Route("bot/list", Nothing, bot_list),
        Route("bot/update", BotUpdate, bot_update),
        Route("bot/token-reset", OfBot, bot_token_reset),
        Route("bot/delete", OfBot, bot_delete),
        Route("auth/register", Register, register, open=True, limit="entry"),
        Route("auth/login", Login, login, open=True, limit="entry"),
        Route("auth/logout-all", Nothing, logout_all, http_only=True),
        Route("auth/forget", Forget, forget, open=True, limit="entry"),
        Route("auth/oauth", OAuthBegin, oauth_begin, open=True, limit="entry"),
        Route("auth/oauth/login", OAuthLogin, oauth_login, open=True, limit="entry"),
        Route("auth/oauth/bind", OAuthBind, oauth_bind, open=True, limit="entry"),
        Route("common/send-email", SendEmail, send_email, open=True, limit="entry"),
        Route("common/send-test", SendTest, send_test, open=True, limit="entry"),
        Route("common/verify-email", VerifyEmail, verify_email, open=True, limit="entry"),
        Route("user/password-update", PasswordUpdate, password_update, http_only=True),
        Route("user/delete", Delete, delete, http_only=True),
        Route("user/mobile-update", MobileUpdate, mobile_update, http_only=True),
        Route("user/email-update", EmailUpdate, email_update, http_only=True),
        Route("common/send-sms", SendSms, send_sms, open=True, limit="entry"),
        Route("user/detail", Nothing, detail),
        Route("user/detail-update", DetailUpdate, detail_update),
        Route("user/setting", Nothing, setting),
        Route("user/setting/save", SettingSave, setting_save),
    ]


def _bot_token(made: user_pb2.BotToken) -> dict[str, Any]:
    return {"bot_id": made.bot_id, "token": made.token, **_secret(made.webhook_secret)}


def _secret(webhook_secret: str) -> dict[str, Any]:
    """Only where a webhook was set."""
    return {"webhook_secret": webhook_secret} if webhook_secret else {}


def _platform(platform: str) -> str:
    return platform if platform in PLATFORMS else "web"


def _present(body: msgspec.Struct) -> dict[str, Any]:
    return {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not UNSET}


def _token(token: user_pb2.Token) -> dict[str, Any]:
    return {"type": "Bearer", "access_token": token.access_token, "expires_in": token.expires_in_s}
