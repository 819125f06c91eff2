"""The Rock frame codec: the contract's vectors, every refusal, and agreement with the plain-Python oracle."""

from __future__ import annotations

import gzip
import itertools
import random
import struct
import sys
import threading
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit._fast import rock_oracle
from xinyu._fast import rock

TRACE = "0123456789abcdef" * 2

# dialect, frame, bytes. The last two are to be decoded only: other compressors give other bytes.
VECTORS: list[tuple[str, rock.Frame, str]] = [
    ("base", rock.Request(1, 204, "", b'{"uid":7}'), "abcd01000000000e 01 01 cc01 09 7b22756964223a377d"),
    ("trace", rock.Request(1, 204, "", b'{"uid":7}'), "abcd01000000000f 01 01 cc01 00 09 7b22756964223a377d"),
    (
        "trace",
        rock.Request(300, 308, TRACE, b"{}"),
        "abcd010000000029 01 ac02 b402 20 3031323334353637383961626364656630313233343536373839616263646566 02 7b7d",
    ),
    ("trace", rock.Response(1, 204, 200, "ok", "", b"{}"), "abcd01000000000d 02 01 cc01 c801 02 6f6b 00 02 7b7d"),
    ("base", rock.Response(1, 204, 200, "ok", "", b"{}"), "abcd01000000000c 02 01 cc01 c801 02 6f6b 02 7b7d"),
    (
        "base",
        rock.Response(1, 204, 404, "unhandle", "", b""),
        "abcd010000000010 02 01 cc01 9403 08 756e68616e646c65 00",
    ),
    (
        "trace",
        rock.Response(1, 204, 404, "unhandle", "", b""),
        "abcd010000000011 02 01 cc01 9403 08 756e68616e646c65 00 00",
    ),
    ("base", rock.Notify(7, "", b"{}"), "abcd010000000005 03 07 02 7b7d"),
    ("trace", rock.Notify(7, "", b"{}"), "abcd010000000006 03 07 00 02 7b7d"),
    ("base", rock.Request(4294967295, 0, "", b""), "abcd010000000008 01 ffffffff0f 00 00"),
    ("trace", rock.Request(4294967295, 0, "", b""), "abcd010000000009 01 ffffffff0f 00 00 00"),
    (
        "base",
        rock.Request(1, 308, "", b"a" * 5000),
        "abcd01010000002f 1f8b0800000000000203edc1411100000400b0a38c5cda0824a0147edb2236a71a00"
        "00000078778b15d97d8e130000",
    ),
    (
        "trace",
        rock.Request(1, 308, TRACE, b"a" * 5000),
        "abcd010100000046 1f8b0800000000000203edc7b91180200000b08349ec68fd9f714065160672407b7b"
        "bba44b084fecfa619ce665ddf62397f3baebf72d6500000000e0772fb64f266daf130000",
    ),
]

REFUSED: list[tuple[str, str, str]] = [
    ("abce01000000000f 01 01 cc01 00 09 7b22756964223a377d", "trace", "magic"),
    ("aacd01000000000f", "trace", "magic"),
    ("abcd02000000000f", "trace", "version"),
    ("abcd00000000000f", "trace", "version"),
    ("abcd01020000000f", "trace", "flags"),
    ("abcd01810000000f", "trace", "flags"),
    ("abcd010000000000", "trace", "length"),
    ("abcd010004000000", "trace", "length"),
    ("abcd0100ffffffff", "trace", "length"),
    ("abcd010080000000", "trace", "length"),
    ("abcd010000000001 00", "base", "type"),
    ("abcd010000000005 04 07 00 02 7b", "trace", "type"),
    ("abcd010000000001 01", "base", "truncated"),
    ("abcd010000000002 01 80", "base", "truncated"),
    ("abcd010000000005 03 07 03 7b7d", "base", "truncated"),
    ("abcd010000000004 01 01 01 01", "base", "truncated"),
    ("abcd01000000000d 03 07 ffffffffffffffffff01 7b", "base", "truncated"),  # a length of 2**64 - 1
    ("abcd01000000000c 03 07 ffffffffffffffffff02", "base", "varint"),  # one of 65 bits
    ("abcd01000000000d 03 07 8080808080808080808001", "base", "varint"),  # an eleventh group
    ("abcd010000000005 03 8700 00 00", "trace", "varint"),  # 7 in two bytes
    ("abcd010000000004 03 8000 00", "base", "varint"),  # 0 in two bytes
    ("abcd010000000004 03 07 8000", "base", "varint"),  # the same as a length
    ("abcd010000000007 03 ffffffff10 00", "base", "varint"),  # 33 bits
    ("abcd010000000008 03 ffffffff8f00 00", "base", "varint"),  # a sixth group
    ("abcd010000000008 03 808080808000 00", "base", "varint"),
    ("abcd010000000006 03 07 02 7b7d 00", "base", "trailing"),
    ("abcd010000000005 03 07 01 ff 00", "trace", "text"),
    ("abcd010000000008 02 01 01 01 02 c328 00", "base", "text"),
    ("abcd010100000005 03 07 02 7b7d", "base", "gzip"),  # said to be compressed, but is not
]


