"""Stub and servicer of the Contact service. Generated from xinyu/wire/v1/contact.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import contact_pb2
from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1.method import Channel, Method

LOAD_DETAIL = Method("Contact", "load_detail", 401, contact_pb2.ContactDetailRequest, contact_pb2.ContactDetail, 3.0)
ACCEPT_APPLY = Method("Contact", "accept_apply", 402, contact_pb2.AnswerApplyRequest, contact_pb2.AcceptApplyResponse, 5.0)
SEARCH = Method("Contact", "search", 403, contact_pb2.SearchRequest, contact_pb2.ContactDetail, 3.0)
LIST = Method("Contact", "list", 404, contact_pb2.ContactListRequest, contact_pb2.ItemsPage, 3.0)
CREATE_APPLY = Method("Contact", "create_apply", 405, contact_pb2.CreateApplyRequest, options_pb2.Empty, 3.0)
COUNT_APPLIES = Method("Contact", "count_applies", 406, contact_pb2.ContactListRequest, contact_pb2.CountResponse, 3.0)
LIST_APPLIES = Method("Contact", "list_applies", 407, contact_pb2.ContactListRequest, contact_pb2.ItemsPage, 3.0)
DECLINE_APPLY = Method("Contact", "decline_apply", 408, contact_pb2.AnswerApplyRequest, options_pb2.Empty, 3.0)
LOAD_REMARKS = Method("Contact", "load_remarks", 414, contact_pb2.LoadRemarksRequest, contact_pb2.RemarksPage, 3.0)
LOAD_ROWS = Method("Contact", "load_rows", 415, options_pb2.RowsRequest, options_pb2.RowsResponse, 3.0)
FILTER_FRIENDS = Method("Contact", "filter_friends", 416, contact_pb2.LoadRemarksRequest, contact_pb2.RemarksPage, 3.0)
LIST_FRIENDS = Method("Contact", "list_friends", 417, contact_pb2.ContactListRequest, contact_pb2.RemarksPage, 3.0)
REFRESH_PROFILE = Method("Contact", "refresh_profile", 418, contact_pb2.RefreshProfileRequest, contact_pb2.RefreshProfileResponse, 3.0)

SERVICE = "Contact"
METHODS = (LOAD_DETAIL, ACCEPT_APPLY, SEARCH, LIST, CREATE_APPLY, COUNT_APPLIES, LIST_APPLIES, DECLINE_APPLY, LOAD_REMARKS, LOAD_ROWS, FILTER_FRIENDS, LIST_FRIENDS, REFRESH_PROFILE,)


class ContactStub:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def load_detail(
        self, request: contact_pb2.ContactDetailRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ContactDetail:
        response: contact_pb2.ContactDetail = await self._channel.call(LOAD_DETAIL, request, timeout_s=timeout_s, key=key)
        return response

    async def accept_apply(
        self, request: contact_pb2.AnswerApplyRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.AcceptApplyResponse:
        response: contact_pb2.AcceptApplyResponse = await self._channel.call(ACCEPT_APPLY, request, timeout_s=timeout_s, key=key)
        return response

    async def search(
        self, request: contact_pb2.SearchRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ContactDetail:
        response: contact_pb2.ContactDetail = await self._channel.call(SEARCH, request, timeout_s=timeout_s, key=key)
        return response

    async def list(
        self, request: contact_pb2.ContactListRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ItemsPage:
        response: contact_pb2.ItemsPage = await self._channel.call(LIST, request, timeout_s=timeout_s, key=key)
        return response

    async def create_apply(
        self, request: contact_pb2.CreateApplyRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self._channel.call(CREATE_APPLY, request, timeout_s=timeout_s, key=key)
        return response

    async def count_applies(
        self, request: contact_pb2.ContactListRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.CountResponse:
        response: contact_pb2.CountResponse = await self._channel.call(COUNT_APPLIES, request, timeout_s=timeout_s, key=key)
        return response

    async def list_applies(
        self, request: contact_pb2.ContactListRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ItemsPage:
        response: contact_pb2.ItemsPage = await self._channel.call(LIST_APPLIES, request, timeout_s=timeout_s, key=key)
        return response

    async def decline_apply(
        self, request: contact_pb2.AnswerApplyRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self._channel.call(DECLINE_APPLY, request, timeout_s=timeout_s, key=key)
        return response

    async def load_remarks(
        self, request: contact_pb2.LoadRemarksRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.RemarksPage:
        response: contact_pb2.RemarksPage = await self._channel.call(LOAD_REMARKS, request, timeout_s=timeout_s, key=key)
        return response

    async def load_rows(
        self, request: options_pb2.RowsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.RowsResponse:
        response: options_pb2.RowsResponse = await self._channel.call(LOAD_ROWS, request, timeout_s=timeout_s, key=key)
        return response

    async def filter_friends(
        self, request: contact_pb2.LoadRemarksRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.RemarksPage:
        response: contact_pb2.RemarksPage = await self._channel.call(FILTER_FRIENDS, request, timeout_s=timeout_s, key=key)
        return response

    async def list_friends(
        self, request: contact_pb2.ContactListRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.RemarksPage:
        response: contact_pb2.RemarksPage = await self._channel.call(LIST_FRIENDS, request, timeout_s=timeout_s, key=key)
        return response

    async def refresh_profile(
        self, request: contact_pb2.RefreshProfileRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.RefreshProfileResponse:
        response: contact_pb2.RefreshProfileResponse = await self._channel.call(REFRESH_PROFILE, request, timeout_s=timeout_s, key=key)
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

    async def load_remarks(self, request: contact_pb2.LoadRemarksRequest, context: Any) -> contact_pb2.RemarksPage: ...

    async def load_rows(self, request: options_pb2.RowsRequest, context: Any) -> options_pb2.RowsResponse: ...

    async def filter_friends(self, request: contact_pb2.LoadRemarksRequest, context: Any) -> contact_pb2.RemarksPage: ...

    async def list_friends(self, request: contact_pb2.ContactListRequest, context: Any) -> contact_pb2.RemarksPage: ...

    async def refresh_profile(self, request: contact_pb2.RefreshProfileRequest, context: Any) -> contact_pb2.RefreshProfileResponse: ...
