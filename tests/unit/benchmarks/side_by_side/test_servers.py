"""Which servers there are to compare, and how to get those that are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.side_by_side import servers


def test_what_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(servers.shutil, "which", lambda name: None)
    assert "Node.js" in servers._node_peer().missing
    monkeypatch.undo()
    monkeypatch.setattr(servers, "PEERS", tmp_path)
    monkeypatch.setattr(servers.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert servers._node_peer().missing == "npm install --prefix benchmarks/peers"
    assert "[bench]" in servers._python_peer("no-such-distribution").missing
    assert servers.installed("uvloop")[1] == ""
