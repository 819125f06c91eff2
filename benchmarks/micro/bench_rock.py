"""The Rock frame codec beside its plain-Python oracle, and beside a length prefix with protobuf (upb) in it.

One round of each handles BATCH frames of the same content, so that figures are per batch and compare directly. Whole
calls, beside grpcio: `python -m benchmarks.side_by_side --level micro`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tests.unit._fast import rock_oracle
from xinyu._fast import rock

BATCH = 64
TRACE = "0123456789abcdef" * 2
BODIES = {"32 B": b"x" * 32, "1 KiB": b"x" * 1024, "3 KiB": b"x" * 3072}


def protobuf_request() -> Any:
    """A message type with the REQUEST's fields, made here: the schema of xinyu.wire is not what is measured."""
    schema = descriptor_pb2.FileDescriptorProto(name="bench_rock.proto", package="bench_rock", syntax="proto3")
    message = schema.message_type.add(name="Request")
    field = descriptor_pb2.FieldDescriptorProto
    for number, (name, kind) in enumerate(
        [
            ("sn", field.TYPE_UINT32),
            ("cmd", field.TYPE_UINT32),
            ("trace_id", field.TYPE_STRING),
            ("body", field.TYPE_BYTES),
        ],
        1,
    ):
        message.field.add(name=name, number=number, type=kind, label=field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(schema)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("bench_rock.Request"))


@pytest.fixture(params=BODIES, ids=lambda name: name.replace(" ", ""))
def body(request: pytest.FixtureRequest) -> bytes:
    return BODIES[request.param]


@pytest.mark.parametrize("codec", ["rock", "oracle", "protobuf"])
def bench_encode(benchmark: Callable[[Callable[[], object]], object], codec: str, body: bytes) -> None:
    if codec == "rock":
        encode = rock.encode_request

        def run() -> object:
            return [encode("trace", sn, 308, body, TRACE) for sn in range(BATCH)]

    elif codec == "oracle":

        def run() -> object:
            return [rock_oracle.encode(rock.Request(sn, 308, TRACE, body), "trace") for sn in range(BATCH)]

    else:
        request = protobuf_request()
        pack = struct.Struct(">I").pack

        def run() -> object:
            out = []
            for sn in range(BATCH):
                payload = request(sn=sn, cmd=308, trace_id=TRACE, body=body).SerializeToString()
                out.append(pack(len(payload)) + payload)
            return out

    benchmark(run)


@pytest.mark.parametrize("codec", ["rock", "oracle", "protobuf"])
def bench_decode(benchmark: Callable[[Callable[[], object]], object], codec: str, body: bytes) -> None:
    """All frames arrive in one read."""
    if codec == "protobuf":
        request = protobuf_request()
        payloads = [request(sn=sn, cmd=308, trace_id=TRACE, body=body).SerializeToString() for sn in range(BATCH)]
        stream = b"".join(struct.pack(">I", len(payload)) + payload for payload in payloads)
        unpack = struct.Struct(">I").unpack_from

        def run() -> list[object]:
            out: list[object] = []
            at = 0
            while at < len(stream):
                (size,) = unpack(stream, at)
                message = request.FromString(stream[at + 4 : at + 4 + size])
                out.append((message.sn, message.cmd, message.trace_id, message.body))
                at += 4 + size
            return out

    else:
        stream = b"".join(rock.encode_request("trace", sn, 308, body, TRACE) for sn in range(BATCH))
        if codec == "rock":
            decoder = rock.Decoder("trace")

            def run() -> list[object]:
                return list(decoder.feed(stream))

        else:

            def run() -> list[object]:
                return list(rock_oracle.decode(stream, "trace")[0])

    assert len(run()) == BATCH
    benchmark(run)


@pytest.mark.parametrize("read_bytes", [64, 1448])
def bench_decode_in_pieces(benchmark: Callable[[Callable[[], object]], object], read_bytes: int, body: bytes) -> None:
    """The same frames in small reads: the cost of the buffer for an unfinished frame."""
    stream = b"".join(rock.encode_request("trace", sn, 308, body, TRACE) for sn in range(BATCH))
    pieces = [stream[at : at + read_bytes] for at in range(0, len(stream), read_bytes)]
    decoder = rock.Decoder("trace")

    def run() -> int:
        return sum(len(decoder.feed(piece)) for piece in pieces)

    assert run() == BATCH
    benchmark(run)


@pytest.mark.parametrize("level", [1, 6])
def bench_compressed(benchmark: Callable[[Callable[[], object]], object], level: int) -> None:
    """64 KiB of JSON-like text, there and back, at two zlib levels."""
    rows = [b'{"msg_id":"%032x","sequence":%d,"content":"hello"},' % (n * 7919**3, n) for n in range(900)]
    body = b"".join(rows)[:65536]
    decoder = rock.Decoder("trace")

    def run() -> object:
        return decoder.feed(rock.encode_request("trace", 1, 308, body, TRACE, gzip_level=level))

    benchmark(run)
