"""Log lines: structlog to standard error, with time, level, event, process and trace id in each.

Text for people, or JSON (`log.format`). On a terminal the same trace id has the same colour in the lines of every
process, so that the eye finds what belongs together. `debug` has a line for each request, event, call and push, by
which one trace can be followed from the door to the recipient's gateway; a hot path asks `is_debug` first, because a
line that is not written costs 0.7 us all the same.
"""

from __future__ import annotations

import logging
import sys
import zlib
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from xinyu.base.config import LogSettings
from xinyu.base.trace import trace_id

# Of the 256 colours of a terminal, those that can be read on black and on white and told apart.
TRACE_COLOURS: Final = (27, 33, 37, 64, 67, 71, 97, 99, 124, 130, 133, 136, 161, 166, 168, 172)
_RESET: Final = "\x1b[0m"

_is_debug = False


def is_debug() -> bool:
    """Whether debug lines are written."""
    return _is_debug


def configure_logging(settings: LogSettings, *, role: str = "", instance: str = "") -> None:
    """Called once, by the composition root. `role` and `instance` say in each line which process it is from. Libraries
    that use `logging` end in the same stream."""
    global _is_debug
    _is_debug = settings.level == "debug"
    process = {name: value for name, value in (("role", role), ("instance", instance)) if value}

    def add_process(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name, value in process.items():
            event.setdefault(name, value)
        return event

    level = getattr(logging, settings.level.upper())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        add_process,
        _add_trace_id,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any
    if settings.format == "json":
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = text_renderer(colours=sys.stderr.isatty())
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)


def text_renderer(*, colours: bool) -> structlog.dev.ConsoleRenderer:
    # Plain tracebacks: the default prints local variables, passwords and tokens among them.
    renderer = structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)
    if colours:
        renderer.columns = [*renderer.columns, structlog.dev.Column("trace_id", _coloured_trace)]
    return renderer


def _coloured_trace(key: str, value: object) -> str:
    colour = TRACE_COLOURS[zlib.crc32(str(value).encode()) % len(TRACE_COLOURS)]
    return f"\x1b[38;5;{colour}m{key}={value}{_RESET}"


def _add_trace_id(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    current = trace_id.get()
    if current:
        event.setdefault("trace_id", current)
    return event
