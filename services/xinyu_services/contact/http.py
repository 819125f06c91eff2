"""REST routes of the contact room (contract: http-api, contact, contact-apply, contact-group)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu.gateway.http.route import HttpCall, Nothing, Route
from xinyu.wire.v1 import contact_pb2, presence_pb2
from xinyu.wire.v1.contact_rpc import ContactStub
from xinyu.wire.v1.presence_rpc import PresenceStub
from xinyu_services.contact.model import EDITED_REMARK_CHARACTERS, FOLDER_NAME_CHARACTERS, MAX_FOLDERS

Id = Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]


class Search(msgspec.Struct):
    mobile: Annotated[str, Meta(min_length=1, max_length=20)]


class OfUser(msgspec.Struct):
    user_id: Id


class EditRemark(msgspec.Struct):
    user_id: Id
    remark: Annotated[str, Meta(max_length=EDITED_REMARK_CHARACTERS)] = ""


class ChangeGroup(msgspec.Struct):
    """`group_id` 0 = in none."""

    user_id: Id
    group_id: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)] = 0


class Block(msgspec.Struct):
    """`action`: 1 blocks, 2 ends it."""

    user_id: Id
    action: Annotated[int, Meta(ge=1, le=2)]


class FolderItem(msgspec.Struct):
    """`id` 0 = a new one. `count` is what a client has read, and says nothing here."""

    id: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)]
    sort: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    name: Annotated[str, Meta(min_length=1, max_length=FOLDER_NAME_CHARACTERS)]
    count: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)] = 0


class SaveFolders(msgspec.Struct):
    items: Annotated[list[FolderItem], Meta(max_length=MAX_FOLDERS)]


class ApplyCreate(msgspec.Struct):
    user_id: Id
    remark: Annotated[str, Meta(max_length=255)] = ""


class ApplyAnswer(msgspec.Struct):
    apply_id: Id
    remark: Annotated[str, Meta(max_length=255)] = ""


def routes(contact: ContactStub, presence: PresenceStub) -> list[Route]:
    """All routes of this room."""

    def asker(call: HttpCall) -> contact_pb2.ContactListRequest:
        return contact_pb2.ContactListRequest(user_id=call.user_id, codec=call.codec)  # type: ignore[arg-type]

    async def search(call: HttpCall, body: Search) -> dict[str, Any]:
        found = await contact.search(contact_pb2.SearchRequest(user_id=call.user_id, mobile=body.mobile))
        return {
            "user_id": found.user_id,
            "mobile": found.mobile,
            "nickname": found.nickname,
            "avatar": found.avatar,
            "gender": found.gender,
            "motto": found.motto,
        }

    async def detail(call: HttpCall, body: OfUser) -> dict[str, Any]:
        request = contact_pb2.ContactDetailRequest(owner_id=call.user_id, target_id=body.user_id)
        found = await contact.load_detail(request)
        return {
            "user_id": found.user_id,
            "mobile": found.mobile,
            "nickname": found.nickname,
            "avatar": found.avatar,
            "gender": found.gender,
            "motto": found.motto,
            "email": found.email,
            "relation": found.relation,
            "contact_remark": found.contact_remark,
            "contact_group_id": found.contact_group_id,
            "online_status": "Y" if found.online else "N",
        }

    async def contact_list(call: HttpCall, _body: Nothing) -> dict[str, Any]:
        return {"items": msgspec.Raw((await contact.list(asker(call))).items)}

    async def online_status(call: HttpCall, body: OfUser) -> dict[str, Any]:
        response = await presence.load_online(presence_pb2.OnlineRequest(user_ids=[body.user_id]))
        return {"online_status": "Y" if body.user_id in response.online_user_ids else "N"}

    async def delete(call: HttpCall, body: OfUser) -> None:
        await contact.delete(contact_pb2.FriendRequest(user_id=call.user_id, friend_id=body.user_id))

    async def edit_remark(call: HttpCall, body: EditRemark) -> None:
        request = contact_pb2.EditRemarkRequest(user_id=call.user_id, friend_id=body.user_id, remark=body.remark)
        await contact.edit_remark(request)

    async def change_group(call: HttpCall, body: ChangeGroup) -> None:
        request = contact_pb2.ChangeFolderRequest(
            user_id=call.user_id, friend_id=body.user_id, folder_id=body.group_id
        )
        await contact.change_folder(request)

    async def block(call: HttpCall, body: Block) -> None:
        request = contact_pb2.BlockRequest(user_id=call.user_id, blocked_id=body.user_id, is_block=body.action == 1)
        await contact.block(request)

    async def block_list(call: HttpCall, _body: Nothing) -> dict[str, Any]:
        return {"items": msgspec.Raw((await contact.list_blocked(asker(call))).items)}

    async def group_list(call: HttpCall, _body: Nothing) -> dict[str, Any]:
        return {"items": msgspec.Raw((await contact.list_folders(asker(call))).items)}

    async def group_save(call: HttpCall, body: SaveFolders) -> None:
        folders = [contact_pb2.Folder(folder_id=each.id, name=each.name, sort=each.sort) for each in body.items]
        await contact.save_folders(contact_pb2.SaveFoldersRequest(user_id=call.user_id, folders=folders))

    async def apply_create(call: HttpCall, body: ApplyCreate) -> None:
        request = contact_pb2.CreateApplyRequest(user_id=call.user_id, target_id=body.user_id, remark=body.remark)
        await contact.create_apply(request)

    def answer(call: HttpCall, body: ApplyAnswer) -> contact_pb2.AnswerApplyRequest:
        return contact_pb2.AnswerApplyRequest(
            user_id=call.user_id,
            apply_id=body.apply_id,
            remark=body.remark,
            codec=call.codec,  # type: ignore[arg-type]
        )

    async def apply_accept(call: HttpCall, body: ApplyAnswer) -> dict[str, Any]:
        return {"session": msgspec.Raw((await contact.accept_apply(answer(call, body))).session)}

    async def apply_decline(call: HttpCall, body: ApplyAnswer) -> None:
        await contact.decline_apply(answer(call, body))

    async def apply_list(call: HttpCall, _body: Nothing) -> dict[str, Any]:
        return {"items": msgspec.Raw((await contact.list_applies(asker(call))).items)}

    async def apply_unread(call: HttpCall, _body: Nothing) -> dict[str, Any]:
        return {"num": (await contact.count_applies(asker(call))).count}

    return [
        Route("contact/search", Search, search),
        Route("contact/detail", OfUser, detail),
        Route("contact/list", Nothing, contact_list),
        Route("contact/online-status", OfUser, online_status),
        Route("contact/delete", OfUser, delete),
        Route("contact/edit-remark", EditRemark, edit_remark),
        Route("contact/change-group", ChangeGroup, change_group),
        Route("contact/block", Block, block),
        Route("contact/block-list", Nothing, block_list),
        Route("contact-group/list", Nothing, group_list),
        Route("contact-group/save", SaveFolders, group_save),
        Route("contact-apply/create", ApplyCreate, apply_create),
        Route("contact-apply/list", Nothing, apply_list),
        Route("contact-apply/accept", ApplyAnswer, apply_accept),
        Route("contact-apply/decline", ApplyAnswer, apply_decline),
        Route("contact-apply/unread-num", Nothing, apply_unread),
    ]
