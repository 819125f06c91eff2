"""Handshakes of users who log in, with the real server: tokens that it has not seen, and the same ones again.

A round starts one `xinyu serve` with a data directory of its own (`benchmarks.handshakes`), and warms it up by as many
logins: what grows with the first users of a server's life is not what is measured.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.handshakes import BACK, FIRST, authenticated, gateway, mint, open_all
from benchmarks.population import create_data_directory
from benchmarks.side_by_side.rounds import Values


def measure(connections: int, server_cpu: int | None, _round_number: int) -> Values:
    """BenchError: the server lost a connection."""
    with tempfile.TemporaryDirectory(prefix="xinyu-bench-") as scratch:
        directory, tokens_file = Path(scratch) / "data", Path(scratch) / "tokens"
        tokens = create_data_directory(directory, users=connections)
        with gateway(directory, server_cpu) as server:
            client = authenticated(server, tokens_file)
            mint(tokens, connections, tokens_file)
            open_all(client, connections)
            mint(tokens, connections, tokens_file)
            found = {FIRST: open_all(client, connections), BACK: open_all(client, connections)}
    return {
        "first_per_s": found[FIRST].per_s,
        "first_per_cpu_s": found[FIRST].per_cpu_s,
        "back_per_s": found[BACK].per_s,
        "back_per_cpu_s": found[BACK].per_cpu_s,
    }
