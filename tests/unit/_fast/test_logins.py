"""Logins that the engine takes by itself: how they are read, beside the gateway's reading, and what becomes of them."""

from __future__ import annotations

import json
from string import Template
from types import TracebackType
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit._fast.engine_harness import KEY, MASK, Client, Harness, request
from xinyu._fast import engine as engine_module
from xinyu._fast import upgrade as fast_upgrade
from xinyu._fast.frames import build_frame
from xinyu._fast.logins import MAX_LOGINS, LoginDoor, Logins, read_login
from xinyu._fast.tokens import VerifiedTokens
from xinyu.base.clock import SystemClock
from xinyu.base.errors import XinYuError
from xinyu.gateway.origins import AllowedOrigins
from xinyu.gateway.ws import upgrade as plain

EVENTS = {
    0: '{"event":"connect","uid":$user_id,"platform":"$platform","ts":$now_ms}',
    1: '{"session":"$session_id","uid":$user_id,"device":"$device_id","now":$now_ms,"end":true}',
}
JSON = "Sec-WebSocket-Protocol: xinyu.v1.json"
FAR_MS = SystemClock().now_ms() + 3_600_000


# ---- how one is read


def gateways_reading(head: bytes) -> tuple[int, str, str, str] | None:
    """What `xinyu.gateway.ws.upgrade` makes of it; None: a refusal, or no token."""
    _, path, query, _, fields = fast_upgrade.parse_request(head)  # type: ignore[misc]
    headers: dict[str, str] = {}
    for raw_name, raw_value in fields:  # type: ignore[misc]
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    try:
        found = plain.read(path.decode("latin-1"), query.decode("latin-1"), headers, AllowedOrigins(["*"]))  # type: ignore[union-attr]
    except XinYuError:
        return None
    return (found.codec, found.token, found.device_id, found.platform) if found.token else None


names = st.sampled_from(["token", "device_id", "platform", "ticket", "x", "", "token=", "device_id=a&platform"])
values = st.one_of(
    st.sampled_from(["a.b.c", "pc", "app", "web", "tv", "", "x" * 64, "x" * 65, "a=b", "%41", "a+b", "%", "d:1_2-3.4"]),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=5),
)
queries = st.lists(st.tuples(names, values).map("=".join), max_size=20).map("&".join)
headers = st.sampled_from(
    [
        JSON,
        JSON,
        "sec-websocket-protocol: xinyu.v1.json",
        "Sec-WebSocket-Protocol: xinyu.v1.protobuf, xinyu.v1.json",
        "Sec-WebSocket-Protocol: chat",
        "Sec-WebSocket-Protocol:",
        "Authorization: Bearer a.b.c",
        "AUTHORIZATION: Bearer d.e.f",
        "Authorization: bearer a.b.c",
        "Authorization: Bearer  a.b.c",
        "Authorization: a.b.c",
        "Authorization: Bearer ",
        "Authorization:",
        "Origin: https://example.org",
        "Cookie: token=1",
    ]
)
paths = st.sampled_from(["/ws", "/ws", "/wss/default.io", "/wss/", "/wss", "/ws/", "/", "/wsx", "/other/"])


@settings(deadline=None, max_examples=500)
@given(path=paths, query=st.one_of(st.none(), queries), lines=st.lists(headers, max_size=4))
def test_what_is_read_is_what_the_gateway_reads(path: str, query: str | None, lines: list[str]) -> None:
    head = request(path if query is None else f"{path}?{query}", *lines)
    found = read_login(head)
    if found is not None:
        codec, token, device_id, platform = found
        # Only a token's spaces are left to the cache, which knows none with any.
        assert (codec, token.strip(), device_id, platform) == gateways_reading(head)


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (request("/ws", JSON, "Authorization: Bearer a.b.c"), (1, "a.b.c", "", "web")),
        (request("/ws?device_id=d:1&platform=pc", JSON, "Authorization: Bearer t"), (1, "t", "d:1", "pc")),
        (request("/wss/x?device_id=&platform=", JSON, "authorization: Bearer t"), (1, "t", "", "web")),
        (request("/wss/default.io?token=a.b.c"), (0, "a.b.c", "", "web")),
        (request("/wss/default.io?x=1&token=old&&token=new&platform=app"), (0, "new", "", "app")),
        (request("/wss/default.io?token=", "Authorization: Bearer t"), (0, "t", "", "web")),
        (request("/ws?ticket=x", JSON, "Authorization: Bearer t"), (1, "t", "", "web")),
        (request("/ws?token=t", JSON), None),
        (request("/ws", "Authorization: Bearer t"), None),
        (request("/wss/x?token=t", "Origin: https://example.org"), None),
        (request("/wss/x?token=%41"), None),
        (request("/ws?" + "&" * 15, JSON, "Authorization: Bearer t"), (1, "t", "", "web")),
        (request("/ws?" + "&" * 16, JSON, "Authorization: Bearer t"), None),
        (request("/ws?device_id=" + "x" * 65, JSON, "Authorization: Bearer t"), None),
        (request("/ws?platform=tv", JSON, "Authorization: Bearer t"), None),
        (request("/ws", JSON, JSON, "Authorization: Bearer t"), None),
        (request("/ws", JSON, "Authorization: Bearer t", "Authorization: Bearer t"), None),
    ],
)
def test_the_usual_spellings_are_taken_and_the_rare_ones_left(head: bytes, found: Any) -> None:
    assert read_login(head) == found


