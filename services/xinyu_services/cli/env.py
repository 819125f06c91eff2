"""`xinyu env`: the servers of others that a cluster needs, on this machine, from Debian's packages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xinyu_services.cli.failure import one_line_failures

if TYPE_CHECKING:
    from xinyu_services.cli.cluster_directory import ClusterDirectory
    from xinyu_services.cli.progress import Progress

app = typer.Typer(help="MariaDB, Redis, ZooKeeper and nginx for a cluster on this machine.", no_args_is_help=True)

DirectoryOption = Annotated[Path, typer.Option(help="Where everything of the cluster lies.", metavar="DIRECTORY")]
DEFAULT_DIRECTORY = Path("cluster")


@app.command("start")
def start(directory: DirectoryOption = DEFAULT_DIRECTORY) -> None:
    """Start what does not run yet, and wait until all answer. The first time the settings are made, too."""
    with one_line_failures():
        from xinyu_services.cli.cluster_directory import ClusterDirectory
        from xinyu_services.cli.progress import Progress

        start_servers(ClusterDirectory(directory), Progress())


@app.command("stop")
def stop(directory: DirectoryOption = DEFAULT_DIRECTORY) -> None:
    """Stop all, in reverse order. Their data stays."""
    with one_line_failures():
        from xinyu_services.cli.cluster_directory import ClusterDirectory
        from xinyu_services.cli.progress import Progress

        stop_servers(ClusterDirectory(directory), Progress())


@app.command("status")
def status(directory: DirectoryOption = DEFAULT_DIRECTORY) -> None:
    """Say what runs, with pid and port. Exit code 1: something does not."""
    with one_line_failures():
        from xinyu_services.cli.cluster_directory import ClusterDirectory

        all_up = True
        typer.echo(f"{'server':<12}{'state':<12}{'pid':>8}{'port':>8}")
        for server in ClusterDirectory(directory).servers:
            pid = server.pid
            state = "stopped" if pid is None else "up" if server.answers() else "no answer"
            all_up = all_up and state == "up"
            typer.echo(f"{server.name:<12}{state:<12}{pid or '-':>8}{server.port:>8}")
    if not all_up:
        raise typer.Exit(1)


def start_servers(directory: ClusterDirectory, progress: Progress) -> None:
    """Raises CommandError with the last lines of the one that failed."""
    directory.write_site()
    for server in directory.servers:
        if server.pid is not None and server.answers():
            progress.say(f"  {server.name} on port {server.port} is up")
            continue
        with progress.step(f"{server.name} on port {server.port}"):
            server.start()


def stop_servers(directory: ClusterDirectory, progress: Progress) -> None:
    for server in reversed(directory.servers):
        if server.pid is not None:
            with progress.step(f"{server.name} stopped"):
                server.stop()
