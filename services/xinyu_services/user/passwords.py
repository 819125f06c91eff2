"""Passwords: how one arrives (plain, or RSA-encrypted), how one is kept (argon2id), and how both are compared.

Arrival. Exactly 344 base64 characters are the RSA form: 2048 bits, PKCS#1 v1.5 (RFC 8017, section 7.2; contract:
http-api, "Passwords and keys"). PKCS#1 v1.5 has a padding oracle (Bleichenbacher): whoever can tell a bad padding from
a wrong password decrypts what he has recorded. So a bad padding gives no error: the library answers a random text made
from the ciphertext (implicit rejection), what it refuses otherwise is replaced by one of ours, and both go the whole
way through the hash like any wrong password. Plain text is taken only where the way here was protected.

Keeping. argon2id (RFC 9106), cost from the settings; a hash of another cost, or the reference backend's
`pbkdf2_sha256$iterations$salt_hex$hash_hex`, is accepted and made anew. An unknown account is compared with a dummy
hash of the same cost, so that it takes the same time as a wrong password.

Cost: about 100 ms of a core and the configured memory a hash; two threads, a bounded number of callers waiting
(`OVERLOADED` past it), so that logins cannot take the machine from everything else.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from xinyu.base.config import AccountSettings
from xinyu.base.errors import INVALID, OVERLOADED, XinYuError
from xinyu_services.user.model import password_problem

T = TypeVar("T")

THREADS: Final = 2
MAX_WAITING: Final = 100
_ENCRYPTED: Final = re.compile(r"[0-9A-Za-z+/=]{344}")
_PBKDF2: Final = re.compile(r"pbkdf2_sha256\$([1-9][0-9]{0,6})\$((?:[0-9a-fA-F]{2}){1,64})\$([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one comparison. `new_hash` is "" unless the kept one is to be replaced."""

    right: bool
    new_hash: str = ""


class Passwords:
    """Owns its threads: `close` ends them."""

    def __init__(self, settings: AccountSettings, key: rsa.RSAPrivateKey) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_time_cost,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_parallelism,
            type=Type.ID,
        )
        self._key = key
        self._dummy_hash = self._hasher.hash(secrets.token_bytes(16))
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
        self._waiting = 0

    async def verify(self, sent: str, kept: str | None, *, secure: bool) -> Verdict:
        """Compares what a client sent with the kept hash; `kept` None = there is no such account, which is wrong in the
        same time. Raises INVALID for plain text over an open line."""
        _check_way(sent, secure)
        return await self._run(lambda: self._verify(sent, kept))

    async def hash(self, sent: str, *, secure: bool) -> str:
        """The hash of a new password. Raises INVALID where it cannot be chosen. What cannot be decrypted is refused
        in the same words as what has the wrong length."""
        _check_way(sent, secure)
        return await self._run(lambda: self._hash(sent))

    def close(self) -> None:
        """Waits for what is running."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise XinYuError(OVERLOADED)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    # ---------------------------------------------------------------- in a thread

    def _verify(self, sent: str, kept: str | None) -> Verdict:
        password = self._reveal(sent)
        if kept is not None and (match := _PBKDF2.fullmatch(kept)):
            made = hashlib.pbkdf2_hmac("sha256", password, bytes.fromhex(match[2]), int(match[1]))
            if not hmac.compare_digest(made, bytes.fromhex(match[3])):
                return Verdict(False)
            return Verdict(True, self._hasher.hash(password))
        try:
            self._hasher.verify(self._dummy_hash if kept is None else kept, password)
        except (Argon2Error, InvalidHashError):
            return Verdict(False)
        if kept is None:
            return Verdict(False)
        return Verdict(True, self._hasher.hash(password) if self._hasher.check_needs_rehash(kept) else "")

    def _hash(self, sent: str) -> str:
        try:
            password = self._reveal(sent).decode("utf-8")
        except UnicodeDecodeError:
            password = ""
        if problem := password_problem(password):
            raise XinYuError(INVALID, problem)
        return self._hasher.hash(password)

    def _reveal(self, sent: str) -> bytes:
        if not _ENCRYPTED.fullmatch(sent):
            return sent.encode("utf-8")
        try:
            return self._key.decrypt(base64.b64decode(sent, validate=True), padding.PKCS1v15())
        except (ValueError, binascii.Error):
            return secrets.token_bytes(32)


def _check_way(sent: str, secure: bool) -> None:
    if not secure and not _ENCRYPTED.fullmatch(sent):
        raise XinYuError(INVALID, "On an open line the password must be encrypted.")
