"""Stub and servicer of the User service. Generated from xinyu/wire/v1/user.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1 import user_pb2
from xinyu.wire.v1.method import Channel, Method

LOAD_USER = Method("User", "load_user", 501, user_pb2.UserRequest, user_pb2.UserDetail, 3.0)
UPDATE_PROFILE = Method("User", "update_profile", 503, user_pb2.UpdateProfileRequest, options_pb2.Empty, 3.0)
FIND_BY_MOBILE = Method("User", "find_by_mobile", 506, user_pb2.FindByMobileRequest, user_pb2.UserDetail, 3.0)
SAVE_SETTINGS = Method("User", "save_settings", 510, user_pb2.SaveSettingsRequest, options_pb2.Empty, 3.0)
LOAD_SETTINGS = Method("User", "load_settings", 511, user_pb2.LoadSettingsRequest, user_pb2.SettingsView, 3.0)
LOAD_NAMES = Method("User", "load_names", 512, user_pb2.LoadNamesRequest, user_pb2.NamesPage, 3.0)
AUTHENTICATE = Method("User", "authenticate", 513, user_pb2.AuthenticateRequest, user_pb2.Token, 5.0)
REGISTER = Method("User", "register", 516, user_pb2.RegisterRequest, user_pb2.Token, 5.0)
SEND_CODE = Method("User", "send_code", 518, user_pb2.SendCodeRequest, user_pb2.SendCodeResponse, 3.0)
LOAD_ROWS = Method("User", "load_rows", 519, options_pb2.RowsRequest, options_pb2.RowsResponse, 3.0)

SERVICE = "User"
METHODS = (LOAD_USER, UPDATE_PROFILE, FIND_BY_MOBILE, SAVE_SETTINGS, LOAD_SETTINGS, LOAD_NAMES, AUTHENTICATE, REGISTER, SEND_CODE, LOAD_ROWS,)


class UserStub:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def load_user(
        self, request: user_pb2.UserRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.UserDetail:
        response: user_pb2.UserDetail = await self._channel.call(LOAD_USER, request, timeout_s=timeout_s, key=key)
        return response

    async def update_profile(
        self, request: user_pb2.UpdateProfileRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self._channel.call(UPDATE_PROFILE, request, timeout_s=timeout_s, key=key)
        return response

    async def find_by_mobile(
        self, request: user_pb2.FindByMobileRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.UserDetail:
        response: user_pb2.UserDetail = await self._channel.call(FIND_BY_MOBILE, request, timeout_s=timeout_s, key=key)
        return response

    async def save_settings(
        self, request: user_pb2.SaveSettingsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self._channel.call(SAVE_SETTINGS, request, timeout_s=timeout_s, key=key)
        return response

    async def load_settings(
        self, request: user_pb2.LoadSettingsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.SettingsView:
        response: user_pb2.SettingsView = await self._channel.call(LOAD_SETTINGS, request, timeout_s=timeout_s, key=key)
        return response

    async def load_names(
        self, request: user_pb2.LoadNamesRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.NamesPage:
        response: user_pb2.NamesPage = await self._channel.call(LOAD_NAMES, request, timeout_s=timeout_s, key=key)
        return response

    async def authenticate(
        self, request: user_pb2.AuthenticateRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.Token:
        response: user_pb2.Token = await self._channel.call(AUTHENTICATE, request, timeout_s=timeout_s, key=key)
        return response

    async def register(
        self, request: user_pb2.RegisterRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.Token:
        response: user_pb2.Token = await self._channel.call(REGISTER, request, timeout_s=timeout_s, key=key)
        return response

    async def send_code(
        self, request: user_pb2.SendCodeRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.SendCodeResponse:
        response: user_pb2.SendCodeResponse = await self._channel.call(SEND_CODE, request, timeout_s=timeout_s, key=key)
        return response

    async def load_rows(
        self, request: options_pb2.RowsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.RowsResponse:
        response: options_pb2.RowsResponse = await self._channel.call(LOAD_ROWS, request, timeout_s=timeout_s, key=key)
        return response


class UserServicer(Protocol):
    async def load_user(self, request: user_pb2.UserRequest, context: Any) -> user_pb2.UserDetail: ...

    async def update_profile(self, request: user_pb2.UpdateProfileRequest, context: Any) -> options_pb2.Empty: ...

    async def find_by_mobile(self, request: user_pb2.FindByMobileRequest, context: Any) -> user_pb2.UserDetail: ...

    async def save_settings(self, request: user_pb2.SaveSettingsRequest, context: Any) -> options_pb2.Empty: ...

    async def load_settings(self, request: user_pb2.LoadSettingsRequest, context: Any) -> user_pb2.SettingsView: ...

    async def load_names(self, request: user_pb2.LoadNamesRequest, context: Any) -> user_pb2.NamesPage: ...

    async def authenticate(self, request: user_pb2.AuthenticateRequest, context: Any) -> user_pb2.Token: ...

    async def register(self, request: user_pb2.RegisterRequest, context: Any) -> user_pb2.Token: ...

    async def send_code(self, request: user_pb2.SendCodeRequest, context: Any) -> user_pb2.SendCodeResponse: ...

    async def load_rows(self, request: options_pb2.RowsRequest, context: Any) -> options_pb2.RowsResponse: ...