def test_only_the_head_of_an_upgrade_can_be_read() -> None:
    for head in (b"GET / HTTP/1.1\r\n\r\n", request()[:-1], request() + b"x"):
        with pytest.raises(ValueError, match="not the head"):
            read_login(head)


# ---- the first event


def door(connections_per_user: int = 10, tokens: VerifiedTokens | None = None) -> LoginDoor:
    return LoginDoor(tokens or VerifiedTokens(64), connections_per_user=connections_per_user, first_events=EVENTS)


@settings(deadline=None)
@given(
    session=st.integers(0, 2**64 - 1),
    user=st.integers(0, 2**64 - 1),
    device=st.text("abc:.-_019", min_size=1, max_size=64),
    platform=st.sampled_from(["web", "pc", "app"]),
)
def test_gaps_are_filled_in_as_a_template_would(session: int, user: int, device: str, platform: str) -> None:
    event = "$user_id $session_id-$device_id|$platform$user_id"
    found = LoginDoor(VerifiedTokens(1), connections_per_user=1, first_events={1: event})
    values = {"user_id": user, "session_id": f"{session:x}", "device_id": device, "platform": platform}
    assert found.first_event(1, session, user, device, platform) == Template(event).substitute(values)


def test_time_and_a_device_without_a_name() -> None:
    found = door()
    before_ms = SystemClock().now_ms()
    first, second = (json.loads(found.first_event(1, 5, 7, "", "web")) for _ in range(2))
    assert before_ms <= first["now"] <= second["now"] <= SystemClock().now_ms()
    assert first["device"] != second["device"]
    assert len(first["device"]) == len(second["device"]) == 24
    assert int(first["device"], 16)
    assert first | {"device": "", "now": 0} == {"session": "5", "uid": 7, "device": "", "now": 0, "end": True}


def test_sessions_are_unique_and_name_their_codec() -> None:
    found, other = door(), door()
    sessions = {(found if n % 2 else other).new_session(n % 3) for n in range(3_000)}
    assert len(sessions) == 3_000
    assert all(0 < session < 2**50 for session in sessions)
    assert [found.new_session(codec) & 3 for codec in (0, 1, 2)] == [0, 1, 2]


@pytest.mark.parametrize(
    "events", [{2: "x"}, {-1: "x"}, {0: "$who"}, {0: "x" * 1025}, {0: "$user_id" * 60}, {0: "é"}, {1: "$now_ms" * 16}]
)
def test_events_that_cannot_be(events: dict[int, str]) -> None:
    with pytest.raises(ValueError, match=r"codec|event|ascii"):
        LoginDoor(VerifiedTokens(1), connections_per_user=1, first_events=events)


def test_fields_that_do_not_fit() -> None:
    found = LoginDoor(VerifiedTokens(1), connections_per_user=1, first_events={1: "$device_id"})
    wrong = [(0, "a", "web"), (2, "a", "web"), (1, "x" * 65, "web"), (1, "a", "webs"), (1, "é", "")]
    for codec, device, platform in wrong:
        with pytest.raises(ValueError, match=r"codec|device|ascii"):
            found.first_event(codec, 1, 1, device, platform)


# ---- what becomes of them


class Logs:
    """An engine with a door that knows the tokens "t1", "t2", ... of the users 1, 2, ..."""

    def __init__(self, *, connections_per_user: int = 10, admits: bool = False, **settings: Any) -> None:
        self.batches: list[Logins] = []
        self.tokens = VerifiedTokens(1_024)
        for user in range(1, 600):
            self.tokens.put(f"t{user}", user, "", "", FAR_MS)
        self.admits = admits
        self.left: list[tuple[int, int]] = []
        self.fault: Exception | None = None
        found = door(connections_per_user, self.tokens)
        self.harness = Harness(decide=True, on_logins=self._on_logins, login_door=found, **settings)

    def _on_logins(self, logins: Logins) -> None:
        self.batches.append(logins)
        if self.fault is not None:
            raise self.fault
        if self.admits:
            self.left += self.harness.engine.admit(logins)

    def __enter__(self) -> Self:
        self.harness.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.harness.__exit__(kind, error, trace)

    def come(self, user: int, query: str = "", more: bytes = b"", codec: int = 1) -> Client:
        client = self.harness.connect()
        if codec:
            head = request(f"/ws?{query}", JSON, f"Authorization: Bearer t{user}")
        else:
            head = request(f"/wss/x?token=t{user}&{query}")
        client.socket.sendall(head + more)
        return client

    def wait_for(self, count: int) -> None:
        self.harness.until(lambda: sum(map(len, self.batches)) >= count, "logins")


