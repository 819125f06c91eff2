"""The Probe service: how this process fares; and what it gets sent back, so that a load tool learns what a call costs
and nothing else."""

from __future__ import annotations

from xinyu.base.clock import Clock, SystemClock
from xinyu.rpc.context import Context
from xinyu.rpc.servicers import Servicers
from xinyu.wire.v1 import options_pb2, probe_pb2


class ProbeServicer:
    """`xinyu.wire.v1.probe_rpc.ProbeServicer`. Its process begins with it; the calls under way are those of
    `servicers`, where they are given."""

    def __init__(self, servicers: Servicers | None = None, *, version: str = "", clock: Clock | None = None) -> None:
        self._servicers = servicers
        self._version = version
        self._clock = clock or SystemClock()
        self._started_s = self._clock.monotonic_s()

    async def echo(self, request: probe_pb2.EchoRequest, context: Context) -> probe_pb2.EchoResponse:
        return probe_pb2.EchoResponse(payload=request.payload)

    async def status(self, request: options_pb2.Empty, context: Context) -> probe_pb2.StatusResponse:
        return probe_pb2.StatusResponse(
            version=self._version,
            uptime_ms=round((self._clock.monotonic_s() - self._started_s) * 1000),
            in_flight=0 if self._servicers is None else self._servicers.in_flight - 1,
        )
