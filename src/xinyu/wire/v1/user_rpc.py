"""Stub and servicer of the User service. Generated from xinyu/wire/v1/user.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1 import user_pb2
from xinyu.wire.v1.method import Channel, Method

LOAD_USER = Method("User", "load_user", 501, user_pb2.UserRequest, user_pb2.UserDetail, 3.0, "/xinyu.wire.v1.User/LoadUser", repeatable=True)
UPDATE_PASSWORD = Method("User", "update_password", 502, user_pb2.UpdatePasswordRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.User/UpdatePassword")
UPDATE_PROFILE = Method("User", "update_profile", 503, user_pb2.UpdateProfileRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.User/UpdateProfile")
UPDATE_MOBILE = Method("User", "update_mobile", 504, user_pb2.UpdateMobileRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.User/UpdateMobile")
UPDATE_EMAIL = Method("User", "update_email", 505, user_pb2.UpdateEmailRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.User/UpdateEmail")
FIND_BY_MOBILE = Method("User", "find_by_mobile", 506, user_pb2.FindByMobileRequest, user_pb2.UserDetail, 3.0, "/xinyu.wire.v1.User/FindByMobile", repeatable=True)
SAVE_SETTINGS = Method("User", "save_settings", 510, user_pb2.SaveSettingsRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.User/SaveSettings")
LOAD_SETTINGS = Method("User", "load_settings", 511, user_pb2.LoadSettingsRequest, user_pb2.SettingsView, 3.0, "/xinyu.wire.v1.User/LoadSettings", repeatable=True)
LOAD_NAMES = Method("User", "load_names", 512, user_pb2.LoadNamesRequest, user_pb2.NamesPage, 3.0, "/xinyu.wire.v1.User/LoadNames", repeatable=True)
AUTHENTICATE = Method("User", "authenticate", 513, user_pb2.AuthenticateRequest, user_pb2.Token, 5.0, "/xinyu.wire.v1.User/Authenticate")
REGISTER = Method("User", "register", 516, user_pb2.RegisterRequest, user_pb2.Token, 5.0, "/xinyu.wire.v1.User/Register")
RESET_PASSWORD = Method("User", "reset_password", 517, user_pb2.ResetPasswordRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.User/ResetPassword")
SEND_CODE = Method("User", "send_code", 518, user_pb2.SendCodeRequest, user_pb2.SendCodeResponse, 5.0, "/xinyu.wire.v1.User/SendCode")
LOAD_ROWS = Method("User", "load_rows", 519, options_pb2.RowsRequest, options_pb2.RowsResponse, 3.0, "/xinyu.wire.v1.User/LoadRows", repeatable=True)
END_LOGINS = Method("User", "end_logins", 520, user_pb2.UserRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.User/EndLogins", repeatable=True)
LIST_ENDED_LOGINS = Method("User", "list_ended_logins", 521, user_pb2.EndedLoginsRequest, user_pb2.EndedLoginsPage, 3.0, "/xinyu.wire.v1.User/ListEndedLogins", repeatable=True)
SEND_EMAIL_CODE = Method("User", "send_email_code", 522, user_pb2.SendEmailCodeRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.User/SendEmailCode")
SEND_TEST_EMAIL = Method("User", "send_test_email", 523, user_pb2.SendTestEmailRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.User/SendTestEmail")
CHECK_EMAIL_CODE = Method("User", "check_email_code", 524, user_pb2.CheckEmailCodeRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.User/CheckEmailCode")
BEGIN_OAUTH = Method("User", "begin_oauth", 525, user_pb2.BeginOAuthRequest, user_pb2.BeginOAuthResponse, 5.0, "/xinyu.wire.v1.User/BeginOAuth")
FINISH_OAUTH = Method("User", "finish_oauth", 526, user_pb2.FinishOAuthRequest, user_pb2.FinishOAuthResponse, 5.0, "/xinyu.wire.v1.User/FinishOAuth")
DELETE_ACCOUNT = Method("User", "delete_account", 528, user_pb2.DeleteAccountRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.User/DeleteAccount")
CREATE_BOT = Method("User", "create_bot", 270, user_pb2.CreateBotRequest, user_pb2.BotToken, 5.0, "/xinyu.wire.v1.User/CreateBot", repeatable=True)
LIST_BOTS = Method("User", "list_bots", 271, user_pb2.UserRequest, user_pb2.BotsPage, 3.0, "/xinyu.wire.v1.User/ListBots", repeatable=True)
UPDATE_BOT = Method("User", "update_bot", 272, user_pb2.UpdateBotRequest, user_pb2.UpdatedBot, 5.0, "/xinyu.wire.v1.User/UpdateBot", repeatable=True)
RESET_BOT_TOKEN = Method("User", "reset_bot_token", 273, user_pb2.BotRequest, user_pb2.BotToken, 5.0, "/xinyu.wire.v1.User/ResetBotToken")
DELETE_BOT = Method("User", "delete_bot", 274, user_pb2.BotRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.User/DeleteBot")
BIND_OAUTH = Method("User", "bind_oauth", 527, user_pb2.BindOAuthRequest, user_pb2.Token, 5.0, "/xinyu.wire.v1.User/BindOAuth")

SERVICE = "User"
METHODS = (LOAD_USER, UPDATE_PASSWORD, UPDATE_PROFILE, UPDATE_MOBILE, UPDATE_EMAIL, FIND_BY_MOBILE, SAVE_SETTINGS, LOAD_SETTINGS, LOAD_NAMES, AUTHENTICATE, REGISTER, RESET_PASSWORD, SEND_CODE, LOAD_ROWS, END_LOGINS, LIST_ENDED_LOGINS, SEND_EMAIL_CODE, SEND_TEST_EMAIL, CHECK_EMAIL_CODE, BEGIN_OAUTH, FINISH_OAUTH, DELETE_ACCOUNT, CREATE_BOT, LIST_BOTS, UPDATE_BOT, RESET_BOT_TOKEN, DELETE_BOT, BIND_OAUTH,)


class UserStub:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def load_user(
        self, request: user_pb2.UserRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.UserDetail:
        response: user_pb2.UserDetail = await self.channel.call(LOAD_USER, request, timeout_s=timeout_s, key=key)
        return response

    async def update_password(
        self, request: user_pb2.UpdatePasswordRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(UPDATE_PASSWORD, request, timeout_s=timeout_s, key=key)
        return response

    async def update_profile(
        self, request: user_pb2.UpdateProfileRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(UPDATE_PROFILE, request, timeout_s=timeout_s, key=key)
        return response

    async def update_mobile(
        self, request: user_pb2.UpdateMobileRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(UPDATE_MOBILE, request, timeout_s=timeout_s, key=key)
        return response

    async def update_email(
        self, request: user_pb2.UpdateEmailRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(UPDATE_EMAIL, request, timeout_s=timeout_s, key=key)
        return response

    async def find_by_mobile(
        self, request: user_pb2.FindByMobileRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.UserDetail:
        response: user_pb2.UserDetail = await self.channel.call(FIND_BY_MOBILE, request, timeout_s=timeout_s, key=key)
        return response

    async def save_settings(
        self, request: user_pb2.SaveSettingsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(SAVE_SETTINGS, request, timeout_s=timeout_s, key=key)
        return response

    async def load_settings(
        self, request: user_pb2.LoadSettingsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.SettingsView:
        response: user_pb2.SettingsView = await self.channel.call(LOAD_SETTINGS, request, timeout_s=timeout_s, key=key)
        return response

    async def load_names(
        self, request: user_pb2.LoadNamesRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.NamesPage:
        response: user_pb2.NamesPage = await self.channel.call(LOAD_NAMES, request, timeout_s=timeout_s, key=key)
        return response

    async def authenticate(
        self, request: user_pb2.AuthenticateRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.Token:
        response: user_pb2.Token = await self.channel.call(AUTHENTICATE, request, timeout_s=timeout_s, key=key)
        return response

    async def register(
        self, request: user_pb2.RegisterRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.Token:
        response: user_pb2.Token = await self.channel.call(REGISTER, request, timeout_s=timeout_s, key=key)
        return response

    async def reset_password(
        self, request: user_pb2.ResetPasswordRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(RESET_PASSWORD, request, timeout_s=timeout_s, key=key)
        return response

    async def send_code(
        self, request: user_pb2.SendCodeRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.SendCodeResponse:
        response: user_pb2.SendCodeResponse = await self.channel.call(SEND_CODE, request, timeout_s=timeout_s, key=key)
        return response

    async def load_rows(
        self, request: options_pb2.RowsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.RowsResponse:
        response: options_pb2.RowsResponse = await self.channel.call(LOAD_ROWS, request, timeout_s=timeout_s, key=key)
        return response

    async def end_logins(
        self, request: user_pb2.UserRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(END_LOGINS, request, timeout_s=timeout_s, key=key)
        return response

    async def list_ended_logins(
        self, request: user_pb2.EndedLoginsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.EndedLoginsPage:
        response: user_pb2.EndedLoginsPage = await self.channel.call(LIST_ENDED_LOGINS, request, timeout_s=timeout_s, key=key)
        return response

    async def send_email_code(
        self, request: user_pb2.SendEmailCodeRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(SEND_EMAIL_CODE, request, timeout_s=timeout_s, key=key)
        return response

    async def send_test_email(
        self, request: user_pb2.SendTestEmailRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(SEND_TEST_EMAIL, request, timeout_s=timeout_s, key=key)
        return response

    async def check_email_code(
        self, request: user_pb2.CheckEmailCodeRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(CHECK_EMAIL_CODE, request, timeout_s=timeout_s, key=key)
        return response

    async def begin_oauth(
        self, request: user_pb2.BeginOAuthRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.BeginOAuthResponse:
        response: user_pb2.BeginOAuthResponse = await self.channel.call(BEGIN_OAUTH, request, timeout_s=timeout_s, key=key)
        return response

    async def finish_oauth(
        self, request: user_pb2.FinishOAuthRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.FinishOAuthResponse:
        response: user_pb2.FinishOAuthResponse = await self.channel.call(FINISH_OAUTH, request, timeout_s=timeout_s, key=key)
        return response

    async def delete_account(
        self, request: user_pb2.DeleteAccountRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(DELETE_ACCOUNT, request, timeout_s=timeout_s, key=key)
        return response

    async def create_bot(
        self, request: user_pb2.CreateBotRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.BotToken:
        response: user_pb2.BotToken = await self.channel.call(CREATE_BOT, request, timeout_s=timeout_s, key=key)
        return response

    async def list_bots(
        self, request: user_pb2.UserRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.BotsPage:
        response: user_pb2.BotsPage = await self.channel.call(LIST_BOTS, request, timeout_s=timeout_s, key=key)
        return response

    async def update_bot(
        self, request: user_pb2.UpdateBotRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.UpdatedBot:
        response: user_pb2.UpdatedBot = await self.channel.call(UPDATE_BOT, request, timeout_s=timeout_s, key=key)
        return response

    async def reset_bot_token(
        self, request: user_pb2.BotRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.BotToken:
        response: user_pb2.BotToken = await self.channel.call(RESET_BOT_TOKEN, request, timeout_s=timeout_s, key=key)
        return response

    async def delete_bot(
        self, request: user_pb2.BotRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(DELETE_BOT, request, timeout_s=timeout_s, key=key)
        return response

    async def bind_oauth(
        self, request: user_pb2.BindOAuthRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> user_pb2.Token:
        response: user_pb2.Token = await self.channel.call(BIND_OAUTH, request, timeout_s=timeout_s, key=key)
        return response


class UserServicer(Protocol):
    async def load_user(self, request: user_pb2.UserRequest, context: Any) -> user_pb2.UserDetail: ...

    async def update_password(self, request: user_pb2.UpdatePasswordRequest, context: Any) -> options_pb2.Empty: ...

    async def update_profile(self, request: user_pb2.UpdateProfileRequest, context: Any) -> options_pb2.Empty: ...

    async def update_mobile(self, request: user_pb2.UpdateMobileRequest, context: Any) -> options_pb2.Empty: ...

    async def update_email(self, request: user_pb2.UpdateEmailRequest, context: Any) -> options_pb2.Empty: ...

    async def find_by_mobile(self, request: user_pb2.FindByMobileRequest, context: Any) -> user_pb2.UserDetail: ...

    async def save_settings(self, request: user_pb2.SaveSettingsRequest, context: Any) -> options_pb2.Empty: ...

    async def load_settings(self, request: user_pb2.LoadSettingsRequest, context: Any) -> user_pb2.SettingsView: ...

    async def load_names(self, request: user_pb2.LoadNamesRequest, context: Any) -> user_pb2.NamesPage: ...

    async def authenticate(self, request: user_pb2.AuthenticateRequest, context: Any) -> user_pb2.Token: ...

    async def register(self, request: user_pb2.RegisterRequest, context: Any) -> user_pb2.Token: ...

    async def reset_password(self, request: user_pb2.ResetPasswordRequest, context: Any) -> options_pb2.Empty: ...

    async def send_code(self, request: user_pb2.SendCodeRequest, context: Any) -> user_pb2.SendCodeResponse: ...

    async def load_rows(self, request: options_pb2.RowsRequest, context: Any) -> options_pb2.RowsResponse: ...

    async def end_logins(self, request: user_pb2.UserRequest, context: Any) -> options_pb2.Empty: ...

    async def list_ended_logins(self, request: user_pb2.EndedLoginsRequest, context: Any) -> user_pb2.EndedLoginsPage: ...

    async def send_email_code(self, request: user_pb2.SendEmailCodeRequest, context: Any) -> options_pb2.Empty: ...

    async def send_test_email(self, request: user_pb2.SendTestEmailRequest, context: Any) -> options_pb2.Empty: ...

    async def check_email_code(self, request: user_pb2.CheckEmailCodeRequest, context: Any) -> options_pb2.Empty: ...

    async def begin_oauth(self, request: user_pb2.BeginOAuthRequest, context: Any) -> user_pb2.BeginOAuthResponse: ...

    async def finish_oauth(self, request: user_pb2.FinishOAuthRequest, context: Any) -> user_pb2.FinishOAuthResponse: ...

    async def delete_account(self, request: user_pb2.DeleteAccountRequest, context: Any) -> options_pb2.Empty: ...

    async def create_bot(self, request: user_pb2.CreateBotRequest, context: Any) -> user_pb2.BotToken: ...

    async def list_bots(self, request: user_pb2.UserRequest, context: Any) -> user_pb2.BotsPage: ...

    async def update_bot(self, request: user_pb2.UpdateBotRequest, context: Any) -> user_pb2.UpdatedBot: ...

    async def reset_bot_token(self, request: user_pb2.BotRequest, context: Any) -> user_pb2.BotToken: ...

    async def delete_bot(self, request: user_pb2.BotRequest, context: Any) -> options_pb2.Empty: ...

    async def bind_oauth(self, request: user_pb2.BindOAuthRequest, context: Any) -> user_pb2.Token: ...
