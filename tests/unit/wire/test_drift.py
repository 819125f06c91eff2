"""What is committed below src/xinyu/wire is what proto/ generates, and its numbers are the contract's."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

from xinyu.wire.v1.method import Method

PROJECT = Path(__file__).resolve().parents[3]
PROTO, WIRE = PROJECT / "proto", PROJECT / "src/xinyu/wire"
# contract: rock-rpc, "Commands": numbers that a caller from outside may already use, by what they do.
CONTRACT = {
    301: "Message.load_records", 302: "Message.load_history", 304: "Message.hide", 306: "Message.clear_records",
    307: "Message.revoke", 308: "Message.send", 601: "Group.create", 603: "Group.load_detail", 604: "Group.list",
    611: "Group.list_members", 612: "Group.invite", 613: "Group.remove_members", 614: "Group.leave",
    701: "Talk.list_sessions", 704: "Talk.create_session", 705: "Talk.delete_session",
}  # fmt: skip
CONTACT, USER = (401, 402, 403, 404, 405, 406, 407, 408), (501, 503, 506, 510, 511, 512, 513, 516)


def committed() -> dict[str, bytes]:
    return {
        str(path.relative_to(WIRE)): path.read_bytes() for path in WIRE.rglob("*") if path.suffix in (".py", ".pyi")
    }


def test_the_generator_makes_what_is_committed(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, str(PROTO / "generate.py"), "--into", str(tmp_path)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    made = {
        str(path.relative_to(tmp_path / "xinyu/wire")): path.read_bytes()
        for path in (tmp_path / "xinyu/wire").rglob("*")
        if path.is_file()
    }
    assert sorted(made) == sorted(committed())
    assert [name for name, text in made.items() if text != committed()[name]] == []


def methods() -> list[Method]:
    found: list[Method] = []
    for path in sorted(WIRE.glob("v1/*_rpc.py")):
        found += importlib.import_module(f"xinyu.wire.v1.{path.stem}").METHODS
    return found


def test_command_numbers_are_unique() -> None:
    commands = [method.command for method in methods()]
    assert len(commands) == len(set(commands)) > 40


def test_command_numbers_are_the_contract_s() -> None:
    by_number = {method.command: f"{method.service}.{method.name}" for method in methods()}
    assert {number: by_number.get(number) for number in CONTRACT} == CONTRACT
    for numbers, service in ((USER, "User"), (CONTACT, "Contact")):
        assert {by_number.get(number, "").split(".")[0] for number in numbers} == {service}


def test_every_caller_has_patience_for_a_bounded_time() -> None:
    assert all(0 < method.timeout_s <= 10 for method in methods())