def split_feed(stream: bytes, dialect: Any, cuts: list[int], **options: int) -> tuple[list[rock.Frame], str]:
    """Feed the stream cut at these places; frames and the reason of the first fault, as the oracle answers."""
    decoder = rock.Decoder(dialect, **options)
    frames: list[rock.Frame] = []
    places = [0, *sorted(cuts), len(stream)]
    for start, end in itertools.pairwise(places):
        try:
            frames += decoder.feed(stream[start:end])
        except rock.ProtocolError as error:
            assert decoder.buffered_bytes == 0
            return [*frames, *error.frames], error.reason
    return frames, ""


def encode(frame: rock.Frame, dialect: Any, **options: int) -> bytes:
    match frame:
        case rock.Request(sn, cmd, trace_id, body):
            return rock.encode_request(dialect, sn, cmd, body, trace_id, **options)
        case rock.Response(sn, cmd, result, result_str, trace_id, body):
            return rock.encode_response(dialect, sn, cmd, result, result_str, body, trace_id, **options)
        case rock.Notify(notify, trace_id, body):
            return rock.encode_notify(dialect, notify, body, trace_id, **options)


def frame_of(payload: bytes, flags: int = 0) -> bytes:
    return b"\xab\xcd\x01" + bytes([flags]) + struct.pack(">i", len(payload)) + payload


# ---- the contract's vectors


@pytest.mark.parametrize(("dialect", "frame", "hexed"), VECTORS)
def test_vectors_decode(dialect: Any, frame: rock.Frame, hexed: str) -> None:
    stream = bytes.fromhex(hexed)
    assert rock.Decoder(dialect).feed(stream) == [frame]
    assert rock_oracle.decode(stream, dialect) == ([frame], "")
    for cut in range(len(stream) + 1):
        assert split_feed(stream, dialect, [cut]) == ([frame], "")
    assert split_feed(stream, dialect, list(range(len(stream)))) == ([frame], "")


@pytest.mark.parametrize(("dialect", "frame", "hexed"), VECTORS[:11])
def test_vectors_encode(dialect: Any, frame: rock.Frame, hexed: str) -> None:
    assert encode(frame, dialect).hex() == hexed.replace(" ", "")
    assert rock_oracle.encode(frame, dialect).hex() == hexed.replace(" ", "")


@pytest.mark.parametrize(("hexed", "dialect", "reason"), REFUSED)
def test_refusals(hexed: str, dialect: Any, reason: str) -> None:
    good = rock.encode_notify(dialect, 9, b"before")
    stream = good + bytes.fromhex(hexed) + good
    expected = ([rock.Notify(9, "", b"before")], reason)
    assert rock_oracle.decode(stream, dialect) == expected
    for cut in range(len(stream) + 1):
        assert split_feed(stream, dialect, [cut]) == expected
    assert split_feed(stream, dialect, list(range(len(stream)))) == expected


def test_a_fault_is_final() -> None:
    decoder = rock.Decoder("base")
    with pytest.raises(rock.ProtocolError, match=r"^type: ") as first:
        decoder.feed(rock.encode_notify("base", 1, b"x") + bytes.fromhex("abcd010000000001 00"))
    assert first.value.frames == (rock.Notify(1, "", b"x"),)
    with pytest.raises(rock.ProtocolError) as again:
        decoder.feed(rock.encode_notify("base", 2, b"y"))
    assert (again.value.reason, again.value.frames) == ("type", ())


# ---- compression


