"""`xinyu config`: what the settings are."""

from __future__ import annotations

from typing import Any, Final

import typer

from xinyu_services.cli.failure import one_line_failures
from xinyu_services.cli.settings import ConfigFile, DataDirectoryOption, load

app = typer.Typer(help="The settings.", no_args_is_help=True)

# A setting whose name holds one of these words is not shown.
SECRET_WORDS: Final = ("secret", "password", "private", "credential")
MASK: Final = "********"


@app.callback()
def _group() -> None:
    pass


@app.command("show")
def show(config: ConfigFile = None, data_directory: DataDirectoryOption = None) -> None:
    """Print every setting in force, as YAML; secrets are masked."""
    with one_line_failures():
        import yaml

        settings = load(config, data_directory).model_dump(mode="json")
        typer.echo(yaml.safe_dump(masked(settings), sort_keys=False), nl=False)


def masked(settings: dict[str, Any]) -> dict[str, Any]:
    """`settings` with the value of every secret replaced."""
    return {
        name: masked(value)
        if isinstance(value, dict)
        else MASK
        if value and any(word in name for word in SECRET_WORDS)
        else value
        for name, value in settings.items()
    }
