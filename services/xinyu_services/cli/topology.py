"""Which processes `xinyu env` and `xinyu cluster` run on this machine, and on which ports: one YAML file.

    host: 127.0.0.1
    servers: {mariadb: 3316, redis: 6390, zookeeper: 2190, nginx: 9000}
    roles:
      gateway-ws: {count: 2, port: 8081, rpc_port: 8060, step: 1}
      svc-user: {count: 1, port: 8073}

The first instance of a role has the ports that stand there, each further one those `step` higher. The port for
operators (/healthz, /readyz, /metrics) is `OPS_ABOVE` above its port. Two processes on one port are refused, with their
names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xinyu_services.cli.failure import CommandError

OPS_ABOVE: Final = 1000
MAX_COUNT: Final = 64

HTTP_GATEWAY: Final = "gateway-http"
WEBSOCKET_GATEWAY: Final = "gateway-ws"
# In the order in which they are started and restarted: gateways last, for they need all others.
ROLES: Final = (
    "svc-presence",
    "svc-user",
    "svc-contact",
    "svc-group",
    "svc-message",
    "svc-talk",
    "svc-media",
    "svc-emoticon",
    "svc-organize",
    "svc-note",
    HTTP_GATEWAY,
    WEBSOCKET_GATEWAY,
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Servers(_Part):
    """Ports of the servers of others."""

    mariadb: int = Field(3316, ge=1, le=65535)
    redis: int = Field(6390, ge=1, le=65535)
    zookeeper: int = Field(2190, ge=1, le=65535)
    nginx: int = Field(9000, ge=1, le=65535)


class Role(_Part):
    """`rpc_port`: of a WebSocket gateway, where the rooms call it; a service's `port` is that. `grpc_port` 0 = none."""

    count: int = Field(1, ge=0, le=MAX_COUNT)
    port: int = Field(ge=1, le=65535 - OPS_ABOVE)
    rpc_port: int = Field(0, ge=0, le=65535)
    grpc_port: int = Field(0, ge=0, le=65535)
    step: int = Field(100, ge=1)


class Process(NamedTuple):
    """One process of ours. Ports that it has none of are 0."""

    role: str
    number: int
    host: str
    port: int
    rpc_port: int
    grpc_port: int
    ops_port: int

    @property
    def name(self) -> str:
        return f"{self.role}-{self.number}"

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def ports(self) -> list[int]:
        return [port for port in (self.port, self.rpc_port, self.grpc_port, self.ops_port) if port]


class Topology(_Part):
    host: str = "127.0.0.1"
    servers: Servers = Servers()
    roles: dict[str, Role]

    def processes(self, role: str = "") -> list[Process]:
        """Of one role, or of all in the order of ROLES."""
        return [
            Process(
                name,
                number + 1,
                self.host,
                settings.port + number * settings.step,
                settings.rpc_port and settings.rpc_port + number * settings.step,
                settings.grpc_port and settings.grpc_port + number * settings.step,
                settings.port + number * settings.step + OPS_ABOVE,
            )
            for name in ROLES
            if (settings := self.roles.get(name)) is not None and role in ("", name)
            for number in range(settings.count)
        ]

    def scaled(self, role: str, count: int) -> Topology:
        """Raises CommandError: no such role, or ports that meet."""
        if role not in self.roles:
            raise CommandError(f"the topology has no role {role!r}; it has {', '.join(sorted(self.roles))}")
        if not 0 <= count <= MAX_COUNT:
            raise CommandError(f"a role has 0 to {MAX_COUNT} processes")
        roles = {**self.roles, role: self.roles[role].model_copy(update={"count": count})}
        return _checked(self.model_copy(update={"roles": roles}))


def default_topology() -> Topology:
    """Every role once, WebSocket gateways twice, on the ports of the contract."""
    ports = {f"svc-{room}": port for port, room in enumerate(_ROOMS, start=8070)}
    roles = {name: Role(port=port) for name, port in ports.items()}
    roles[HTTP_GATEWAY] = Role(port=8080)
    roles[WEBSOCKET_GATEWAY] = Role(count=2, port=8081, rpc_port=8060, step=1)
    return Topology(roles=roles)


def load_topology(file: Path) -> Topology:
    """Raises CommandError with one line."""
    try:
        values: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        return _checked(Topology.model_validate(values))
    except OSError as error:
        raise CommandError(f"cannot read {file}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "topology"
        problem = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        raise CommandError(f"{file}: {where}: {problem}") from None


def save_topology(topology: Topology, file: Path) -> None:
    """Whole or not at all."""
    values = {
        "host": topology.host,
        "servers": topology.servers.model_dump(),
        "roles": {
            name: {"count": role.count, **role.model_dump(exclude_defaults=True)}
            for name, role in topology.roles.items()
        },
    }
    text = yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=120)
    scratch = file.with_suffix(".new")
    scratch.write_text(_HEADING + text, encoding="utf-8")
    scratch.replace(file)


def _checked(topology: Topology) -> Topology:
    for name in topology.roles:
        if name not in ROLES:
            raise CommandError(f"there is no role {name!r}; roles are {', '.join(ROLES)}")
    taken: dict[int, str] = {port: name for name, port in topology.servers.model_dump().items()}
    for process in topology.processes():
        for port in process.ports():
            if port > 65535:
                raise CommandError(f"{process.name} would have port {port}, which there is not")
            if port in taken:
                raise CommandError(f"{taken[port]} and {process.name} would both have port {port}")
            taken[port] = process.name
    return topology


_ROOMS: Final = ("presence", "message", "contact", "user", "group", "talk", "media", "emoticon", "organize", "note")
_HEADING: Final = """\
# What `xinyu env` and `xinyu cluster` run on this machine. `xinyu cluster scale ROLE N` changes a count here.
# A role's further instances have ports that are `step` higher, and one for operators 1000 above `port`.
"""
