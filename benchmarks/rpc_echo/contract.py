"""What is called, whatever carries it: a method that gives back what it was given, bytes in a protobuf message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from google.protobuf.wrappers_pb2 import BytesValue

from xinyu.wire.v1.method import Method

Echo: TypeAlias = Callable[[BytesValue], Awaitable[BytesValue]]

TIMEOUT_S: Final = 5.0
METHOD: Final = Method("Echo", "echo", 308, BytesValue, BytesValue, TIMEOUT_S)
CALLER: Final = "bench"
TRACE_ID: Final = "0123456789abcdef" * 2


async def answer(request: BytesValue) -> BytesValue:
    return BytesValue(value=request.value)
