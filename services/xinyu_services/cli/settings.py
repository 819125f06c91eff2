"""Options that several commands share, and how they become the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from xinyu.base.config import Config

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="A YAML file with settings.", show_default=False, metavar="FILE")
]
DataDirectoryOption = Annotated[
    Path | None,
    typer.Option("--data-directory", help="Where everything is kept (default: ./data).", show_default=False),
]


def load(config_file: Path | None, data_directory: Path | None, **sections: dict[str, Any]) -> Config:
    """The configuration: file, then environment, then the options that were given (None = not given)."""
    from xinyu.base.config import load_config

    overrides: dict[str, Any] = {
        name: given
        for name, section in sections.items()
        if (given := {key: value for key, value in section.items() if value is not None})
    }
    if data_directory is not None:
        overrides["data_directory"] = data_directory
    return load_config(config_file, overrides)
