"""What is called, whatever carries it: `Probe.Echo`, which gives back what it was given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from xinyu.wire.v1.probe_pb2 import EchoRequest, EchoResponse

Echo: TypeAlias = Callable[[EchoRequest], Awaitable[EchoResponse]]

TIMEOUT_S: Final = 5.0
CALLER: Final = "bench"
SECRET: Final = b"the-secret-of-the-benchmark"
# A request of 100 bytes: the field's tag and length take two.
PAYLOAD: Final = b"x" * 98
