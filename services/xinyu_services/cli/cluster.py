"""`xinyu cluster`: every role as a process of its own on this machine, under a supervisor."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Annotated, Final

import typer

from xinyu_services.cli.env import DEFAULT_DIRECTORY, DirectoryOption, start_servers, stop_servers
from xinyu_services.cli.failure import CommandError, one_line_failures

if TYPE_CHECKING:
    from types import FrameType

    from xinyu_services.cli.cluster_directory import ClusterDirectory
    from xinyu_services.cli.local_cluster import LocalCluster
    from xinyu_services.cli.progress import Progress

app = typer.Typer(help="Every role as a process of its own, on this machine.", no_args_is_help=True)

PREPARE_WITHIN_S: Final = 120.0
_RoleArgument = Annotated[str, typer.Argument(metavar="ROLE", help="gateway-http, gateway-ws, svc-user ...")]


def _open(directory: DirectoryOption) -> tuple[ClusterDirectory, LocalCluster, Progress]:
    from xinyu_services.cli.cluster_directory import ClusterDirectory
    from xinyu_services.cli.local_cluster import LocalCluster
    from xinyu_services.cli.progress import Progress

    opened = ClusterDirectory(directory)
    return opened, LocalCluster(opened), Progress()


@app.command("start")
def start(directory: DirectoryOption = DEFAULT_DIRECTORY) -> None:
    """Start all processes of the topology and wait until each is ready. `xinyu env start` comes first."""
    with one_line_failures():
        opened, cluster, progress = _open(directory)
        for server in opened.servers:
            if server.pid is None:
                raise CommandError(f"{server.name} does not run: xinyu env start")
        _prepare(opened, progress)
        cluster.start(progress)
        _print_urls(opened, progress)


@app.command("stop")
def stop(directory: DirectoryOption = DEFAULT_DIRECTORY) -> None:
    """Stop all processes, gateways first. The servers of `xinyu env` go on."""
    with one_line_failures():
        _, cluster, progress = _open(directory)
        cluster.stop(progress)


@app.command("status")
def status(directory: DirectoryOption = DEFAULT_DIRECTORY) -> None:
    """Say what runs, where, for how long, and whether it is ready. Exit code 1: something is not."""
    with one_line_failures():
        _, cluster, _ = _open(directory)
        found = cluster.status()
        typer.echo(f"{'process':<18}{'state':<10}{'pid':>8}{'uptime':>10}  {'address':<22}{'ops':>6}  ready")
        for each in found:
            process = each.process
            typer.echo(
                f"{process.name:<18}{each.state.lower():<10}{each.pid or '-':>8}{_duration(each.uptime_s):>10}  "
                f"{process.address:<22}{process.ops_port:>6}  {each.not_ready or 'yes'}"
            )
    if any(each.not_ready for each in found):
        raise typer.Exit(1)


@app.command("restart")
def restart(
    role: Annotated[str, typer.Argument(metavar="[ROLE]", help="Only this role.")] = "",
    directory: DirectoryOption = DEFAULT_DIRECTORY,
) -> None:
    """Restart one process after the other, each ready before the next one stops."""
    with one_line_failures():
        _, cluster, progress = _open(directory)
        cluster.restart(progress, role)


@app.command("scale")
def scale(
    role: _RoleArgument,
    count: Annotated[int, typer.Argument(metavar="N", min=0)],
    directory: DirectoryOption = DEFAULT_DIRECTORY,
) -> None:
    """Have N processes of a role from now on. nginx follows."""
    with one_line_failures():
        _, cluster, progress = _open(directory)
        cluster.scale(progress, role, count)


@app.command("run")
def run(directory: DirectoryOption = DEFAULT_DIRECTORY) -> None:
    """Servers and cluster together, in the foreground: SIGTERM or Ctrl-C ends everything."""
    with one_line_failures():
        stopping = threading.Event()

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            # The first one ends what is being waited for; while everything is being stopped, more change nothing.
            if not stopping.is_set():
                stopping.set()
                raise KeyboardInterrupt

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        opened, cluster, progress = _open(directory)
        try:
            progress.say(f"XinYu cluster in {opened.path}")
            start_servers(opened, progress)
            _prepare(opened, progress)
            cluster.start(progress)
            _print_urls(opened, progress)
            signal.pause()
        except KeyboardInterrupt:
            progress.say("stopping")
        finally:
            stopping.set()
            cluster.stop(progress)
            stop_servers(opened, progress)


def _prepare(opened: ClusterDirectory, progress: Progress) -> None:
    """What must be there before the first process: keys, and the schema that this version needs."""
    for what, arguments in (
        ("keys", ("keys", "create")),
        ("database schema", ("migrate", "apply", "--cluster")),
    ):
        with progress.step(what):
            done = subprocess.run(
                [sys.executable, "-m", "xinyu_services", *arguments, "--config", str(opened.config_file)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PREPARE_WITHIN_S,
                check=False,
            )
            if done.returncode:
                raise CommandError(f"xinyu {' '.join(arguments)} failed: {done.stderr.strip()[-1000:]}")


def _print_urls(opened: ClusterDirectory, progress: Progress) -> None:
    authority = f"127.0.0.1:{opened.nginx.port}"
    progress.say(f"  page and API  http://{authority}/")
    progress.say(f"  WebSocket     ws://{authority}/ws")
    progress.say(f"  settings      {opened.config_file}")
    progress.say(f"  logs          {opened.path / 'logs'}")


def _duration(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
