"""The server's own secrets: the RSA key that passwords are encrypted for, and the secret that signs tokens.

Made at the first start, in the data directory, readable by its owner alone. A file is written under another name and
then linked into place, so that a crash leaves none half-written and the first of two processes wins.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

RSA_KEY_FILE: Final = "password-key.pem"
TOKEN_SECRET_FILE: Final = "token-secret"
RSA_BITS: Final = 2048
TOKEN_SECRET_BYTES: Final = 32


class KeyFileError(Exception):
    """A key file cannot be used; the text is one line for the operator."""


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """Both secrets of one cluster."""

    password_key: rsa.RSAPrivateKey
    token_secret: bytes

    @property
    def public_pem(self) -> str:
        """What a client is built with: SPKI, `BEGIN PUBLIC KEY` (contract: http-api, "Passwords and keys")."""
        return (
            self.password_key.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode("ascii")
        )


def load_keys(directory: Path) -> ServerKeys:
    """The keys in `directory`. Raises KeyFileError: one is missing, too."""
    for path in (directory / RSA_KEY_FILE, directory / TOKEN_SECRET_FILE):
        if not path.exists():
            raise KeyFileError(f"{path} is missing: xinyu keys create makes it, and all processes need the same")
    return load_or_create_keys(directory)


def load_or_create_keys(directory: Path) -> ServerKeys:
    """The keys in `directory` (which must exist); those that are missing are made. Raises KeyFileError."""
    pem = _load_or_create(directory / RSA_KEY_FILE, _new_rsa_pem)
    secret_text = _load_or_create(directory / TOKEN_SECRET_FILE, _new_token_secret)
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFileError(f"{directory / RSA_KEY_FILE} holds no private key") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != RSA_BITS:
        raise KeyFileError(f"{directory / RSA_KEY_FILE} must hold an RSA key of {RSA_BITS} bits")
    try:
        secret = bytes.fromhex(secret_text.decode("ascii"))
    except ValueError:
        secret = b""
    if len(secret) < TOKEN_SECRET_BYTES:
        raise KeyFileError(f"{directory / TOKEN_SECRET_FILE} must hold at least {TOKEN_SECRET_BYTES * 2} hex digits")
    return ServerKeys(key, secret)


def _new_rsa_pem() -> bytes:
    return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _new_token_secret() -> bytes:
    return secrets.token_hex(TOKEN_SECRET_BYTES).encode("ascii") + b"\n"


def _load_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    try:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            pass
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(make())
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(temporary, path)
            except FileExistsError:
                pass
        finally:
            temporary.unlink()
        return path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"cannot read or write {path}: {error.strerror}") from None
