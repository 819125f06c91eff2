"""Logging in at an OpenID provider instead of with a password.

`begin` keeps state, nonce and PKCE verifier on the server, under the state's name, for ten minutes and one use.
`finish` asks the provider who came back: somebody known is logged in, anybody else gets a bind token. `bind` gives that
identity to the account of a mobile, which a code must prove, always: else whoever knows a number could have its
account. Where nobody has the number, it makes one. Loss of the cache costs those who are on their way a second try.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec
from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.errors import DISABLED, INVALID, OAUTH_REFUSED, UNKNOWN_PROVIDER, WRONG_CODE, XinYuError
from xinyu.rpc.context import Context
from xinyu.storage.cache import Cache
from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.user.limits import OAUTH_OF_ADDRESS, Limits
from xinyu_services.user.model import MOBILE, Account, Identity, nickname_from
from xinyu_services.user.passwords import Passwords
from xinyu_services.user.service import Ids, Login, Visitor
from xinyu_services.user.store import UserStore
from xinyu_services.user.verification import Verification

PENDING_TTL_S: Final = 600


class Provider(Protocol):
    """Somebody who knows people (`xinyu_services.user.openid`)."""

    async def login_uri(self, state: str, nonce: str, verifier: str) -> str: ...

    async def identity(self, code: str, nonce: str, verifier: str) -> Identity: ...


class _Pending(msgspec.Struct):
    oauth_type: str
    nonce: str
    verifier: str


class _Known(msgspec.Struct):
    issuer: str
    subject: str
    name: str


class OAuth:
    """`providers` by the word that clients call them (`oauth_type`). `admit` makes a login of user id and platform."""

    def __init__(
        self,
        database: Database,
        store: UserStore,
        user_ids: Ids,
        passwords: Passwords,
        limits: Limits,
        verification: Verification,
        cache: Cache,
        clock: Clock,
        providers: Mapping[str, Provider],
        admit: Callable[[int, str], Login],
    ) -> None:
        self._database = database
        self._store = store
        self._user_ids = user_ids
        self._passwords = passwords
        self._limits = limits
        self._verification = verification
        self._cache = cache
        self._clock = clock
        self._providers = providers
        self._admit = admit

    async def begin(self, oauth_type: str, address: str) -> str:
        """The provider's page. Raises UNKNOWN_PROVIDER, UNAVAILABLE, TOO_MANY."""
        provider = self._provider(oauth_type)
        await self._limits.count(OAUTH_OF_ADDRESS, address)
        state, pending = secrets.token_urlsafe(24), _Pending(oauth_type, _secret(), _secret())
        uri = await provider.login_uri(state, pending.nonce, pending.verifier)
        await self._cache.put(f"oauth-state:{state}", msgspec.json.encode(pending), PENDING_TTL_S)
        return uri

    async def finish(self, oauth_type: str, code: str, state: str, visitor: Visitor) -> Login | str:
        """A login, or the bind token of somebody who is not known yet. Raises UNKNOWN_PROVIDER, OAUTH_REFUSED,
        UNAVAILABLE, DISABLED."""
        provider = self._provider(oauth_type)
        kept = await self._cache.take(f"oauth-state:{state}")
        if kept is None:
            raise XinYuError(OAUTH_REFUSED)
        pending = msgspec.json.decode(kept, type=_Pending)
        if pending.oauth_type != oauth_type:
            raise XinYuError(OAUTH_REFUSED)
        identity = await provider.identity(code, pending.nonce, pending.verifier)
        account = await query(
            self._database, lambda connection: self._store.account_of_identity(connection, identity)
        )
        if account is not None:
            return await self._enter(account, visitor)
        token = secrets.token_urlsafe(32)
        known = msgspec.json.encode(_Known(identity.issuer, identity.subject, identity.name))
        await self._cache.put(f"oauth-bind:{token}", known, PENDING_TTL_S)
        return token

    async def bind(
        self, bind_token: str, mobile: str, sms_code: str, visitor: Visitor, context: Context
    ) -> Login:
        """The account of `mobile` is this identity's from now on; there is one after it. Who is bound already is logged
        in: a repeat does no harm. Raises INVALID, OAUTH_REFUSED, WRONG_CODE, DISABLED."""
        if not MOBILE.fullmatch(mobile):
            raise XinYuError(INVALID, "A mobile number is 1 and ten digits.")
        kept = await self._cache.get(f"oauth-bind:{bind_token}")
        if kept is None:
            raise XinYuError(OAUTH_REFUSED)
        known = msgspec.json.decode(kept, type=_Known)
        identity = Identity(known.issuer, known.subject, known.name)
        # Nobody knows the password of an account that is made here; its owner may set one by `auth/forget`.
        password_hash = await self._passwords.hash(_secret(), secure=True)
        user_id = await self._user_ids.take()
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> Account | None:
            bound = self._store.account_of_identity(connection, identity)
            if bound is not None:
                return bound
            account = self._store.account_of_mobile(connection, mobile, lock=True)
            if not self._verification.spend(connection, mobile, "oauth_bind", sms_code):
                return None
            if account is None:
                nickname = nickname_from(identity.name, user_id)
                account = Account(user_id, 0, mobile, password_hash, nickname, created_at_ms=now_ms)
                self._store.insert(connection, account)
            self._store.bind_identity(connection, identity, account.user_id, now_ms)
            return account

        account = await transact(self._database, work)
        if account is None:
            raise XinYuError(WRONG_CODE)
        return await self._enter(account, visitor)

    async def _enter(self, account: Account, visitor: Visitor) -> Login:
        reason = DISABLED.reason if account.is_disabled else ""
        await transact(
            self._database,
            lambda connection: self._store.log_login(
                connection,
                user_id=account.user_id,
                mobile=account.mobile,
                platform=visitor.platform,
                address=visitor.address,
                user_agent=visitor.user_agent,
                reason=reason,
                now_ms=self._clock.now_ms(),
            ),
        )
        if reason:
            raise XinYuError(DISABLED)
        return self._admit(account.user_id, visitor.platform)

    def _provider(self, oauth_type: str) -> Provider:
        provider = self._providers.get(oauth_type)
        if provider is None:
            raise XinYuError(UNKNOWN_PROVIDER)
        return provider


def _secret() -> str:
    """43 characters, 256 bits (RFC 7636, section 4.1)."""
    return secrets.token_urlsafe(32)
