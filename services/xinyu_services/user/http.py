"""REST routes of the user room (contract: http-api, auth, common, user)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from xinyu.gateway.http.route import HttpCall, Nothing, Route
from xinyu.wire.v1 import user_pb2
from xinyu.wire.v1.user_rpc import UserStub

Mobile = Annotated[str, Meta(pattern="^[0-9]{11}\\Z")]
# Room for what cannot be a password any more: its refusal is worded by the room. 344 characters is the RSA form.
Password = Annotated[str, Meta(min_length=1, max_length=1024)]
Platform = Annotated[str, Meta(max_length=16)]
PLATFORMS: Final = ("web", "pc", "app")


class Register(msgspec.Struct):
    nickname: Annotated[str, Meta(max_length=1024)]
    mobile: Annotated[str, Meta(pattern="^1[0-9]{10}\\Z")]
    password: Password
    platform: Platform = "web"
    sms_code: Annotated[str, Meta(max_length=6)] = ""


class Login(msgspec.Struct):
    mobile: Mobile
    password: Password
    platform: Platform = "web"


class SendSms(msgspec.Struct):
    mobile: Annotated[str, Meta(pattern="^1[0-9]{10}\\Z")]
    channel: Annotated[str, Meta(max_length=32)]


class DetailUpdate(msgspec.Struct):
    """What is absent stays as it is; null takes a birthday away."""

    avatar: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    nickname: Annotated[str, Meta(max_length=1024)] | UnsetType = UNSET
    gender: Annotated[int, Meta(ge=0, le=2)] | UnsetType = UNSET
    motto: Annotated[str, Meta(max_length=500)] | UnsetType = UNSET
    birthday: Annotated[str, Meta(max_length=10)] | UnsetType | None = UNSET


class SettingSave(msgspec.Struct):
    theme_mode: Literal["light", "dark", "auto"] | UnsetType = UNSET
    theme_bag_img: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    theme_color: Annotated[str, Meta(max_length=32)] | UnsetType = UNSET
    notify_cue_tone: Literal["Y", "N"] | UnsetType = UNSET
    keyboard_event_notify: Literal["Y", "N"] | UnsetType = UNSET


def routes(user: UserStub) -> list[Route]:
    """All routes of this room."""

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

    async def send_sms(call: HttpCall, body: SendSms) -> dict[str, Any]:
        request = user_pb2.SendCodeRequest(mobile=body.mobile, channel=body.channel, address=call.address)
        code = (await user.send_code(request)).sms_code
        return {"sms_code": code} if code else {}

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

    return [
        Route("auth/register", Register, register, open=True, limit="entry"),
        Route("auth/login", Login, login, open=True, limit="entry"),
        Route("common/send-sms", SendSms, send_sms, open=True, limit="entry"),
        Route("user/detail", Nothing, detail),
        Route("user/detail-update", DetailUpdate, detail_update),
        Route("user/setting", Nothing, setting),
        Route("user/setting/save", SettingSave, setting_save),
    ]


def _platform(platform: str) -> str:
    return platform if platform in PLATFORMS else "web"


def _present(body: msgspec.Struct) -> dict[str, Any]:
    return {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not UNSET}


def _token(token: user_pb2.Token) -> dict[str, Any]:
    return {"type": "Bearer", "access_token": token.access_token, "expires_in": token.expires_in_s}
