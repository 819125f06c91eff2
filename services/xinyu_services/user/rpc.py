"""The User service on the wire: protobuf to use cases and back."""

from __future__ import annotations

from typing import Any

import msgspec

from xinyu.rpc.context import Context
from xinyu.wire.v1 import options_pb2, user_pb2
from xinyu_services.user import view
from xinyu_services.user.bots import Bots, NewToken
from xinyu_services.user.credentials import Credentials
from xinyu_services.user.deletion import Deletion
from xinyu_services.user.model import Account
from xinyu_services.user.oauth import OAuth
from xinyu_services.user.service import Login, UserService, Visitor
from xinyu_services.user.verification import Verification


class UserServicer:
    """`xinyu.wire.v1.user_rpc.UserServicer`."""

    def __init__(
        self,
        service: UserService,
        credentials: Credentials,
        verification: Verification,
        oauth: OAuth,
        deletion: Deletion,
        bots: Bots,
    ) -> None:
        self._service = service
        self._credentials = credentials
        self._verification = verification
        self._oauth = oauth
        self._deletion = deletion
        self._bots = bots

    async def load_user(self, request: user_pb2.UserRequest, context: Context) -> user_pb2.UserDetail:
        return _detail(await self._service.account(request.user_id))

    async def find_by_mobile(self, request: user_pb2.FindByMobileRequest, context: Context) -> user_pb2.UserDetail:
        return _detail(await self._service.find_by_mobile(request.mobile))

    async def update_profile(self, request: user_pb2.UpdateProfileRequest, context: Context) -> options_pb2.Empty:
        values = {field.name: value for field, value in request.ListFields() if field.name != "user_id"}
        await self._service.update_profile(request.user_id, values)
        return options_pb2.Empty()

    async def save_settings(self, request: user_pb2.SaveSettingsRequest, context: Context) -> options_pb2.Empty:
        values = {field.name: value for field, value in request.ListFields() if field.name != "user_id"}
        await self._service.save_settings(request.user_id, values)
        return options_pb2.Empty()

    async def load_settings(self, request: user_pb2.LoadSettingsRequest, context: Context) -> user_pb2.SettingsView:
        account = await self._service.account(request.user_id)
        return user_pb2.SettingsView(encoded=msgspec.json.encode(view.settings(account)))

    async def load_names(self, request: user_pb2.LoadNamesRequest, context: Context) -> user_pb2.NamesPage:
        page = user_pb2.NamesPage()
        for profile in await self._service.profiles(request.user_ids):
            page.names.add(
                user_id=profile.user_id,
                nickname=profile.nickname,
                avatar=profile.avatar,
                is_robot=profile.is_robot,
                gender=profile.gender,
                motto=profile.motto,
            )
        return page

    async def authenticate(self, request: user_pb2.AuthenticateRequest, context: Context) -> user_pb2.Token:
        login = await self._service.authenticate(
            mobile=request.mobile,
            password=request.password,
            visitor=Visitor(request.address, request.user_agent, request.platform, request.secure),
            context=context,
        )
        return _token(login)

    async def register(self, request: user_pb2.RegisterRequest, context: Context) -> user_pb2.Token:
        login = await self._service.register(
            mobile=request.mobile,
            nickname=request.nickname,
            password=request.password,
            sms_code=request.sms_code,
            visitor=Visitor(request.address, request.user_agent, request.platform, request.secure),
            context=context,
        )
        return _token(login)

    async def send_code(self, request: user_pb2.SendCodeRequest, context: Context) -> user_pb2.SendCodeResponse:
        code = await self._verification.send_sms(request.mobile, request.channel, request.address)
        return user_pb2.SendCodeResponse(sms_code=code)

    async def send_email_code(self, request: user_pb2.SendEmailCodeRequest, context: Context) -> options_pb2.Empty:
        await self._verification.send_email(request.email, request.channel, request.address)
        return options_pb2.Empty()

    async def send_test_email(self, request: user_pb2.SendTestEmailRequest, context: Context) -> options_pb2.Empty:
        await self._verification.send_test(request.email, request.address)
        return options_pb2.Empty()

    async def check_email_code(self, request: user_pb2.CheckEmailCodeRequest, context: Context) -> options_pb2.Empty:
        await self._verification.check_email(request.email, request.channel, request.code)
        return options_pb2.Empty()

    async def reset_password(self, request: user_pb2.ResetPasswordRequest, context: Context) -> options_pb2.Empty:
        await self._credentials.reset_password(
            mobile=request.mobile,
            password=request.password,
            sms_code=request.sms_code,
            address=request.address,
            secure=request.secure,
            context=context,
        )
        return options_pb2.Empty()

    async def update_password(self, request: user_pb2.UpdatePasswordRequest, context: Context) -> options_pb2.Empty:
        await self._credentials.update_password(
            request.user_id,
            old_password=request.old_password,
            new_password=request.new_password,
            secure=request.secure,
            context=context,
        )
        return options_pb2.Empty()

    async def update_mobile(self, request: user_pb2.UpdateMobileRequest, context: Context) -> options_pb2.Empty:
        await self._credentials.update_mobile(
            request.user_id,
            mobile=request.mobile,
            password=request.password,
            sms_code=request.sms_code,
            secure=request.secure,
            context=context,
        )
        return options_pb2.Empty()

    async def update_email(self, request: user_pb2.UpdateEmailRequest, context: Context) -> options_pb2.Empty:
        await self._credentials.update_email(
            request.user_id,
            email=request.email,
            password=request.password,
            code=request.code,
            secure=request.secure,
            context=context,
        )
        return options_pb2.Empty()

    async def delete_account(self, request: user_pb2.DeleteAccountRequest, context: Context) -> options_pb2.Empty:
        await self._deletion.delete(request.user_id, request.password, secure=request.secure, context=context)
        return options_pb2.Empty()

    async def begin_oauth(self, request: user_pb2.BeginOAuthRequest, context: Context) -> user_pb2.BeginOAuthResponse:
        return user_pb2.BeginOAuthResponse(uri=await self._oauth.begin(request.oauth_type, request.address))

    async def finish_oauth(
        self, request: user_pb2.FinishOAuthRequest, context: Context
    ) -> user_pb2.FinishOAuthResponse:
        visitor = Visitor(request.address, request.user_agent, "web", secure=False)
        found = await self._oauth.finish(request.oauth_type, request.code, request.state, visitor)
        if isinstance(found, str):
            return user_pb2.FinishOAuthResponse(bind_token=found)
        return user_pb2.FinishOAuthResponse(token=_token(found))

    async def bind_oauth(self, request: user_pb2.BindOAuthRequest, context: Context) -> user_pb2.Token:
        visitor = Visitor(request.address, request.user_agent, "web", secure=False)
        return _token(await self._oauth.bind(request.bind_token, request.mobile, request.sms_code, visitor, context))

    async def load_rows(self, request: options_pb2.RowsRequest, context: Context) -> options_pb2.RowsResponse:
        version, floor, account = await self._service.row_since(request.user_id, request.version)
        response = options_pb2.RowsResponse(version=version, floor=floor)
        if account is not None:
            encoded = msgspec.json.encode(view.row(account, account.version))
            response.rows.add(version=account.version, key=account.user_id, encoded=encoded)
        return response

    async def end_logins(self, request: user_pb2.UserRequest, context: Context) -> options_pb2.Empty:
        await self._service.end_logins(request.user_id)
        return options_pb2.Empty()

    async def list_ended_logins(
        self, request: user_pb2.EndedLoginsRequest, context: Context
    ) -> user_pb2.EndedLoginsPage:
        found = await self._service.ended_logins(request.since_ms, request.after_user_id)
        page = user_pb2.EndedLoginsPage(more=found.more, now_ms=found.now_ms)
        for user_id, expires_until_ms in found.logins:
            page.ended.add(user_id=user_id, expires_until_ms=expires_until_ms)
        return page

    async def create_bot(self, request: user_pb2.CreateBotRequest, context: Context) -> user_pb2.BotToken:
        made = await self._bots.create(request.user_id, request.name, request.avatar, request.webhook_url, context)
        return _bot_token(made)

    async def list_bots(self, request: user_pb2.UserRequest, context: Context) -> user_pb2.BotsPage:
        page = user_pb2.BotsPage()
        for bot, webhook in await self._bots.list(request.user_id):
            page.bots.add(
                bot_id=bot.bot_id,
                name=bot.name,
                avatar=bot.avatar,
                created_at_ms=bot.created_at_ms,
                webhook_url=bot.webhook_url,
                webhook_state=webhook.state,
                webhook_failure=webhook.failure,
                webhook_failing_since_ms=webhook.failing_since_ms,
            )
        return page

    async def update_bot(self, request: user_pb2.UpdateBotRequest, context: Context) -> user_pb2.UpdatedBot:
        values: dict[str, Any] = {}
        if request.HasField("name"):
            values["nickname"] = request.name
        if request.HasField("avatar"):
            values["avatar"] = request.avatar
        url = request.webhook_url if request.HasField("webhook_url") else None
        secret = await self._bots.update(request.user_id, request.bot_id, values, url, context)
        return user_pb2.UpdatedBot(webhook_secret=secret)

    async def reset_bot_token(self, request: user_pb2.BotRequest, context: Context) -> user_pb2.BotToken:
        return _bot_token(await self._bots.reset_token(request.user_id, request.bot_id))

    async def delete_bot(self, request: user_pb2.BotRequest, context: Context) -> options_pb2.Empty:
        await self._bots.delete(request.user_id, request.bot_id, context)
        return options_pb2.Empty()


def _bot_token(made: NewToken) -> user_pb2.BotToken:
    return user_pb2.BotToken(bot_id=made.bot_id, token=made.token, webhook_secret=made.webhook_secret)


def _token(login: Login) -> user_pb2.Token:
    return user_pb2.Token(user_id=login.user_id, access_token=login.access_token, expires_in_s=login.expires_in_s)


def _detail(account: Account) -> user_pb2.UserDetail:
    return user_pb2.UserDetail(
        user_id=account.user_id,
        mobile="" if account.is_robot else account.mobile,
        nickname=account.nickname,
        avatar=account.avatar,
        gender=account.gender,
        motto=account.motto,
        email=account.email,
        birthday=account.birthday,
        is_robot=account.is_robot,
    )
