"""A real nginx in front of the server, with the configuration that `xinyu deploy nginx` makes."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.local_servers import local_server
from tests.server_process import ServerProcess
from xinyu.base.errors import INTERRUPTED, TOO_LARGE
from xinyu.client import SINGLE, Client, RecordAdded
from xinyu_services.cli.app import app
from xinyu_services.cli.local_servers.nginx import NginxServer

pytestmark = pytest.mark.e2e

# One more each six seconds: fewer than are tried, however slow the machine is.
ENTRIES_PER_MINUTE = 10


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    environment = {
        "XINYU_TRUSTED_PROXIES": '["127.0.0.1"]',
        "XINYU_HTTP__PUBLIC_WEBSOCKET_URL": "/ws",
        "XINYU_LIMITS__ENTRIES_PER_MINUTE": str(ENTRIES_PER_MINUTE),
        "XINYU_WEBSOCKET__HEARTBEAT_S": "1",
    }
    with ServerProcess(
        tmp_path_factory.mktemp("nginx") / "data", environment=environment, arguments=["--log-level", "debug"]
    ) as server:
        yield server


@pytest.fixture(scope="module")
def nginx() -> Iterator[NginxServer]:
    with local_server(NginxServer) as nginx:
        yield nginx


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def serve_site(nginx: NginxServer, server: ServerProcess, *options: str, scheme: str = "http") -> None:
    """Makes the site by the command, and waits until nginx has taken it."""
    with pytest.raises(SystemExit) as ended:
        app(
            [
                *("deploy", "nginx", "--http", f"127.0.0.1:{server.http_port}"),
                *("--websocket", f"127.0.0.1:{server.websocket_port}", "--listen", f"127.0.0.1:{nginx.port}"),
                *("--access-log", str(nginx.access_log), "--error-log", str(nginx.error_log)),
                *("--output", str(nginx.site), *options),
            ]
        )
    assert ended.value.code == 0
    nginx.reload()
    url = f"{scheme}://127.0.0.1:{nginx.port}/healthz"
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url, ssl=False) as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


async def login(session: aiohttp.ClientSession, url: str, **options: Any) -> tuple[int, dict[str, Any]]:
    body = {"mobile": "13900000000", "password": "not the password", "platform": "web"}
    # A connection of its own: a worker that nginx's last reload retires closes those that are kept, whenever it likes.
    headers = {"Connection": "close", **options.pop("headers", {})}
    async with session.post(f"{url}/api/v1/auth/login", json=body, headers=headers, **options) as response:
        return response.status, await response.json()


async def test_page_api_and_chat_go_through_it(
    nginx: NginxServer, server: ServerProcess, session: aiohttp.ClientSession
) -> None:
    await serve_site(nginx, server)
    async with session.get(nginx.url + "/") as response:
        assert response.status == 200 and "<html" in await response.text()
    async with session.get(nginx.url + "/config.json") as response:
        assert (await response.json())["websocket_url"] == f"ws://127.0.0.1:{nginx.port}/ws"
    for path in ("/metrics", "/readyz"):
        async with session.get(nginx.url + path) as response:
            assert response.status == 404
    async with Client(nginx.url) as ann, Client(nginx.url) as ben:
        await ann.register("Ann", "13000000001", "a long password")  # as it was typed: both ends are on loopback
        await ben.register("Ben", "13000000002", "another password")
        await ann.start()
        await ben.start()
        ben_id = (await ann.search((await ben.detail()).mobile)).user_id
        await ann.apply(ben_id, "hello")
        for application in await ben.applications():
            await ben.accept(application.id)
        told = ben.events()
        await ann.send_text(SINGLE, ben_id, "through nginx")
        async with asyncio.timeout(30):
            async for notice in told:
                if isinstance(notice, RecordAdded) and notice.record.text == "through nginx":
                    break
    log = nginx.access_log.read_text()
    assert '"POST /api/v1/auth/register" 200' in log
    assert "trace=" in log


async def test_a_websocket_that_is_silent_for_longer_than_a_ping_stays(
    nginx: NginxServer, server: ServerProcess, session: aiohttp.ClientSession
) -> None:
    await serve_site(nginx, server)
    async with Client(nginx.url) as cid:
        await cid.register("Cid", "13000000003", "a third password")
        headers = {"Authorization": f"Bearer {cid.api.token}"}
        url = f"ws://127.0.0.1:{nginx.port}/ws"
        async with session.ws_connect(
            url, headers=headers, protocols=("xinyu.v1.json",), autoping=False
        ) as websocket:
            assert json.loads(await websocket.receive_str())["event"] == "session.ready"
            for _ in range(2):
                ping = await websocket.receive(timeout=30)
                assert ping.type is aiohttp.WSMsgType.PING
                await websocket.pong(ping.data)


async def test_whoever_forges_an_address_is_counted_by_his_own(
    nginx: NginxServer, server: ServerProcess, session: aiohttp.ClientSession
) -> None:
    await serve_site(nginx, server)
    # Clients have other addresses of this machine: the proxy's own word is believed.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=("127.0.0.3", 0))) as stranger:
        statuses = []
        for number in range(4 * ENTRIES_PER_MINUTE):
            forged = {"X-Forwarded-For": f"198.51.100.{number}", "X-Real-IP": f"198.51.100.{number}"}
            statuses.append((await login(stranger, nginx.url, headers=forged))[0])
        assert statuses[0] == 400
        assert 429 in statuses
    # The gateway itself, asked by somebody who is no proxy.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))) as stranger:
        statuses = []
        for number in range(4 * ENTRIES_PER_MINUTE):
            forged = {"X-Forwarded-For": f"198.51.100.{number}", "X-Forwarded-Proto": "https"}
            statuses.append((await login(stranger, server.http_url, headers=forged))[0])
        assert statuses[0] == 400
        assert 429 in statuses
    # From the proxy's own address its word counts: another client, who has used up nothing.
    assert (await login(session, server.http_url, headers={"X-Forwarded-For": "198.51.100.200"}))[0] == 400


async def test_plain_passwords_are_for_loopback_and_tls(server: ServerProcess, session: aiohttp.ClientSession) -> None:
    async def answer(**headers: str) -> str:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return str((await login(session, server.http_url, headers=named))[1]["message"])

    far = await answer(X_Forwarded_For="203.0.113.50")
    near = await answer(X_Forwarded_For="127.0.0.77")
    encrypted = await answer(X_Forwarded_For="203.0.113.51", X_Forwarded_Proto="https")
    assert near == encrypted
    assert far != near


def self_signed(directory: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = directory / "site.pem", directory / "site.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate_file, key_file


async def test_tls(nginx: NginxServer, server: ServerProcess, session: aiohttp.ClientSession) -> None:
    certificate, key = self_signed(nginx.directory)
    await serve_site(nginx, server, "--certificate", str(certificate), "--key", str(key), scheme="https")
    trusted = ssl.create_default_context(cafile=str(certificate))
    base = f"https://127.0.0.1:{nginx.port}"
    async with session.get(base + "/config.json", ssl=trusted) as response:
        assert (await response.json())["websocket_url"] == f"wss://127.0.0.1:{nginx.port}/ws"
    async with Client(server.http_url) as dan:
        await dan.register("Dan", "13000000004", "a fourth password")
        async with session.ws_connect(
            f"wss://127.0.0.1:{nginx.port}/wss/default.io?token={dan.api.token}", ssl=trusted
        ) as websocket:
            assert json.loads(await websocket.receive_str())["event"] == "connect"


async def test_what_nginx_refuses_is_json(
    nginx: NginxServer, server: ServerProcess, session: aiohttp.ClientSession
) -> None:
    await serve_site(nginx, server)
    headers = {"Content-Length": str(1 << 40)}
    async with session.post(f"{nginx.url}/api/v1/auth/login", data=b"", headers=headers) as response:
        assert response.status == TOO_LARGE.status
        assert response.headers["X-XinYu-Reason"] == TOO_LARGE.reason
        assert (await response.json())["code"] == TOO_LARGE.status


async def test_no_log_has_a_token(nginx: NginxServer, server: ServerProcess, session: aiohttp.ClientSession) -> None:
    await serve_site(nginx, server)
    secret = "a-token-that-nobody-may-read"
    for path in ("/wss/default.io", "/ws", "/api/v1/auth/login", "/"):
        async with session.get(f"{nginx.url}{path}?token={secret}") as response:
            await response.read()
    nginx.write_site(nginx.site.read_text().replace(f":{server.websocket_port} ", ":1 "))  # nobody listens there
    nginx.reload()
    async with asyncio.timeout(20):
        while True:
            async with session.get(f"{nginx.url}/wss/default.io?token={secret}") as response:
                if response.status == INTERRUPTED.status:
                    assert response.headers["X-XinYu-Reason"] == INTERRUPTED.reason
                    assert await response.json() == {
                        "code": INTERRUPTED.status,
                        "message": INTERRUPTED.message,
                        "data": None,
                    }
                    break
            await asyncio.sleep(0.05)
    nginx.stop()  # writes what is buffered
    logs = nginx.access_log.read_text(errors="replace") + nginx.error_log.read_text(errors="replace") + server.log
    assert f'"GET /wss/default.io" {INTERRUPTED.status}' in logs
    assert secret not in logs
