"""The Contact service on the wire: protobuf to use cases and back."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import msgspec

from xinyu.rpc.context import Context
from xinyu.wire.v1 import contact_pb2, options_pb2
from xinyu_services.contact import view
from xinyu_services.contact.model import Contact, Detail, Folder, FolderWish
from xinyu_services.contact.service import ContactService


class ContactServicer:
    """`xinyu.wire.v1.contact_rpc.ContactServicer`. `zone`: of the times that clients read as text."""

    def __init__(self, service: ContactService, zone: ZoneInfo) -> None:
        self._service = service
        self._zone = zone

    async def load_detail(
        self, request: contact_pb2.ContactDetailRequest, context: Context
    ) -> contact_pb2.ContactDetail:
        return _detail(await self._service.detail(request.owner_id, request.target_id))

    async def search(self, request: contact_pb2.SearchRequest, context: Context) -> contact_pb2.ContactDetail:
        return _detail(await self._service.search(request.user_id, request.mobile))

    async def list(self, request: contact_pb2.ContactListRequest, context: Context) -> contact_pb2.ItemsPage:
        friends = await self._service.friends(request.user_id)
        return _page([view.contact_item(contact, person) for contact, person in friends])

    async def list_friends(self, request: contact_pb2.ContactListRequest, context: Context) -> contact_pb2.RemarksPage:
        return _remarks(await self._service.friend_rows(request.user_id))

    async def filter_friends(
        self, request: contact_pb2.LoadRemarksRequest, context: Context
    ) -> contact_pb2.RemarksPage:
        return _remarks(await self._service.friends_among(request.owner_id, request.user_ids))

    async def load_remarks(self, request: contact_pb2.LoadRemarksRequest, context: Context) -> contact_pb2.RemarksPage:
        found = await self._service.friends_among(request.owner_id, request.user_ids)
        return _remarks([contact for contact in found if contact.remark])

    async def befriend(self, request: contact_pb2.BefriendRequest, context: Context) -> options_pb2.Empty:
        await self._service.befriend(request.user_id, request.friend_id, context)
        return options_pb2.Empty()

    async def create_apply(self, request: contact_pb2.CreateApplyRequest, context: Context) -> options_pb2.Empty:
        await self._service.create_apply(request.user_id, request.target_id, request.remark, context)
        return options_pb2.Empty()

    async def accept_apply(
        self, request: contact_pb2.AnswerApplyRequest, context: Context
    ) -> contact_pb2.AcceptApplyResponse:
        talk_id, session = await self._service.accept_apply(
            request.user_id, request.apply_id, request.remark, request.codec, context
        )
        return contact_pb2.AcceptApplyResponse(talk_id=talk_id, session=session)

    async def decline_apply(self, request: contact_pb2.AnswerApplyRequest, context: Context) -> options_pb2.Empty:
        await self._service.decline_apply(request.user_id, request.apply_id, context)
        return options_pb2.Empty()

    async def delete(self, request: contact_pb2.FriendRequest, context: Context) -> options_pb2.Empty:
        await self._service.delete(request.user_id, request.friend_id, context)
        return options_pb2.Empty()

    async def edit_remark(self, request: contact_pb2.EditRemarkRequest, context: Context) -> options_pb2.Empty:
        await self._service.edit_remark(request.user_id, request.friend_id, request.remark, context)
        return options_pb2.Empty()

    async def change_folder(self, request: contact_pb2.ChangeFolderRequest, context: Context) -> options_pb2.Empty:
        await self._service.change_folder(request.user_id, request.friend_id, request.folder_id, context)
        return options_pb2.Empty()

    async def list_folders(self, request: contact_pb2.ContactListRequest, context: Context) -> contact_pb2.ItemsPage:
        return _page([view.folder_item(folder) for folder in await self._service.folders(request.user_id)])

    async def save_folders(self, request: contact_pb2.SaveFoldersRequest, context: Context) -> options_pb2.Empty:
        wishes = [FolderWish(folder.folder_id, folder.name, folder.sort) for folder in request.folders]
        await self._service.save_folders(request.user_id, wishes, context)
        return options_pb2.Empty()

    async def block(self, request: contact_pb2.BlockRequest, context: Context) -> options_pb2.Empty:
        await self._service.block(request.user_id, request.blocked_id, request.is_block, context)
        return options_pb2.Empty()

    async def list_blocked(self, request: contact_pb2.ContactListRequest, context: Context) -> contact_pb2.ItemsPage:
        return _page([view.blocked_item(person) for person in await self._service.blocked(request.user_id)])

    async def list_applies(self, request: contact_pb2.ContactListRequest, context: Context) -> contact_pb2.ItemsPage:
        applies = await self._service.applies(request.user_id)
        return _page([view.apply_item(apply, person, self._zone, request.codec) for apply, person in applies])

    async def count_applies(
        self, request: contact_pb2.ContactListRequest, context: Context
    ) -> contact_pb2.CountResponse:
        return contact_pb2.CountResponse(count=await self._service.count_applies(request.user_id))

    async def load_rows(self, request: options_pb2.RowsRequest, context: Context) -> options_pb2.RowsResponse:
        version, floor, rows, more = await self._service.rows(request.user_id, request.version, request.limit)
        response = options_pb2.RowsResponse(version=version, floor=floor, more=more)
        for row, person in rows:
            if isinstance(row, Contact):
                key, shown = row.friend_id, view.contact_row(row, row.version, person)
            elif isinstance(row, Folder):
                key, shown = row.folder_id, view.folder_row(row, row.version)
            else:
                key, shown = row.apply_id, view.apply_row(row, row.version, person, self._zone, request.codec)
            response.rows.add(version=row.version, key=key, encoded=msgspec.json.encode(shown))
        return response

    async def refresh_profile(
        self, request: contact_pb2.RefreshProfileRequest, context: Context
    ) -> contact_pb2.RefreshProfileResponse:
        next_user_id = await self._service.refresh_profile(request.user_id, request.after_user_id)
        return contact_pb2.RefreshProfileResponse(next_user_id=next_user_id)

    async def forget_user(
        self, request: contact_pb2.ForgetUserRequest, context: Context
    ) -> contact_pb2.ForgetUserResponse:
        return contact_pb2.ForgetUserResponse(more=await self._service.forget_user(request.user_id))


def _page(items: object) -> contact_pb2.ItemsPage:
    return contact_pb2.ItemsPage(items=msgspec.json.encode(items))


def _remarks(contacts: Sequence[Contact]) -> contact_pb2.RemarksPage:
    page = contact_pb2.RemarksPage()
    for contact in contacts:
        page.remarks.add(user_id=contact.friend_id, remark=contact.remark)
    return page


def _detail(detail: Detail) -> contact_pb2.ContactDetail:
    person = detail.person
    return contact_pb2.ContactDetail(
        user_id=person.user_id,
        mobile=person.mobile,
        nickname=person.nickname,
        avatar=person.avatar,
        gender=person.gender,
        motto=person.motto,
        email=person.email,
        relation=detail.relation,
        contact_remark=detail.remark,
        contact_group_id=detail.folder_id,
        online=detail.online,
    )
