"""`xinyu config`: what the settings are."""

from __future__ import annotations

import re
from typing import Any, Final

import typer

from xinyu_services.cli.failure import one_line_failures
from xinyu_services.cli.settings import ConfigFile, DataDirectoryOption, load

app = typer.Typer(help="The settings.", no_args_is_help=True)

# A setting whose name holds one of these words is not shown.
SECRET_WORDS: Final = ("secret", "password", "private", "credential")
MASK: Final = "********"
# user:password@ of a URL, to the last @: a password may hold one.
_URL_PASSWORD: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^:/@]*):.+@")


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
    """`settings` with every secret replaced, and the password of every URL."""
    return {name: _masked(name, value) for name, value in settings.items()}


def _masked(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return masked(value)
    if value and any(word in name for word in SECRET_WORDS):
        return MASK
    if isinstance(value, list):
        return [_masked(name, each) for each in value]
    return _URL_PASSWORD.sub(rf"\1:{MASK}@", value) if isinstance(value, str) else value
