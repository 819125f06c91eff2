"""The rooms that the user room asks, as it sees them: its ports over their RPC stubs."""

from __future__ import annotations

from collections.abc import Sequence

from xinyu.base.errors import ALREADY_HANDLED, UNKNOWN_SCHEDULED, XinYuError
from xinyu.wire.v1 import contact_pb2, media_pb2, message_pb2
from xinyu.wire.v1.contact_rpc import ContactStub
from xinyu.wire.v1.group_rpc import GroupStub
from xinyu.wire.v1.media_rpc import MediaStub
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu_services.user.model import WebhookStatus, webhook_state


class ContactFriendRows:
    """`xinyu_services.user.events.FriendRows`."""

    def __init__(self, contact: ContactStub) -> None:
        self._contact = contact

    async def refresh_profile(self, user_id: int, after_user_id: int) -> int:
        request = contact_pb2.RefreshProfileRequest(user_id=user_id, after_user_id=after_user_id)
        return (await self._contact.refresh_profile(request)).next_user_id

    async def befriend(self, user_id: int, friend_id: int) -> None:
        await self._contact.befriend(contact_pb2.BefriendRequest(user_id=user_id, friend_id=friend_id))


class ContactLeaving:
    """`xinyu_services.user.events.Leaving` of the contact room."""

    def __init__(self, contact: ContactStub) -> None:
        self._contact = contact

    async def forget_user(self, user_id: int) -> bool:
        return (await self._contact.forget_user(contact_pb2.ForgetUserRequest(user_id=user_id))).more


class GroupLeaving:
    """`xinyu_services.user.events.Leaving` of the group room."""

    def __init__(self, group: GroupStub) -> None:
        self._group = group

    async def forget_user(self, user_id: int) -> bool:
        return (await self._group.forget_user(contact_pb2.ForgetUserRequest(user_id=user_id))).more


class MessageLeaving:
    """`xinyu_services.user.events.Leaving` of the message room: what was to be sent later is not."""

    def __init__(self, messages: MessageStub) -> None:
        self._messages = messages

    async def forget_user(self, user_id: int) -> bool:
        page = await self._messages.list_scheduled(message_pb2.ListScheduledRequest(user_id=user_id))
        for item in page.items:
            request = message_pb2.CancelScheduledRequest(user_id=user_id, scheduled_id=item.scheduled_id)
            try:
                await self._messages.cancel_scheduled(request)
            except XinYuError as error:
                if error.code not in (UNKNOWN_SCHEDULED, ALREADY_HANDLED):
                    raise
        return False


class MessageReceipts:
    """`xinyu_services.user.events.Receipts`."""

    def __init__(self, messages: MessageStub) -> None:
        self._messages = messages

    async def choose(self, user_id: int, is_hidden: bool, revision: int) -> None:
        await self._messages.choose_receipts(
            message_pb2.ChooseReceiptsRequest(user_id=user_id, is_hidden=is_hidden, revision=revision)
        )


class MessageWebhooks:
    """`xinyu_services.user.events.Webhooks` and `xinyu_services.user.bots.WebhookStates`."""

    def __init__(self, messages: MessageStub) -> None:
        self._messages = messages

    async def choose(self, bot_id: int, url: str, revision: int) -> None:
        await self._messages.choose_webhook(
            message_pb2.ChooseWebhookRequest(bot_id=bot_id, url=url, revision=revision)
        )

    async def load(self, bot_ids: Sequence[int]) -> dict[int, WebhookStatus]:
        page = await self._messages.load_webhooks(message_pb2.LoadWebhooksRequest(bot_ids=bot_ids))
        return {
            each.bot_id: WebhookStatus(
                webhook_state(each.is_suspended, each.failure), each.failure, each.failing_since_ms
            )
            for each in page.webhooks
        }


class MediaPictures:
    """`xinyu_services.user.service.Pictures`."""

    def __init__(self, media: MediaStub) -> None:
        self._media = media

    async def url_of(self, named: str) -> str:
        page = await self._media.load_files(media_pb2.LoadFilesRequest(named=[named]))
        return next((file.url for file in page.files if file.kind == media_pb2.MEDIA_PICTURE), "")