def test_compression_starts_at_its_threshold() -> None:
    # The largest body sent plain with a one-byte sn, a two-byte cmd and the base dialect is 4,089 bytes.
    plain = rock.encode_request("base", 1, 308, b"a" * 4089)
    assert (plain[3], len(plain)) == (0, 8 + 4095)
    packed = rock.encode_request("base", 1, 308, b"a" * 4090)
    assert packed[3] == 1
    assert packed[8:12] == b"\x1f\x8b\x08\x00"
    assert gzip.decompress(packed[8:]) == bytes.fromhex("01 01 b402 fa1f") + b"a" * 4090
    assert rock.Decoder("base").feed(packed) == [rock.Request(1, 308, "", b"a" * 4090)]
    assert rock.encode_request("base", 1, 308, b"a" * 4090, gzip_min_length=10_000)[3] == 0
    assert rock.encode_request("base", 1, 308, b"a", gzip_min_length=1)[3] == 1


def test_compression_level_is_a_setting() -> None:
    body = b" ".join(b"%d" % (i * i) for i in range(4000))
    sizes = [len(rock.encode_notify("base", 1, body, gzip_level=level)) for level in (0, 1, 9)]
    assert sizes[0] > len(body) > sizes[1] > sizes[2]
    with pytest.raises(zlib.error):
        rock.encode_notify("base", 1, body, gzip_level=10)


def test_a_receiver_goes_by_the_flag_whatever_the_size() -> None:
    small = frame_of(gzip.compress(bytes.fromhex("03 07 02 7b7d")), 1)
    assert rock.Decoder("base").feed(small) == [rock.Notify(7, "", b"{}")]


def test_a_payload_is_exactly_one_gzip_member() -> None:
    member = gzip.compress(bytes.fromhex("03 07 02 7b7d"))
    corrupt = bytearray(member)
    corrupt[-5] ^= 1  # the checksum
    for payload in (member + b"\0", member + member, member[:-1], member[:12], bytes(corrupt), zlib.compress(b"\3")):
        assert split_feed(frame_of(payload, 1), "base", []) == ([], "gzip")
    assert split_feed(frame_of(gzip.compress(b""), 1), "base", []) == ([], "truncated")


