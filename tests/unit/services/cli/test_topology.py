"""Which processes a topology comes to, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from xinyu_services.cli.failure import CommandError
from xinyu_services.cli.topology import ROLES, default_topology, load_topology, save_topology


def test_the_default_has_every_role_on_the_ports_of_the_contract() -> None:
    topology = default_topology()
    assert sorted(topology.roles) == sorted(ROLES)
    ports = {process.name: (process.port, process.rpc_port, process.ops_port) for process in topology.processes()}
    assert ports["gateway-ws-1"] == (8081, 8060, 9081)
    assert ports["gateway-ws-2"] == (8082, 8061, 9082)
    assert ports["svc-presence-1"] == (8070, 0, 9070)
    assert ports["svc-media-1"] == (8076, 0, 9076)
    assert ports["svc-emoticon-1"] == (8077, 0, 9077)
    assert ports["svc-organize-1"] == (8078, 0, 9078)
    assert ports["svc-note-1"] == (8079, 0, 9079)
    assert len(ports) == len(ROLES) + 1
    # Gateways need all others.
    assert [process.role for process in topology.processes()][-3:] == ["gateway-http", "gateway-ws", "gateway-ws"]


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "topology.yaml"
    topology = default_topology().scaled("svc-user", 3)
    save_topology(topology, file)
    assert load_topology(file) == topology
    assert [process.port for process in topology.processes("svc-user")] == [8073, 8173, 8273]
    assert topology.scaled("svc-user", 0).processes("svc-user") == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("roles: {svc-user: {port: 8073, cuont: 1}}", "roles.svc-user.cuont: unknown key"),
        ("roles: {svc-nobody: {port: 8073}}", "there is no role 'svc-nobody'"),
        ("roles: {svc-user: {port: 70000}}", "roles.svc-user.port"),
        ("roles: {svc-user: {port: 8073}, svc-talk: {port: 8073}}", "svc-user-1 and svc-talk-1 would both have port"),
        ("servers: {redis: 8073}\nroles: {svc-user: {port: 8073}}", "redis and svc-user-1"),
        ("roles: {svc-user: {port: 8073, count: 2, step: 1000}}", "and svc-user-2 would both have port 9073"),
        ("roles: {svc-user: {port: 64000, count: 9, step: 300}}", "which there is not"),
        ("servers: {}", "roles: Field required"),
        ("- 1", "topology"),
        ("roles: [", "is not YAML"),
    ],
)
def test_a_bad_file_is_told_in_one_line(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "topology.yaml"
    file.write_text(text)
    with pytest.raises(CommandError) as caught:
        load_topology(file)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_scaling_has_bounds(tmp_path: Path) -> None:
    topology = default_topology()
    with pytest.raises(CommandError, match="no role 'user'"):
        topology.scaled("user", 2)
    with pytest.raises(CommandError, match="0 to 64"):
        topology.scaled("svc-user", 65)
    with pytest.raises(CommandError, match="would both have port"):
        topology.scaled("svc-user", 20)
    with pytest.raises(CommandError, match="cannot read"):
        load_topology(tmp_path / "missing.yaml")
