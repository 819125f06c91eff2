"""Stub and servicer of the Contact service. Generated from xinyu/wire/v1/contact.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import contact_pb2
from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1.method import Channel, Method

LOAD_DETAIL = Method("Contact", "load_detail", 401, contact_pb2.ContactDetailRequest, contact_pb2.ContactDetail, 3.0, "/xinyu.wire.v1.Contact/LoadDetail", repeatable=True)
ACCEPT_APPLY = Method("Contact", "accept_apply", 402, contact_pb2.AnswerApplyRequest, contact_pb2.AcceptApplyResponse, 5.0, "/xinyu.wire.v1.Contact/AcceptApply")
SEARCH = Method("Contact", "search", 403, contact_pb2.SearchRequest, contact_pb2.ContactDetail, 3.0, "/xinyu.wire.v1.Contact/Search", repeatable=True)
LIST = Method("Contact", "list", 404, contact_pb2.ContactListRequest, contact_pb2.ItemsPage, 3.0, "/xinyu.wire.v1.Contact/List", repeatable=True)
CREATE_APPLY = Method("Contact", "create_apply", 405, contact_pb2.CreateApplyRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.Contact/CreateApply")
COUNT_APPLIES = Method("Contact", "count_applies", 406, contact_pb2.ContactListRequest, contact_pb2.CountResponse, 3.0, "/xinyu.wire.v1.Contact/CountApplies", repeatable=True)
LIST_APPLIES = Method("Contact", "list_applies", 407, contact_pb2.ContactListRequest, contact_pb2.ItemsPage, 3.0, "/xinyu.wire.v1.Contact/ListApplies", repeatable=True)
DECLINE_APPLY = Method("Contact", "decline_apply", 408, contact_pb2.AnswerApplyRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.Contact/DeclineApply")
DELETE = Method("Contact", "delete", 409, contact_pb2.FriendRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Contact/Delete", repeatable=True)
EDIT_REMARK = Method("Contact", "edit_remark", 410, contact_pb2.EditRemarkRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.Contact/EditRemark", repeatable=True)
CHANGE_FOLDER = Method("Contact", "change_folder", 411, contact_pb2.ChangeFolderRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.Contact/ChangeFolder", repeatable=True)
LIST_FOLDERS = Method("Contact", "list_folders", 412, contact_pb2.ContactListRequest, contact_pb2.ItemsPage, 3.0, "/xinyu.wire.v1.Contact/ListFolders", repeatable=True)
SAVE_FOLDERS = Method("Contact", "save_folders", 413, contact_pb2.SaveFoldersRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Contact/SaveFolders", repeatable=True)
BLOCK = Method("Contact", "block", 419, contact_pb2.BlockRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Contact/Block", repeatable=True)
LIST_BLOCKED = Method("Contact", "list_blocked", 420, contact_pb2.ContactListRequest, contact_pb2.ItemsPage, 3.0, "/xinyu.wire.v1.Contact/ListBlocked", repeatable=True)
LOAD_REMARKS = Method("Contact", "load_remarks", 414, contact_pb2.LoadRemarksRequest, contact_pb2.RemarksPage, 3.0, "/xinyu.wire.v1.Contact/LoadRemarks", repeatable=True)
LOAD_ROWS = Method("Contact", "load_rows", 415, options_pb2.RowsRequest, options_pb2.RowsResponse, 3.0, "/xinyu.wire.v1.Contact/LoadRows", repeatable=True)
FILTER_FRIENDS = Method("Contact", "filter_friends", 416, contact_pb2.LoadRemarksRequest, contact_pb2.RemarksPage, 3.0, "/xinyu.wire.v1.Contact/FilterFriends", repeatable=True)
LIST_FRIENDS = Method("Contact", "list_friends", 417, contact_pb2.ContactListRequest, contact_pb2.RemarksPage, 3.0, "/xinyu.wire.v1.Contact/ListFriends", repeatable=True)
REFRESH_PROFILE = Method("Contact", "refresh_profile", 418, contact_pb2.RefreshProfileRequest, contact_pb2.RefreshProfileResponse, 3.0, "/xinyu.wire.v1.Contact/RefreshProfile")
BEFRIEND = Method("Contact", "befriend", 481, contact_pb2.BefriendRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Contact/Befriend", repeatable=True)
FORGET_USER = Method("Contact", "forget_user", 430, contact_pb2.ForgetUserRequest, contact_pb2.ForgetUserResponse, 5.0, "/xinyu.wire.v1.Contact/ForgetUser", repeatable=True)

SERVICE = "Contact"
METHODS = (LOAD_DETAIL, ACCEPT_APPLY, SEARCH, LIST, CREATE_APPLY, COUNT_APPLIES, LIST_APPLIES, DECLINE_APPLY, DELETE, EDIT_REMARK, CHANGE_FOLDER, LIST_FOLDERS, SAVE_FOLDERS, BLOCK, LIST_BLOCKED, LOAD_REMARKS, LOAD_ROWS, FILTER_FRIENDS, LIST_FRIENDS, REFRESH_PROFILE, BEFRIEND, FORGET_USER,)


class ContactStub:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def load_detail(
        self, request: contact_pb2.ContactDetailRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ContactDetail:
        response: contact_pb2.ContactDetail = await self.channel.call(LOAD_DETAIL, request, timeout_s=timeout_s, key=key)
        return response

    async def accept_apply(
        self, request: contact_pb2.AnswerApplyRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.AcceptApplyResponse:
        response: contact_pb2.AcceptApplyResponse = await self.channel.call(ACCEPT_APPLY, request, timeout_s=timeout_s, key=key)
        return response

    async def search(
        self, request: contact_pb2.SearchRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ContactDetail:
        response: contact_pb2.ContactDetail = await self.channel.call(SEARCH, request, timeout_s=timeout_s, key=key)
        return response

    async def list(
        self, request: contact_pb2.ContactListRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ItemsPage:
        response: contact_pb2.ItemsPage = await self.channel.call(LIST, request, timeout_s=timeout_s, key=key)
        return response

    async def create_apply(
        self, request: contact_pb2.CreateApplyRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(CREATE_APPLY, request, timeout_s=timeout_s, key=key)
        return response

    async def count_applies(
        self, request: contact_pb2.ContactListRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.CountResponse:
        response: contact_pb2.CountResponse = await self.channel.call(COUNT_APPLIES, request, timeout_s=timeout_s, key=key)
        return response

    async def list_applies(
        self, request: contact_pb2.ContactListRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ItemsPage:
        response: contact_pb2.ItemsPage = await self.channel.call(LIST_APPLIES, request, timeout_s=timeout_s, key=key)
        return response

    async def decline_apply(
        self, request: contact_pb2.AnswerApplyRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(DECLINE_APPLY, request, timeout_s=timeout_s, key=key)
        return response

    async def delete(
        self, request: contact_pb2.FriendRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(DELETE, request, timeout_s=timeout_s, key=key)
        return response

    async def edit_remark(
        self, request: contact_pb2.EditRemarkRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(EDIT_REMARK, request, timeout_s=timeout_s, key=key)
        return response

    async def change_folder(
        self, request: contact_pb2.ChangeFolderRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(CHANGE_FOLDER, request, timeout_s=timeout_s, key=key)
        return response

    async def list_folders(
        self, request: contact_pb2.ContactListRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ItemsPage:
        response: contact_pb2.ItemsPage = await self.channel.call(LIST_FOLDERS, request, timeout_s=timeout_s, key=key)
        return response

    async def save_folders(
        self, request: contact_pb2.SaveFoldersRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(SAVE_FOLDERS, request, timeout_s=timeout_s, key=key)
        return response

    async def block(
        self, request: contact_pb2.BlockRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(BLOCK, request, timeout_s=timeout_s, key=key)
        return response

    async def list_blocked(
        self, request: contact_pb2.ContactListRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ItemsPage:
        response: contact_pb2.ItemsPage = await self.channel.call(LIST_BLOCKED, request, timeout_s=timeout_s, key=key)
        return response

    async def load_remarks(
        self, request: contact_pb2.LoadRemarksRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.RemarksPage:
        response: contact_pb2.RemarksPage = await self.channel.call(LOAD_REMARKS, request, timeout_s=timeout_s, key=key)
        return response

    async def load_rows(
        self, request: options_pb2.RowsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.RowsResponse:
        response: options_pb2.RowsResponse = await self.channel.call(LOAD_ROWS, request, timeout_s=timeout_s, key=key)
        return response

    async def filter_friends(
        self, request: contact_pb2.LoadRemarksRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.RemarksPage:
        response: contact_pb2.RemarksPage = await self.channel.call(FILTER_FRIENDS, request, timeout_s=timeout_s, key=key)
        return response

    async def list_friends(
        self, request: contact_pb2.ContactListRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.RemarksPage:
        response: contact_pb2.RemarksPage = await self.channel.call(LIST_FRIENDS, request, timeout_s=timeout_s, key=key)
        return response

    async def refresh_profile(
        self, request: contact_pb2.RefreshProfileRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.RefreshProfileResponse:
        response: contact_pb2.RefreshProfileResponse = await self.channel.call(REFRESH_PROFILE, request, timeout_s=timeout_s, key=key)
        return response

    async def befriend(
        self, request: contact_pb2.BefriendRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(BEFRIEND, request, timeout_s=timeout_s, key=key)
        return response

    async def forget_user(
        self, request: contact_pb2.ForgetUserRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ForgetUserResponse:
        response: contact_pb2.ForgetUserResponse = await self.channel.call(FORGET_USER, request, timeout_s=timeout_s, key=key)
        return response


class ContactServicer(Protocol):
    async def load_detail(self, request: contact_pb2.ContactDetailRequest, context: Any) -> contact_pb2.ContactDetail: ...

    async def accept_apply(self, request: contact_pb2.AnswerApplyRequest, context: Any) -> contact_pb2.AcceptApplyResponse: ...

    async def search(self, request: contact_pb2.SearchRequest, context: Any) -> contact_pb2.ContactDetail: ...

    async def list(self, request: contact_pb2.ContactListRequest, context: Any) -> contact_pb2.ItemsPage: ...

    async def create_apply(self, request: contact_pb2.CreateApplyRequest, context: Any) -> options_pb2.Empty: ...

    async def count_applies(self, request: contact_pb2.ContactListRequest, context: Any) -> contact_pb2.CountResponse: ...

    async def list_applies(self, request: contact_pb2.ContactListRequest, context: Any) -> contact_pb2.ItemsPage: ...

    async def decline_apply(self, request: contact_pb2.AnswerApplyRequest, context: Any) -> options_pb2.Empty: ...

    async def delete(self, request: contact_pb2.FriendRequest, context: Any) -> options_pb2.Empty: ...

    async def edit_remark(self, request: contact_pb2.EditRemarkRequest, context: Any) -> options_pb2.Empty: ...

    async def change_folder(self, request: contact_pb2.ChangeFolderRequest, context: Any) -> options_pb2.Empty: ...

    async def list_folders(self, request: contact_pb2.ContactListRequest, context: Any) -> contact_pb2.ItemsPage: ...

    async def save_folders(self, request: contact_pb2.SaveFoldersRequest, context: Any) -> options_pb2.Empty: ...

    async def block(self, request: contact_pb2.BlockRequest, context: Any) -> options_pb2.Empty: ...

    async def list_blocked(self, request: contact_pb2.ContactListRequest, context: Any) -> contact_pb2.ItemsPage: ...

    async def load_remarks(self, request: contact_pb2.LoadRemarksRequest, context: Any) -> contact_pb2.RemarksPage: ...

    async def load_rows(self, request: options_pb2.RowsRequest, context: Any) -> options_pb2.RowsResponse: ...

    async def filter_friends(self, request: contact_pb2.LoadRemarksRequest, context: Any) -> contact_pb2.RemarksPage: ...

    async def list_friends(self, request: contact_pb2.ContactListRequest, context: Any) -> contact_pb2.RemarksPage: ...

    async def refresh_profile(self, request: contact_pb2.RefreshProfileRequest, context: Any) -> contact_pb2.RefreshProfileResponse: ...

    async def befriend(self, request: contact_pb2.BefriendRequest, context: Any) -> options_pb2.Empty: ...

    async def forget_user(self, request: contact_pb2.ForgetUserRequest, context: Any) -> contact_pb2.ForgetUserResponse: ...
