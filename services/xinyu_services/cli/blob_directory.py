"""Where a process finds the blobs: the directory that the configuration names, or `media` in the data directory."""

from __future__ import annotations

from xinyu.base.config import Config
from xinyu.storage.local_blobs import LocalBlobs
from xinyu_services.cli.failure import CommandError


def open_blobs(config: Config) -> LocalBlobs:
    """Makes the directory where it is missing. Raises CommandError."""
    directory = config.media.directory or config.data_directory / "media"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"the media directory {directory} cannot be used: {error.strerror}") from None
    return LocalBlobs(directory)
