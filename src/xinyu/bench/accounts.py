"""Test users of a XinYu server, made over its REST interface and kept between runs: accounts, friendships, groups.

They are told from people at sight: a mobile number of the form 100xxxxxxxx, which no network gives out, and a nickname
that begins with "bench". A number that is taken already is left alone and another one drawn; nobody whom this did not
make is ever logged in as, befriended or written to.

Registration costs the server a password hash, and it lets an address register only so many a minute
(limits.entries_per_minute): what is made is written to the accounts file at once, and a refusal is waited out.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final, TextIO

import msgspec

from xinyu.bench.error import BenchError, require
from xinyu.bench.exchange import Member, Talk
from xinyu.client import ApiError, ClientError
from xinyu.client.api import Api, Token

MAX_USERS: Final = 100_000
SINGLE: Final = 1
GROUP: Final = 2
_CALLS_AT_ONCE: Final = 4
_CALL_TIMEOUT_S: Final = 30.0
_MAX_WAIT_S: Final = 120.0  # for one more entry
_EXPIRES_EARLY_S: Final = 3600.0
_SAVE_EVERY_S: Final = 1.0
_TRIES_OF_A_MOBILE: Final = 20


class Account(msgspec.Struct, kw_only=True):
    """expires_at_s: Unix time at which the token ends."""

    mobile: str
    password: str
    user_id: int
    token: str
    expires_at_s: float


class _Group(msgspec.Struct, kw_only=True):
    group_id: int
    user_ids: list[int]


class _Book(msgspec.Struct, kw_only=True):
    """The accounts file. friends: pairs of user ids."""

    http_url: str
    accounts: list[Account] = []
    friends: list[tuple[int, int]] = []
    groups: list[_Group] = []


class Accounts:
    """The test users of one server. `path` None: kept for this run only.

    BenchError: the file is unreadable, or another server's.
    """

    def __init__(self, http_url: str, path: Path | None, progress: TextIO | None = None) -> None:
        self.http_url = http_url.rstrip("/")
        require(self.http_url.startswith(("http://", "https://")), f"{http_url!r} is not of the form http://host:port")
        self._path = path
        self._progress = progress
        self._book = self._load()
        self._saved_at_s = 0.0
        self._has_waited = False

    def talks(self, users: int, members: int, *, is_group: bool) -> tuple[str, list[Talk]]:
        """The server's WebSocket URL, and `users` users in talks of `members`; what is missing is made first.

        BenchError: the server refuses, or is not there.
        """
        require(members >= 2, "a talk has at least two members")
        require(is_group or members == 2, "only groups have more than two members")
        require(members <= users <= MAX_USERS, f"users must lie between {members} and {MAX_USERS}")
        require(users % members == 0, f"{users} users do not go into talks of {members}")
        try:
            return asyncio.run(self._make(users, members, is_group))
        except ApiError as error:
            raise BenchError(f"{self.http_url}: {error}") from None
        except ClientError as error:
            raise BenchError(f"{self.http_url} cannot be used: {error}") from None
        finally:
            self._save()

    async def _make(self, users: int, members: int, is_group: bool) -> tuple[str, list[Talk]]:
        apis = [Api(self.http_url, timeout_s=_CALL_TIMEOUT_S) for _ in range(_CALLS_AT_ONCE)]
        try:
            websocket_url = (await apis[0].server_config()).websocket_url
            missing = users - len(self._book.accounts)
            await self._each("registered", missing, apis, lambda api, _: self._register(api))
            chosen = self._book.accounts[:users]
            expired = [each for each in chosen if each.expires_at_s < time.time() + _EXPIRES_EARLY_S]
            await self._each("logged in", len(expired), apis, lambda api, i: self._log_in(api, expired[i]))
            rows = [chosen[at : at + members] for at in range(0, users, members)]
            friends = set(self._book.friends)
            strangers = [
                (row[0], other) for row in rows for other in row[1:] if (row[0].user_id, other.user_id) not in friends
            ]
            await self._each("befriended", len(strangers), apis, lambda api, i: self._befriend(api, *strangers[i]))
            if not is_group:
                return websocket_url, [_pair(*row) for row in rows]
            known = {tuple(group.user_ids) for group in self._book.groups}
            new = [row for row in rows if _user_ids(row) not in known]
            await self._each("groups made", len(new), apis, lambda api, i: self._create_group(api, new[i]))
            ids = {tuple(group.user_ids): group.group_id for group in self._book.groups}
            return websocket_url, [
                Talk(GROUP, [Member(each.token, ids[_user_ids(row)]) for each in row]) for row in rows
            ]
        finally:
            for api in apis:
                await api.close()

    async def _each(
        self, what: str, count: int, apis: list[Api], work: Callable[[Api, int], Awaitable[None]]
    ) -> None:
        """Does `work` for 0 .. count - 1, one at a time with each api."""
        pending = iter(range(count))
        done = 0
        shown_s = time.monotonic()

        async def run(api: Api) -> None:
            nonlocal done, shown_s
            for i in pending:
                await work(api, i)
                done += 1
                if time.monotonic() - self._saved_at_s > _SAVE_EVERY_S:
                    self._save()
                if time.monotonic() - shown_s >= 1.0:
                    shown_s = time.monotonic()
                    self._say(f"{what}: {done:,} of {count:,}")

        tasks = [asyncio.ensure_future(run(api)) for api in apis]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _register(self, api: Api) -> None:
        password = secrets.token_urlsafe(18)
        for _ in range(_TRIES_OF_A_MOBILE):
            mobile = f"100{secrets.randbelow(10**8):08d}"
            try:
                api.token = ""
                token = await self._enter(
                    partial(api.register, f"bench {mobile[3:]}", mobile, password, platform="pc")
                )
            except ApiError as error:
                if error.reason != "mobile_taken":
                    raise
                continue
            api.token = token.access_token
            self._book.accounts.append(
                Account(
                    mobile=mobile,
                    password=password,
                    user_id=(await api.own_detail()).id,
                    token=token.access_token,
                    expires_at_s=time.time() + token.expires_in,
                )
            )
            return
        raise BenchError(f"{self.http_url}: no mobile number 100xxxxxxxx is free")

    async def _log_in(self, api: Api, account: Account) -> None:
        api.token = ""
        token = await self._enter(partial(api.login, account.mobile, account.password, platform="pc"))
        account.token = token.access_token
        account.expires_at_s = time.time() + token.expires_in

    async def _enter(self, call: Callable[[], Awaitable[Token]]) -> Token:
        """`call`, again when the server lets nobody more in at the moment and says for how long."""
        ends_s = time.monotonic() + _MAX_WAIT_S
        while True:
            try:
                return await call()
            except ApiError as error:
                if error.reason != "too_many" or error.retry_after_ms is None or time.monotonic() > ends_s:
                    raise
                wait_s = min(error.retry_after_ms / 1000, _MAX_WAIT_S)
            if not self._has_waited:
                self._has_waited = True
                self._say(
                    "the server lets an address register or log in only so many a minute (limits.entries_per_minute): "
                    "waiting" + ("" if self._path else "; --accounts FILE keeps the users for the next run")
                )
            await asyncio.sleep(wait_s)

    async def _befriend(self, api: Api, asker: Account, asked: Account) -> None:
        api.token = asker.token
        await api.apply(asked.user_id, "bench")
        api.token = asked.token
        application = next((each for each in await api.applications() if each.friend_id == asker.user_id), None)
        if application is not None:
            await api.accept(application.id)
        elif all(each.user_id != asker.user_id for each in await api.contacts()):
            raise BenchError(f"{self.http_url}: an application of {asker.mobile} did not reach {asked.mobile}")
        self._book.friends.append((asker.user_id, asked.user_id))

    async def _create_group(self, api: Api, members: list[Account]) -> None:
        api.token = members[0].token
        group_id = await api.create_group("bench", [each.user_id for each in members[1:]])
        self._book.groups.append(_Group(group_id=group_id, user_ids=[each.user_id for each in members]))

    def _say(self, text: str) -> None:
        if self._progress is not None:
            print(text, file=self._progress, flush=True)

    def _load(self) -> _Book:
        if self._path is None or not self._path.exists():
            require(self._path is None or self._path.parent.is_dir(), f"the directory of {self._path} does not exist")
            return _Book(http_url=self.http_url)
        try:
            book = msgspec.json.decode(self._path.read_bytes(), type=_Book)
        except OSError as error:
            raise BenchError(f"the accounts in {self._path} cannot be read: {error.strerror}") from None
        except msgspec.MsgspecError as error:
            raise BenchError(f"{self._path} is no accounts file: {error}") from None
        require(book.http_url == self.http_url, f"the accounts in {self._path} are of {book.http_url}")
        return book

    def _save(self) -> None:
        """Whole or not at all; it holds passwords, so it is its owner's alone."""
        self._saved_at_s = time.monotonic()
        if self._path is None:
            return
        part = self._path.with_name(f"{self._path.name}.part")
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(msgspec.json.encode(self._book))
            part.replace(self._path)
        except OSError as error:
            raise BenchError(f"the accounts cannot be kept in {self._path}: {error.strerror}") from None


def _user_ids(members: list[Account]) -> tuple[int, ...]:
    return tuple(each.user_id for each in members)


def _pair(one: Account, other: Account) -> Talk:
    return Talk(SINGLE, [Member(one.token, other.user_id), Member(other.token, one.user_id)])
