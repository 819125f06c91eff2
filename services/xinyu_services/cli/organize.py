"""`xinyu organize`: the organisation in the database of the data directory, or in the cluster's (`--cluster`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xinyu_services.cli.database_target import ClusterOption, DatabaseTarget, DatabaseUrlOption
from xinyu_services.cli.failure import CommandError, one_line_failures
from xinyu_services.cli.settings import ConfigFile, DataDirectoryOption

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from xinyu_services.organize.document import Document
    from xinyu_services.organize.model import Chart

app = typer.Typer(help="The organisation: departments, positions, people.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="YAML or JSON with departments, positions and people.", metavar="FILE")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would change, and change nothing.")]


@app.command("import")
def import_(
    file: File,
    config: ConfigFile = None,
    data_directory: DataDirectoryOption = None,
    cluster: ClusterOption = False,
    database_url: DatabaseUrlOption = None,
    dry_run: DryRun = False,
) -> None:
    """Replace the whole organisation by what the file says: all of it, or nothing where a line is wrong. Prints what
    changes. A data directory must not be in use by a server."""
    with one_line_failures():
        from xinyu_services.organize import document

        found, wrong = document.read(_values(file))
        changes: list[str] = []
        if not wrong:
            target = DatabaseTarget.of(config, data_directory, cluster, database_url)
            changes, wrong = target.run(lambda connection: _import(connection, target, found, dry_run=dry_run))
            for line in changes:
                typer.echo(line)
        for line in wrong:
            typer.echo(line, err=True)
        if wrong:
            raise CommandError(f"{file}: {len(wrong)} lines are wrong; nothing was changed")
        if not changes:
            typer.echo("nothing changes")
        elif dry_run:
            typer.echo("nothing was changed: a dry run")


@app.command("show")
def show(
    config: ConfigFile = None,
    data_directory: DataDirectoryOption = None,
    cluster: ClusterOption = False,
    database_url: DatabaseUrlOption = None,
) -> None:
    """Print the organisation in the form that `import` reads."""
    with one_line_failures():
        import yaml

        from xinyu_services.organize.store import OrganizeStore

        target = DatabaseTarget.of(config, data_directory, cluster, database_url)
        chart = target.run(OrganizeStore(target.dialect).chart)
        text = yaml.safe_dump(_shown(chart), sort_keys=False, allow_unicode=True, default_flow_style=None)
        typer.echo(text, nl=False)


def _values(file: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))  # JSON is YAML
    except OSError as error:
        raise CommandError(f"cannot read {file}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} is neither YAML nor JSON: {error}") from None


def _import(
    connection: Connection, target: DatabaseTarget, found: Document, *, dry_run: bool
) -> tuple[list[str], list[str]]:
    """(what changes, what is wrong)."""
    from xinyu_services.organize.document import chart_of
    from xinyu_services.organize.model import difference
    from xinyu_services.organize.store import OrganizeStore
    from xinyu_services.user.store import UserStore

    users, store = UserStore(target.dialect), OrganizeStore(target.dialect)
    known = {profile.user_id for profile in users.profiles(connection, found.user_ids)}
    chart, wrong = chart_of(found, users.ids_of_mobiles(connection, found.mobiles), known)
    if wrong:
        return [], wrong
    changes = difference(store.chart(connection), chart)
    if changes and not dry_run:
        store.replace(connection, chart)
    return changes, []


def _shown(chart: Chart) -> dict[str, list[dict[str, Any]]]:
    return {
        "departments": [
            {"id": each.dept_id, "name": each.name, "parent": each.parent_id, "sort": each.sort}
            for each in chart.departments.values()
        ],
        "positions": [
            {"code": each.code, "name": each.name, "sort": each.sort} for each in chart.positions.values()
        ],
        "people": [
            {"user_id": each.user_id, "department": each.dept_id, "positions": list(each.positions)}
            for each in chart.members.values()
        ],
    }
