"""The server's own keys: made once, kept, and refused in one line when they are none."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from xinyu_services.user.keys import KeyFileError, load_or_create_keys


def test_made_at_the_first_start_and_kept(tmp_path: Path) -> None:
    first, again = load_or_create_keys(tmp_path), load_or_create_keys(tmp_path)
    assert first.token_secret == again.token_secret
    assert first.public_pem == again.public_pem
    assert first.public_pem.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert len(first.token_secret) == 32
    assert first.password_key.key_size == 2048
    assert sorted(path.name for path in tmp_path.iterdir()) == ["password-key.pem", "token-secret"]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_two_processes_that_start_together_hold_the_same_keys(tmp_path: Path) -> None:
    made = []
    threads = [threading.Thread(target=lambda: made.append(load_or_create_keys(tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({keys.token_secret for keys in made}) == 1
    assert len({keys.public_pem for keys in made}) == 1
    assert len(list(tmp_path.iterdir())) == 2


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_a_configured_key_is_taken(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "password-key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    assert load_or_create_keys(tmp_path).password_key.private_numbers() == key.private_numbers()


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "password-key.pem").write_bytes(content)
    with pytest.raises(KeyFileError, match=r"password-key\.pem") as caught:
        load_or_create_keys(tmp_path)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "password-key.pem").read_bytes() == content


def test_keys_of_another_kind_are_refused(tmp_path: Path) -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    for key in (ec.generate_private_key(ec.SECP256R1()), short):
        (tmp_path / "password-key.pem").write_bytes(_pem(key))
        with pytest.raises(KeyFileError, match="2048"):
            load_or_create_keys(tmp_path)


@pytest.mark.parametrize("content", [b"", b"ab" * 31, b"not hex" * 20, b"\xff" * 64])
def test_a_short_or_broken_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    load_or_create_keys(tmp_path)
    (tmp_path / "token-secret").write_bytes(content)
    with pytest.raises(KeyFileError, match="token-secret"):
        load_or_create_keys(tmp_path)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="No such file"):
        load_or_create_keys(tmp_path / "missing")
