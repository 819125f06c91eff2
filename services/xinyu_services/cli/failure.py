"""How a command tells the operator that it cannot do its work: one line on standard error, exit code 1."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from xinyu.base.config import ConfigError


class CommandError(Exception):
    """The text is one line for the operator."""


@contextmanager
def one_line_failures() -> Iterator[None]:
    """Turns the errors that are meant for the operator into that line. Mistakes of ours keep their traceback."""
    from xinyu.gateway.listener import ListenError
    from xinyu.storage.database import DatabaseError
    from xinyu.storage.schema import SchemaError
    from xinyu_services.user.keys import KeyFileError

    try:
        yield
    except (CommandError, ConfigError, ListenError, SchemaError, KeyFileError) as error:
        problem = str(error)
    except DatabaseError as error:
        problem = f"the database cannot be used: {error}"
    except ImportError as error:  # extensions that are missing or older than their sources
        if "xinyu._fast" not in str(error):
            raise
        problem = str(error)
    else:
        return
    print(f"xinyu: {' '.join(problem.split())}", file=sys.stderr)
    sys.exit(1)
