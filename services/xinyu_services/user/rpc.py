"""The User service on the wire: protobuf to use cases and back."""

from __future__ import annotations

import msgspec

from xinyu.rpc.context import Context
from xinyu.wire.v1 import options_pb2, user_pb2
from xinyu_services.user import view
from xinyu_services.user.model import Account
from xinyu_services.user.service import Login, UserService, Visitor


class UserServicer:
    """`xinyu.wire.v1.user_rpc.UserServicer`."""

    def __init__(self, service: UserService) -> None:
        self._service = service

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
        code = await self._service.send_code(mobile=request.mobile, channel=request.channel, address=request.address)
        return user_pb2.SendCodeResponse(sms_code=code)

    async def load_rows(self, request: options_pb2.RowsRequest, context: Context) -> options_pb2.RowsResponse:
        version, floor, account = await self._service.row_since(request.user_id, request.version)
        response = options_pb2.RowsResponse(version=version, floor=floor)
        if account is not None:
            encoded = msgspec.json.encode(view.row(account, account.version))
            response.rows.add(version=account.version, key=account.user_id, encoded=encoded)
        return response


def _token(login: Login) -> user_pb2.Token:
    return user_pb2.Token(user_id=login.user_id, access_token=login.access_token, expires_in_s=login.expires_in_s)


def _detail(account: Account) -> user_pb2.UserDetail:
    return user_pb2.UserDetail(
        user_id=account.user_id,
        mobile=account.mobile,
        nickname=account.nickname,
        avatar=account.avatar,
        gender=account.gender,
        motto=account.motto,
        email=account.email,
        birthday=account.birthday,
        is_robot=account.is_robot,
    )
