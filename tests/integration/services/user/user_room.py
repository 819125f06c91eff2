"""The user room on a test's platform, at the lowest cost of argon2."""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.integration.services.embedded_platform import EmbeddedPlatform
from xinyu.base.config import AccountSettings
from xinyu.base.token import AccessTokens
from xinyu.storage.id_blocks import IdBlocks
from xinyu.wire.v1 import contact_rpc, user_pb2, user_rpc
from xinyu_services.user.events import UserEvents
from xinyu_services.user.limits import Limits
from xinyu_services.user.neighbours import ContactFriendRows
from xinyu_services.user.passwords import Passwords
from xinyu_services.user.rpc import UserServicer
from xinyu_services.user.service import UserService
from xinyu_services.user.store import UserStore

QUICK = {"argon2_time_cost": 1, "argon2_memory_kib": 8, "argon2_parallelism": 1}


@cache
def password_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class RecordingSender:
    """A code sender that keeps what it was given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []

    async def send(self, mobile: str, channel: str, code: str) -> None:
        self.sent.append((mobile, channel, code))


class UserRoom:
    """Built as the composition root builds it: store, events, dispatcher, service, servicer."""

    def __init__(self, platform: EmbeddedPlatform, *, verify_mobile: bool = False, media_prefix: str = "") -> None:
        settings = AccountSettings(verify_mobile=verify_mobile, **QUICK)
        self.store = UserStore(platform.dialect)
        contact = contact_rpc.ContactStub(platform.network.channel("user"))
        self.events = UserEvents(platform.database, self.store, ContactFriendRows(contact))
        self.dispatcher = platform.dispatcher("user", self.events)
        self.passwords = Passwords(settings, password_key())
        self.tokens = AccessTokens(b"s" * 32, settings.token_ttl_s, platform.clock)
        self.sender = RecordingSender()
        self.service = UserService(
            platform.database,
            self.store,
            IdBlocks("user", platform.database, platform.dialect),
            self.passwords,
            self.tokens,
            Limits(platform.cache, platform.clock),
            self.sender,
            self.dispatcher,
            platform.clock,
            settings,
            media_prefix,
        )
        platform.network.serve(user_rpc.METHODS, UserServicer(self.service))
        self.stub = user_rpc.UserStub(platform.network.channel("test"))

    async def register(self, mobile: str, nickname: str, password: str = "correct horse") -> int:
        """A new user's id."""
        request = user_pb2.RegisterRequest(
            mobile=mobile, nickname=nickname, password=password, platform="web", address="127.0.0.1", secure=True
        )
        return (await self.stub.register(request)).user_id
