"""How a command tells the operator that it cannot do its work: one line on standard error, exit code 1."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class CommandError(Exception):
    """The text is one line for the operator."""


@contextmanager
def one_line_failures() -> Iterator[None]:
    """Turns the errors that are meant for the operator into that line. Mistakes of ours keep their traceback."""
    try:
        yield
    except Exception as error:
        problem = _problem(error)
        if not problem:
            raise
        print(f"xinyu: {' '.join(problem.split())}", file=sys.stderr)
        sys.exit(1)


def _problem(error: Exception) -> str:
    """What to tell, or "" for a mistake of ours. Imports late: most commands never fail."""
    from xinyu.base.config import ConfigError

    if isinstance(error, CommandError | ConfigError):
        return str(error)
    if isinstance(error, ImportError):  # extensions that are missing or older than their sources
        return str(error) if "xinyu._fast" in str(error) else ""
    from xinyu.bench.error import BenchError
    from xinyu.gateway.listener import ListenError
    from xinyu.storage.database import DatabaseError
    from xinyu.storage.schema import SchemaError
    from xinyu.storage.sqlite import translate
    from xinyu_services.user.keys import KeyFileError

    if isinstance(error, BenchError | ListenError | SchemaError | KeyFileError):
        return str(error)
    database_error = error if isinstance(error, DatabaseError) else translate(error)
    return f"the database cannot be used: {database_error}" if database_error else ""
