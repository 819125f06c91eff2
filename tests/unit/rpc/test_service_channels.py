"""One channel to everything: calls go to the service of their method."""

from __future__ import annotations

from tests.unit.rpc.carriers import loopback
from xinyu.discovery.memory import MemoryRegistry
from xinyu.discovery.registry import Instance
from xinyu.rpc.context import Context
from xinyu.rpc.rock_channel import RockChannel
from xinyu.rpc.rock_server import RockServer
from xinyu.rpc.service_channels import ServiceChannels
from xinyu.rpc.servicers import Servicers
from xinyu.rpc.spread import spread
from xinyu.wire.v1 import gateway_pb2, message_pb2, options_pb2
from xinyu.wire.v1.gateway_rpc import DELIVER, GatewayStub
from xinyu.wire.v1.message_rpc import SEND, TYPING, MessageStub


class Everything:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def typing(self, request: message_pb2.TypingRequest, context: Context) -> options_pb2.Empty:
        self.asked.append(f"typing by {context.caller}")
        return options_pb2.Empty()

    async def deliver(self, request: gateway_pb2.DeliverRequest, context: Context) -> options_pb2.Empty:
        self.asked.append("deliver")
        return options_pb2.Empty()


async def test_each_service_is_looked_for_by_its_own_name() -> None:
    registry, told, servers = MemoryRegistry(), {}, []
    for service, method in (("message", TYPING), ("ws-rpc", DELIVER)):
        servicers = Servicers()
        told[service] = Everything()
        servicers.serve([method], told[service])
        servers.append(RockServer(servicers))
        await servers[-1].start(loopback())
        registry.put(Instance(service, f"127.0.0.1:{servers[-1].port}", "rock", instance_id=f"{service}-1"))
    connected: list[str] = []

    def connect(instance: Instance) -> RockChannel:
        connected.append(instance.service)
        return RockChannel(instance.host, instance.port, caller="gateway")

    channels = ServiceChannels(registry, connect, {"message": "weighted"})
    assert connected == []  # nobody is looked for before it is asked
    await MessageStub(channels).typing(message_pb2.TypingRequest())
    await GatewayStub(channels.gateway("ws-rpc-1")).deliver(gateway_pb2.DeliverRequest())
    assert told["message"].asked == ["typing by gateway"] and told["ws-rpc"].asked == ["deliver"]
    assert connected == ["message", "ws-rpc"]
    assert spread(channels, SEND, ["a", "b"]) == [[0, 1]]
    assert channels.service("message") is channels.service("message")
    await channels.close()
    for server in servers:
        await server.stop()