def test_those_of_one_slice_come_together_and_open_bound_with_their_first_event() -> None:
    with Logs() as logs:
        clients = [logs.come(user, f"device_id=d{user}&platform=pc") for user in (7, 8, 9)]
        logs.wait_for(3)
        engine = logs.harness.engine
        assert sorted(user for batch in logs.batches for user in batch.user_ids) == [7, 8, 9]
        assert all(batch.codec == 1 and len(batch) == len(batch.ids) for batch in logs.batches)
        assert engine.stats()["handshaking"] == 3
        assert not any(engine.is_open(each) for batch in logs.batches for each in batch.ids)
        for batch in logs.batches:
            assert engine.admit(batch) == []
            assert [engine.user_of(each) for each in batch.ids] == batch.user_ids
        for user, client in zip((7, 8, 9), clients, strict=True):
            head = client.read_head()
            assert head.startswith("HTTP/1.1 101 Switching Protocols\r\n")
            assert "Sec-WebSocket-Protocol: xinyu.v1.json" in head
            opcode, event = client.read_frame()
            found = json.loads(event)
            [connection] = engine.connections_of(user)
            assert (opcode, found["uid"], found["device"]) == (1, user, f"d{user}")
            assert found["session"] == f"{engine.session_of(connection):x}"
            assert engine.codec_of(connection) == engine.session_of(connection) & 3 == 1
        assert logs.harness.upgrades == []
        stats = engine.stats()
        assert (stats["upgrades"], stats["accepted"], stats["messages_out"]) == (3, 3, 3)


def test_each_dialect_has_its_own_batch_and_event() -> None:
    with Logs(admits=True) as logs:
        ours, theirs = logs.come(1, "platform=app"), logs.come(2, "platform=app", codec=0)
        logs.wait_for(2)
        assert json.loads(ours.read_frame()[1] if "xinyu" in ours.read_head() else "")["uid"] == 1
        assert "Protocol: " not in theirs.read_head()
        event = json.loads(theirs.read_frame()[1])
        assert (event["event"], event["uid"], event["platform"]) == ("connect", 2, "app")
        assert sorted((batch.codec, batch.user_ids) for batch in logs.batches) == [(0, [2]), (1, [1])]


def test_bytes_behind_the_request_wait_until_it_is_admitted() -> None:
    with Logs() as logs:
        client = logs.come(5, more=build_frame(1, b"hello", mask=MASK))
        logs.wait_for(1)
        logs.harness.settle()
        assert logs.harness.messages == []
        [connection] = logs.batches[0].ids
        assert logs.harness.engine.admit(logs.batches[0]) == []
        logs.harness.until(lambda: logs.harness.messages == [(connection, "hello")])
        client.reset_connection()
        logs.harness.until(lambda: logs.harness.closes)
        assert logs.harness.closes[0][:2] == (connection, 5)


@pytest.mark.parametrize(
    ("target", "lines"),
    [
        ("/ws", (JSON, "Authorization: Bearer unknown")),
        ("/ws", (JSON,)),
        ("/ws", (JSON, "Authorization: Bearer t1", "Origin: https://example.org")),
        ("/wss/x?token=%741", ()),
    ],
)
def test_the_rest_is_the_gateways(target: str, lines: tuple[str, ...]) -> None:
    with Logs() as logs:
        client = logs.harness.connect()
        client.send(request(target, *lines))
        logs.harness.until(lambda: logs.harness.upgrades)
        assert logs.batches == []


def test_an_expired_token_is_the_gateways() -> None:
    with Logs() as logs:
        logs.tokens.put("t1", 1, "", "", SystemClock().now_ms() - 1)
        logs.come(1)
        logs.harness.until(lambda: logs.harness.upgrades)
        assert logs.batches == []


def test_a_token_closes_its_connection_when_it_expires() -> None:
    with Logs(admits=True) as logs:
        logs.tokens.put("t1", 1, "", "", SystemClock().now_ms() + 200)
        client = logs.come(1)
        logs.harness.until(lambda: logs.batches or logs.harness.upgrades)
        assert logs.batches
        client.read_head()
        client.read_frame()
        assert client.read_close()[0] == 4401


