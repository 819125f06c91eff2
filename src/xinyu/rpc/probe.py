"""The Probe service: sends back what it gets, so that a load tool learns what a call costs and nothing else."""

from __future__ import annotations

from xinyu.rpc.context import Context
from xinyu.wire.v1 import probe_pb2


class ProbeServicer:
    """`xinyu.wire.v1.probe_rpc.ProbeServicer`."""

    async def echo(self, request: probe_pb2.EchoRequest, context: Context) -> probe_pb2.EchoResponse:
        return probe_pb2.EchoResponse(payload=request.payload)
