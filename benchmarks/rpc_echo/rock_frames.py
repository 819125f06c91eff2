"""The Rock codec alone on the event loop: a command and a trace id in each frame, and no head in its body."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from benchmarks.rpc_echo import frames
from xinyu._fast import rock
from xinyu.wire.v1.probe_pb2 import EchoRequest, EchoResponse
from xinyu.wire.v1.probe_rpc import ECHO

TRACE_ID: Final = "0123456789abcdef" * 2


class Framing(frames.Connection):
    def __init__(self) -> None:
        super().__init__()
        self._decoder = rock.Decoder("trace")

    def data_received(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            self.on_frame(frame)

    def on_frame(self, frame: Any) -> None:
        raise NotImplementedError


class Answering(Framing, frames.Answering):
    def on_frame(self, frame: rock.Request) -> None:
        self.start(frame, EchoRequest.FromString(frame.body))

    def encode(self, call: rock.Request, response: EchoResponse) -> bytes:
        body = response.SerializeToString()
        return rock.encode_response("trace", call.sn, call.cmd, 200, "ok", body, call.trace_id)


class Calling(Framing, frames.Calling):
    def on_frame(self, frame: rock.Response) -> None:
        self.answered(frame.sn, EchoResponse.FromString(frame.body))

    def encode(self, sn: int, request: EchoRequest) -> bytes:
        return rock.encode_request("trace", sn, ECHO.command, request.SerializeToString(), TRACE_ID)


serving = partial(frames.serving, Answering)
calling = partial(frames.calling, Calling)
