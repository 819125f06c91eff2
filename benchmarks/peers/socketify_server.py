"""socketify (uWebSockets) as an echo server: `python socketify_server.py PORT`. `go R` publishes R frames to all."""

from __future__ import annotations

import re
import sys
from typing import Any

from socketify import App, AppListenOptions, CompressOptions, OpCode

GO = re.compile(r"go ([1-9][0-9]{0,6})")
PAYLOAD = "x" * 128
app = App()


def on_open(connection: Any) -> None:
    connection.subscribe("all")


def on_message(connection: Any, message: str | bytes, opcode: OpCode) -> None:
    if isinstance(message, str) and (match := GO.fullmatch(message)):
        for _ in range(int(match[1])):
            app.publish("all", PAYLOAD, OpCode.TEXT)
    else:
        connection.send(message, opcode)


if __name__ == "__main__":
    app.ws(
        "/*",
        {
            "compression": CompressOptions.DISABLED,
            "max_payload_length": 1 << 24,
            "max_backpressure": 1 << 24,
            "idle_timeout": 0,
            "open": on_open,
            "message": on_message,
        },
    )
    app.listen(AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"))
    app.run()
