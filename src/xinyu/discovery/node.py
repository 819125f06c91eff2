"""What stands in ZooKeeper about one instance: a node's path and its data (contract: discovery).

    /{root}/{domain}/{service}/providers/{ip:port}
    {"type": "rock", "weight": 100, "version": "...", "start_time": "...", "instance_id": "...", "state": "up"}

Whoever may write there is not believed: a name that is no address and data that is not of this shape are refused as a
whole, and texts are short and printable, since they end in logs and on terminals. The reference writes the type word
alone; a node without an instance_id is named by its address.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from xinyu.discovery.address import split_address
from xinyu.discovery.registry import DEFAULT_WEIGHT, KINDS, MAX_WEIGHT, Instance, Kind, State

MAX_DATA_BYTES: Final = 4096
Word = Annotated[str, msgspec.Meta(pattern=r"^[ -~]{0,128}\Z")]


class MalformedNode(ValueError):
    """No instance can be read out of this node."""


class _NodeData(msgspec.Struct):
    """Fields that are not known are passed over: a later version may have more."""

    type: Kind
    weight: Annotated[int, msgspec.Meta(ge=0, le=MAX_WEIGHT)] = DEFAULT_WEIGHT
    version: Word = ""
    start_time: Word = ""
    instance_id: Word = ""
    grpc_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    state: State = "up"


_decode: Final = msgspec.json.Decoder(_NodeData).decode


def providers_path(root: str, domain: str, service: str) -> str:
    return f"/{root}/{domain}/{service}/providers"


def consumers_path(root: str, domain: str, service: str) -> str:
    return f"/{root}/{domain}/{service}/consumers"


def encode(instance: Instance) -> bytes:
    data: dict[str, Any] = {
        "type": instance.kind,
        "weight": instance.weight,
        "version": instance.version,
        "start_time": instance.started_at,
        "instance_id": instance.instance_id,
        "state": instance.state,
    }
    if instance.grpc_port is not None:
        data["grpc_port"] = instance.grpc_port
    return msgspec.json.encode(data)


def decode(service: str, name: str, data: bytes) -> Instance:
    """Raises MalformedNode."""
    try:
        split_address(name)
    except ValueError as error:
        raise MalformedNode(str(error)) from None
    if len(data) > MAX_DATA_BYTES:
        raise MalformedNode(f"{len(data)} bytes of data")
    for kind in KINDS:
        if data.strip() == kind.encode():
            return Instance(service, name, kind, instance_id=name)
    try:
        read = _decode(data)
    except msgspec.MsgspecError as error:
        raise MalformedNode(str(error)) from None
    return Instance(
        service,
        name,
        read.type,
        read.weight,
        read.version,
        read.start_time,
        read.instance_id or name,
        read.grpc_port,
        read.state,
    )