def test_a_user_has_so_many_connections_and_not_one_more() -> None:
    with Logs(connections_per_user=2) as logs:
        for _ in range(3):
            logs.come(4)
        logs.wait_for(3)
        engine = logs.harness.engine
        left = [each for batch in logs.batches for each in engine.admit(batch)]
        assert [user for _, user in left] == [4]
        assert engine.user_connection_count(4) == 2
        # Still undecided: whoever owns the route says what becomes of it, and nobody is bound to it.
        assert engine.user_of(left[0][0]) == 0
        assert engine.accept(left[0][0], login_deadline=True)
        assert engine.user_of(left[0][0]) == 0
        logs.come(4)
        logs.harness.until(lambda: logs.harness.upgrades, "the next is the gateway's at once")


def test_who_is_gone_is_left() -> None:
    with Logs() as logs:
        stays, goes = logs.come(1), logs.come(2)
        logs.wait_for(2)
        goes.reset_connection()
        logs.harness.settle()
        left = [each for batch in logs.batches for each in logs.harness.engine.admit(batch)]
        assert [user for _, user in left] == [2]
        assert stays.read_head().startswith("HTTP/1.1 101")
        again = [user for batch in logs.batches for _, user in logs.harness.engine.admit(batch)]
        assert sorted(again) == [1, 2], "nobody is admitted twice"
        assert logs.harness.closes == []


def test_they_may_be_refused_like_any_other() -> None:
    with Logs() as logs:
        client = logs.come(1)
        logs.wait_for(1)
        assert logs.harness.engine.refuse(logs.batches[0].ids[0], 503)
        assert client.read_answer()[0] == 503
        assert [user for _, user in logs.harness.engine.admit(logs.batches[0])] == [1]


def test_nobody_decides() -> None:
    with Logs(upgrade_s=0.05) as logs:
        client = logs.come(1)
        assert client.read_answer()[0] == 503
        assert logs.harness.engine.stats()["upgrade_timeouts"] == 1


def test_a_callback_that_fails_answers_all_of_its_batch() -> None:
    with Logs() as logs:
        logs.fault = RuntimeError("of the gateway")
        clients = [logs.come(user) for user in (1, 2)]
        assert [client.read_answer()[0] for client in clients] == [500, 500]
        assert {str(error) for error in logs.harness.errors} == {"of the gateway"}
        logs.harness.errors.clear()


@pytest.mark.whole_io  # all of them come in one slice
def test_a_batch_is_bounded() -> None:
    count = MAX_LOGINS + 40
    with Logs(admits=True, slice_ms=1000.0, max_events=1024) as logs:
        clients = [logs.harness.connect() for _ in range(count)]
        logs.harness.until(lambda: logs.harness.engine.stats()["connections"] == count)
        for user, client in enumerate(clients, start=1):
            client.socket.sendall(request("/ws", JSON, f"Authorization: Bearer t{user}"))
        logs.wait_for(count)
        assert max(map(len, logs.batches)) == MAX_LOGINS
        assert sorted(user for batch in logs.batches for user in batch.user_ids) == list(range(1, count + 1))
        assert logs.left == []
        assert logs.harness.engine.stats()["open"] == count


def test_one_that_is_handed_over_undecided_logs_in_at_its_new_engine() -> None:
    with Logs() as old, Logs(admits=True) as new:
        client = old.come(3, "device_id=d")
        old.wait_for(1)
        exported = old.harness.engine.export(old.batches[0].ids[0])
        assert exported is not None
        new.harness.engine.adopt(*exported)
        new.wait_for(1)
        client.harness = new.harness
        client.read_head()
        assert json.loads(client.read_frame()[1])["device"] == "d"
        assert [user for _, user in old.harness.engine.admit(old.batches[0])] == [3]


def test_shutdown_by_the_callback_is_the_end() -> None:
    with Logs() as logs:
        logs.come(1)
        batches, engine = logs.batches, logs.harness.engine
        logs.harness.until(lambda: batches)
        engine.shutdown()
        assert [user for _, user in engine.admit(batches[0])] == [1]


def test_door_and_callback_need_each_other() -> None:
    for settings_ in ({"on_logins": print}, {"login_door": door()}, {"on_logins": 1, "login_door": door()}):
        with pytest.raises(TypeError):
            engine_module.Engine(**settings_)
    with pytest.raises(TypeError):
        engine_module.Engine().admit(None)  # type: ignore[arg-type]


def test_the_key_of_the_answer_is_the_requests() -> None:
    with Logs(admits=True) as logs:
        client = logs.come(1)
        assert KEY in request().decode()
        assert "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in client.read_head()
