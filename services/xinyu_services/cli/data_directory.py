"""The data directory of the embedded form: where its files lie, and the lock that lets one process use it.

The lock is an advisory one (flock) on the file `lock`: it goes with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from xinyu_services.cli.failure import CommandError


class DataDirectory:
    """`with DataDirectory(path) as directory:` makes it where it is missing and holds the lock."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._descriptor = -1

    @property
    def database(self) -> Path:
        return self.path / "xinyu.db"

    def open(self) -> None:
        """Raises CommandError: not writable, or in use."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise CommandError(f"the data directory {self.path} is in use by another process") from None
        except OSError as error:
            self.close()
            raise CommandError(f"the data directory {self.path} cannot be used: {error.strerror}") from None

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
