"""The contact room as the user room sees it: its port over the RPC stub."""

from __future__ import annotations

from xinyu.wire.v1 import contact_pb2
from xinyu.wire.v1.contact_rpc import ContactStub


class ContactFriendRows:
    """`xinyu_services.user.events.FriendRows`."""

    def __init__(self, contact: ContactStub) -> None:
        self._contact = contact

    async def refresh_profile(self, user_id: int, after_user_id: int) -> int:
        request = contact_pb2.RefreshProfileRequest(user_id=user_id, after_user_id=after_user_id)
        return (await self._contact.refresh_profile(request)).next_user_id
