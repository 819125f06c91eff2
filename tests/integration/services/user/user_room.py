"""The user room on a test's platform, at the lowest cost of argon2."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.integration.services.embedded_platform import EmbeddedPlatform
from xinyu.base.config import AccountSettings, BotSettings, WebhookSettings
from xinyu.base.token import AccessTokens
from xinyu.outward.fetch import Outward
from xinyu.outward.public_address import is_public
from xinyu.outward.signature import webhook_secret
from xinyu.storage.id_blocks import IdBlocks
from xinyu.wire.v1 import contact_rpc, group_rpc, media_rpc, message_rpc, user_pb2, user_rpc
from xinyu_services.user.bots import Bots
from xinyu_services.user.credentials import Credentials
from xinyu_services.user.deletion import Deletion
from xinyu_services.user.events import UserEvents
from xinyu_services.user.limits import Limits
from xinyu_services.user.logins import LoginEnds
from xinyu_services.user.neighbours import (
    ContactFriendRows,
    ContactLeaving,
    GroupLeaving,
    MediaPictures,
    MessageLeaving,
    MessageReceipts,
    MessageWebhooks,
)
from xinyu_services.user.oauth import OAuth, Provider
from xinyu_services.user.passwords import Passwords
from xinyu_services.user.rpc import UserServicer
from xinyu_services.user.service import UserService
from xinyu_services.user.store import UserStore
from xinyu_services.user.verification import Verification

SERVER_SECRET = b"s" * 32
QUICK = {"argon2_time_cost": 1, "argon2_memory_kib": 8, "argon2_parallelism": 1}


@cache
def password_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class RecordingSender:
    """A code sender that keeps what it was given."""

    address = "server@example.org"

    def __init__(self, *, is_real: bool) -> None:
        self.is_real = is_real
        self.sent: list[tuple[str, str, str]] = []

    async def send(self, target: str, channel: str, code: str) -> None:
        self.sent.append((target, channel, code))

    async def send_test(self, target: str) -> None:
        self.sent.append((target, "test", ""))


class UserRoom:
    """Built as the composition root builds it: store, events, dispatcher, service, servicer."""

    def __init__(
        self,
        platform: EmbeddedPlatform,
        *,
        verify_mobile: bool = False,
        real_sms: bool = False,
        real_mail: bool = False,
        providers: Mapping[str, Provider] | None = None,
    ) -> None:
        settings = AccountSettings(verify_mobile=verify_mobile, **QUICK)
        self.store = UserStore(platform.dialect)
        contact = contact_rpc.ContactStub(platform.network.channel("user"))
        messages = message_rpc.MessageStub(platform.network.channel("user"))
        group = group_rpc.GroupStub(platform.network.channel("user"))
        leaving = (MessageLeaving(messages), GroupLeaving(group), ContactLeaving(contact))
        receipts, webhooks = MessageReceipts(messages), MessageWebhooks(messages)
        self.events = UserEvents(
            platform.database, self.store, ContactFriendRows(contact), leaving, receipts, webhooks
        )
        self.dispatcher = platform.dispatcher("user", self.events)
        self.passwords = Passwords(settings, password_key())
        self.tokens = AccessTokens(SERVER_SECRET, settings.token_ttl_s, platform.clock)
        self.sender = RecordingSender(is_real=real_sms)
        self.mail = RecordingSender(is_real=real_mail)
        database, clock, ids = platform.database, platform.clock, IdBlocks("user", platform.database, platform.dialect)
        limits = Limits(platform.cache, clock)
        verification = Verification(database, self.store, limits, self.sender, self.mail, clock, settings)
        logins = LoginEnds(self.store, platform.cache, clock, settings.token_ttl_s)
        self.service = UserService(
            database,
            self.store,
            ids,
            self.passwords,
            self.tokens,
            limits,
            verification,
            logins,
            self.dispatcher,
            clock,
            MediaPictures(media_rpc.MediaStub(platform.network.channel("user"))),
        )
        credentials = Credentials(
            database, self.store, self.passwords, limits, verification, logins, self.dispatcher, clock.now_ms
        )
        oauth = OAuth(
            database,
            self.store,
            ids,
            self.passwords,
            limits,
            verification,
            platform.cache,
            clock,
            providers or {},
            self.service.login_of,
        )
        deletion = Deletion(database, self.store, credentials, logins, self.dispatcher, clock.now_ms)
        settings_of_bots = BotSettings(per_user=3)
        bots = self.bots = Bots(
            database,
            self.store,
            ids,
            self.service,
            self.tokens,
            logins,
            self.dispatcher,
            clock,
            settings_of_bots,
            WebhookSettings(enabled=True),
            Outward("XinYu test", is_allowed=lambda address: is_public(address) or address.is_loopback, any_port=True),
            webhooks,
            partial(webhook_secret, SERVER_SECRET),
        )
        platform.network.serve(
            user_rpc.METHODS, UserServicer(self.service, credentials, verification, oauth, deletion, bots)
        )
        self.stub = user_rpc.UserStub(platform.network.channel("test"))

    async def register(self, mobile: str, nickname: str, password: str = "correct horse") -> int:
        """A new user's id."""
        request = user_pb2.RegisterRequest(
            mobile=mobile, nickname=nickname, password=password, platform="web", address="127.0.0.1", secure=True
        )
        return (await self.stub.register(request)).user_id
