"""What a log line looks like: by which process, of which trace, and that secrets do not get in by a traceback."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from xinyu.base.logging import text_renderer

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def rendered(trace_id: str, *, colours: bool) -> str:
    event = {"event": "said", "level": "info", "timestamp": "2026-01-01T00:00:00Z", "trace_id": trace_id, "role": "ws"}
    line = text_renderer(colours=colours)(None, "info", event)
    assert isinstance(line, str)
    return line


def test_a_trace_has_one_colour_on_a_terminal_and_none_elsewhere() -> None:
    traces = [f"{number:032x}" for number in range(64)]
    colours = [re.search(rf"\x1b\[([0-9;]+)mtrace_id={each}\x1b", rendered(each, colours=True)) for each in traces]
    assert None not in colours
    assert len({match[1] for match in colours if match}) > 8
    assert rendered(TRACE, colours=True) == rendered(TRACE, colours=True)
    plain = rendered(TRACE, colours=False)
    assert "\x1b" not in plain and f"trace_id={TRACE}" in plain and "role=ws" in plain


PROGRAM = """
import logging, sys, structlog
from xinyu.base.config import LogSettings
from xinyu.base.logging import configure_logging, is_debug
from xinyu.base.trace import trace_id
configure_logging(LogSettings(level=sys.argv[1], format=sys.argv[2]), role="svc-user", instance="one")
log = structlog.get_logger("x")
trace_id.set(sys.argv[3])
log.debug("quiet", debug=is_debug())
log.info("told", trace_id="other")
def fail(password):
    raise ValueError("wrong")
try:
    fail("hunter2")
except ValueError:
    log.exception("failed")
logging.getLogger("library").error("from a library")
"""


def run(level: str, format: str) -> list[str]:
    arguments = [sys.executable, "-c", PROGRAM, level, format, TRACE]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return done.stderr.splitlines()


def test_each_line_says_process_and_trace() -> None:
    quiet, told, failed, library = (json.loads(line) for line in run("debug", "json"))
    assert all((line["role"], line["instance"]) == ("svc-user", "one") for line in (quiet, told, failed, library))
    assert (quiet["trace_id"], quiet["debug"], told["trace_id"]) == (TRACE, True, "other")
    assert library["event"] == "from a library" and library["trace_id"] == TRACE
    assert "ValueError" in failed["exception"] and "hunter2" not in failed["exception"]


def test_debug_lines_are_left_out_and_text_has_no_colour_in_a_file() -> None:
    text = "\n".join(run("info", "text"))
    assert "quiet" not in text and "told" in text and "role=svc-user" in text
    assert "\x1b" not in text and "hunter2" not in text