def test_defect_44_an_inflated_payload_is_bounded() -> None:
    bomb = frame_of(gzip.compress(b"\x03\x07" + b"\0" * (256 * 1024 * 1024 // 8)), 1)
    assert len(bomb) < 64 * 1024
    tracemalloc.start()
    assert split_feed(bomb, "base", [], max_length=64 * 1024) == ([], "inflated_length")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1024 * 1024
    # The bound is the same as for a plain payload: below, not up to.
    for size, reason in ((997, ""), (998, "inflated_length")):
        body = b"a" * (size - 3)
        payload = b"\x03\x07" + rock_oracle.span(body)
        stream = frame_of(gzip.compress(payload), 1)
        assert len(payload) == size + 1
        assert split_feed(stream, "base", [], max_length=999)[1] == reason


def test_max_length() -> None:
    for size, reason in ((998, ""), (999, "length")):
        stream = rock.encode_notify("base", 7, b"a" * (size - 4))
        assert len(stream) - 8 == size
        assert split_feed(stream, "base", [], max_length=999)[1] == reason
    rock.encode_notify("base", 7, b"a" * 994, max_length=999)
    with pytest.raises(rock.ProtocolError, match=r"^length: "):
        rock.encode_notify("base", 7, b"a" * 995, max_length=999)
    # Bytes that do not compress grow a little; the result is bounded, too.
    noise = random.Random(1).randbytes(9990)
    with pytest.raises(rock.ProtocolError, match=r"^length: a compressed"):
        rock.encode_notify("base", 7, noise, max_length=10_000)


# ---- arguments and objects


def test_bad_arguments() -> None:
    for dialect in ("", "Trace", "v2"):
        with pytest.raises(ValueError, match="dialect"):
            rock.Decoder(dialect)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="dialect"):
            rock.encode_notify(dialect, 1, b"")  # type: ignore[arg-type]
    for length in (-1, 0, 1, 2**31):
        with pytest.raises(ValueError, match="max_length"):
            rock.Decoder("base", length)
        with pytest.raises(ValueError, match="max_length"):
            rock.encode_notify("base", 1, b"", max_length=length)
    for number in (-1, 2**32):
        with pytest.raises(OverflowError):
            rock.encode_request("base", number, 1, b"")
        with pytest.raises(OverflowError):
            rock.encode_response("base", 1, 1, number, "", b"")
    for value in (None, "text", 5):
        with pytest.raises(TypeError):
            rock.Decoder("base").feed(value)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            rock.encode_notify("base", 1, value)  # type: ignore[arg-type]
    with pytest.raises(UnicodeEncodeError):
        rock.encode_notify("trace", 1, b"", "\ud800")


def test_feed_takes_any_contiguous_buffer() -> None:
    stream = rock.encode_notify("trace", 7, b"{}")
    for data in (bytearray(stream), memoryview(stream), memoryview(b"x" + stream)[1:]):
        assert rock.Decoder("trace").feed(data) == [rock.Notify(7, "", b"{}")]
    with pytest.raises(BufferError):
        rock.Decoder("trace").feed(memoryview(stream * 2)[::2])


def test_frames_are_values() -> None:
    frames = [frame for _, frame, _ in VECTORS]
    assert len(set(frames)) == 8
    for frame in frames:
        assert eval(repr(frame), {**vars(rock)}) == frame
        assert frame != "something else"
        with pytest.raises(AttributeError):
            frame.body = b""  # type: ignore[misc]
    assert rock.Request(7, 0, "", b"") != rock.Notify(7, "", b"")


def test_the_base_dialect_has_no_place_for_a_trace_id() -> None:
    assert rock.encode_notify("base", 7, b"{}", TRACE) == rock.encode_notify("base", 7, b"{}")


# ---- heads

V32 = st.one_of(
    st.integers(0, 300), st.integers(0, 2**32 - 1), st.sampled_from([127, 128, 2**28 - 1, 2**28, 2**32 - 1])
)
TEXT = st.text(max_size=40)
BODY = st.one_of(st.binary(max_size=300), st.builds(lambda b, n: b * n, st.binary(max_size=8), st.integers(0, 1500)))
FRAME: st.SearchStrategy[rock.Frame] = st.one_of(
    st.builds(rock.Request, V32, V32, TEXT, BODY),
    st.builds(rock.Response, V32, V32, V32, TEXT, TEXT, BODY),
    st.builds(rock.Notify, V32, TEXT, BODY),
)
DIALECT = st.sampled_from(["base", "trace"])

# A call of 5,000 ms by "ann": version, time, name.
HEAD = bytes.fromhex("01 00001388 03 616e6e")


def test_a_call_carries_its_head_in_front_of_the_request() -> None:
    plain = rock.encode_request("trace", 7, 308, HEAD + b"{}", TRACE)
    assert rock.Encoder("trace", caller="ann").call(7, 308, TRACE, 5.0, b"{}") == plain
    (call,) = rock.Decoder("trace", heads=True).feed(plain)
    assert isinstance(call, rock.Call) and isinstance(call, rock.Request)
    assert (call.sn, call.cmd, call.trace_id, call.body) == (7, 308, TRACE, b"{}")
    assert (call.timeout_s, call.caller) == (5.0, "ann")
    # Only who asks for heads gets them.
    assert rock.Decoder("trace").feed(plain) == [rock.Request(7, 308, TRACE, HEAD + b"{}")]
    assert "timeout_s=5.0, caller='ann'" in repr(call) and call != rock.Request(7, 308, TRACE, b"{}")


def test_calls_are_values() -> None:
    encoder, decoder = rock.Encoder(caller="ann"), rock.Decoder(heads=True)
    stream = b"".join(encoder.call(1, 2, "", timeout_s, b"") for timeout_s in (1.0, 1.0, 2.0))
    first, same, other = decoder.feed(stream + rock.Encoder().call(1, 2, "", 1.0, b""))[:3]
    assert first == same != other and len({first, same, other}) == 2


@pytest.mark.parametrize(
    "body",
    [b"", b"\x01", b"\x02" + HEAD[1:], HEAD[:-1], HEAD[:5], b"\x01\0\0\0\x05\xffabc", b"\x01\0\0\0\x05\x01\xff"],
)
def test_a_body_without_a_head_stays_a_request(body: bytes) -> None:
    stream = rock.encode_request("trace", 7, 308, body)
    assert rock.Decoder("trace", heads=True).feed(stream) == [rock.Request(7, 308, "", body)]


@pytest.mark.parametrize(
    ("timeout_s", "decoded_s"),
    [(0.0, 0.0), (-1.0, 0.0), (float("nan"), 0.0), (0.0019, 0.001), (1e300, 4294967.295), (float("inf"), 4294967.295)],
)
def test_the_time_is_told_in_milliseconds_of_32_bits(timeout_s: float, decoded_s: float) -> None:
    (call,) = rock.Decoder(heads=True).feed(rock.Encoder().call(1, 1, "", timeout_s, b""))
    assert isinstance(call, rock.Call) and call.timeout_s == decoded_s


def test_a_caller_is_ascii_of_at_most_255() -> None:
    for name in ("", "a", "x" * 255):
        (call,) = rock.Decoder(heads=True).feed(rock.Encoder(caller=name).call(1, 1, "", 1.0, b"body"))
        assert isinstance(call, rock.Call) and (call.caller, call.body) == (name, b"body")
    with pytest.raises(ValueError, match="255"):
        rock.Encoder(caller="x" * 256)
    with pytest.raises(UnicodeEncodeError):
        rock.Encoder(caller="\xe4")


NAME = st.text(st.characters(max_codepoint=127), max_size=255)


@given(
    st.lists(st.tuples(V32, V32, TEXT, st.floats(0, 4_000_000), NAME, BODY), max_size=4),
    DIALECT,
    st.sampled_from([1, 4096]),
)
def test_calls_and_answers_come_back(
    calls: list[tuple[int, int, str, float, str, bytes]], dialect: Any, gzip_min_length: int
) -> None:
    decoder = rock.Decoder(dialect, heads=True)
    for sn, cmd, trace_id, timeout_s, caller, body in calls:
        encoder = rock.Encoder(dialect, caller=caller, gzip_min_length=gzip_min_length)
        (call,) = decoder.feed(encoder.call(sn, cmd, trace_id, timeout_s, body))
        assert isinstance(call, rock.Call)
        traced = trace_id if dialect == "trace" else ""
        assert (call.sn, call.cmd, call.trace_id, call.caller, call.body) == (sn, cmd, traced, caller, body)
        assert 0 <= timeout_s - call.timeout_s < 0.0011
        assert decoder.feed(encoder.answer(call, 200, "ok", body)) == [rock.Response(sn, cmd, 200, "ok", traced, body)]
        plain = encode(rock.Request(sn, cmd, trace_id, body), dialect, gzip_min_length=gzip_min_length)
        assert encoder.request(sn, cmd, body, trace_id) == plain


@given(st.binary(max_size=300))
def test_any_body_is_a_call_or_a_request(body: bytes) -> None:
    (frame,) = rock.Decoder(heads=True).feed(rock.encode_request("trace", 1, 2, body))
    assert isinstance(frame, rock.Request)
    if isinstance(frame, rock.Call):
        size = 6 + len(frame.caller)
        assert body[0] == 1 and frame.timeout_s == int.from_bytes(body[1:5], "big") / 1000
        assert body[6:size] == frame.caller.encode() and body[size:] == frame.body
    else:
        assert frame.body == body


def test_an_encoder_keeps_to_its_limits() -> None:
    encoder = rock.Encoder("base", gzip_min_length=100, max_length=999)
    assert (encoder.dialect, encoder.gzip_min_length, encoder.max_length) == ("base", 100, 999)
    assert encoder.call(1, 1, "", 1.0, b"a" * 50)[3] == 0 and encoder.call(1, 1, "", 1.0, b"a" * 100)[3] == 1
    with pytest.raises(rock.ProtocolError, match=r"^length: "):
        encoder.call(1, 1, "", 1.0, b"a" * 999)
    with pytest.raises(rock.ProtocolError, match=r"^length: "):
        encoder.answer(rock.Request(), 200, "ok", b"a" * 999)
    with pytest.raises(ValueError, match="dialect"):
        rock.Encoder("v2")  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        encoder.call(-1, 1, "", 1.0, b"")


# ---- memory


def test_an_announced_length_costs_nothing_before_its_bytes_come() -> None:
    decoder = rock.Decoder("base")
    empty = sys.getsizeof(decoder)
    assert decoder.feed(bytes.fromhex("abcd010003ffffff")) == []
    assert decoder.buffered_bytes == 8
    assert sys.getsizeof(decoder) <= empty + 256
    for _ in range(1000):
        assert decoder.feed(b"\x03") == []
    assert decoder.buffered_bytes == 1008
    assert sys.getsizeof(decoder) <= empty + 2048


def test_only_a_small_buffer_is_kept() -> None:
    decoder = rock.Decoder("base")
    empty = sys.getsizeof(decoder)
    for size, kept in ((100, 256), (1_000_000, 0)):
        stream = rock.encode_notify("base", 7, b"a" * size, gzip_min_length=2_000_000)
        decoder.feed(stream[: size // 2])
        assert decoder.buffered_bytes == size // 2
        assert empty + size // 2 <= sys.getsizeof(decoder) <= empty + len(stream) + 256
        assert len(decoder.feed(stream[size // 2 :])) == 1
        assert decoder.buffered_bytes == 0
        assert sys.getsizeof(decoder) == empty + kept


def test_one_feed_at_a_time() -> None:
    # zlib lets other threads run: the second feed must not move the buffer that the first one reads.
    stream = rock.encode_notify("base", 7, random.Random(2).randbytes(1_000_000) + b"\0" * 30_000_000)
    decoder = rock.Decoder("base")
    decoder.feed(stream[:-1])
    refused = threading.Event()
    done = threading.Event()

    def hammer() -> None:
        while not done.is_set() and not refused.is_set():
            try:
                decoder.feed(b"")
            except RuntimeError:
                refused.set()

    thread = threading.Thread(target=hammer)
    thread.start()
    frames = None
    while frames is None:
        try:
            frames = decoder.feed(stream[-1:])
        except RuntimeError:  # the other one was just inside: the byte is still to come
            continue
    done.set()
    thread.join()
    assert len(frames) == 1


# ---- agreement with the oracle


@given(st.lists(FRAME, max_size=5), DIALECT, st.sampled_from([1, 64, 4096]), st.data())
def test_frames_come_back_however_they_are_cut(
    frames: list[rock.Frame], dialect: Any, gzip_min_length: int, data: st.DataObject
) -> None:
    encoded = [encode(frame, dialect, gzip_min_length=gzip_min_length) for frame in frames]
    for frame, each in zip(frames, encoded, strict=True):
        if each[3] == 0:
            assert each == rock_oracle.encode(frame, dialect, gzip_min_length)
    stream = b"".join(encoded)
    expected = rock_oracle.decode(stream, dialect)
    assert len(expected[0]) == len(frames)
    if dialect == "trace":
        assert expected[0] == frames
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    assert split_feed(stream, dialect, cuts) == expected
    assert split_feed(rock_stream(frames, dialect), dialect, cuts[:2]) == expected


def rock_stream(frames: list[rock.Frame], dialect: str) -> bytes:
    return b"".join(rock_oracle.encode(frame, dialect) for frame in frames)


@given(st.lists(FRAME, min_size=1, max_size=2), DIALECT)
def test_every_byte_boundary(frames: list[rock.Frame], dialect: Any) -> None:
    stream = b"".join(encode(frame, dialect, gzip_min_length=100) for frame in frames)[:400]
    expected = rock_oracle.decode(stream, dialect)
    for cut in range(len(stream) + 1):
        assert split_feed(stream, dialect, [cut]) == expected
    assert split_feed(stream, dialect, list(range(len(stream)))) == expected


@given(
    st.lists(FRAME, min_size=1, max_size=3),
    DIALECT,
    st.sampled_from([1, 4096]),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=3),
    st.lists(st.integers(0, 10**6), max_size=4),
    st.sampled_from([64, 1000, 64 * 1024 * 1024]),
)
def test_broken_streams_are_refused_alike(
    frames: list[rock.Frame],
    dialect: Any,
    gzip_min_length: int,
    edits: list[tuple[int, int]],
    cuts: list[int],
    max_length: int,
) -> None:
    stream = bytearray(b"".join(encode(frame, dialect, gzip_min_length=gzip_min_length) for frame in frames))
    for place, value in edits:
        stream[place % len(stream)] = value
    broken = bytes(stream)
    expected = rock_oracle.decode(broken, dialect, max_length)
    assert split_feed(broken, dialect, [cut % (len(broken) + 1) for cut in cuts], max_length=max_length) == expected


@given(st.binary(max_size=40), DIALECT, st.booleans())
def test_any_payload(payload: bytes, dialect: Any, zipped: bool) -> None:
    if not payload and not zipped:
        return
    stream = frame_of(gzip.compress(payload) if zipped else payload, int(zipped))
    expected = rock_oracle.decode(stream, dialect)
    for cut in range(len(stream) + 1):
        assert split_feed(stream, dialect, [cut]) == expected
