"""What holds for every test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import settings

from tests.cluster_process import ClusterProcess
from tests.local_servers import mariadb, redis, zookeeper
from tests.openid_provider import SmallProvider, openid_provider
from tests.redis_links import redis_cluster
from xinyu_services.cli.local_servers import server as local_server_ports

__all__ = ["mariadb", "openid_provider", "redis", "redis_cluster", "zookeeper"]

# One that has died is made up for under a number of its own.
PROCESSES_MAX = 20

# The usual one draws a traceback with all variables, which takes seconds where the machine is busy: longer than calls
# wait that the test is about.
_PROCESSORS = [
    structlog.processors.add_log_level,
    structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
]


def pytest_configure() -> None:
    """Each of the processes that share the work has ports of its own: a server of one that is away for a moment must
    not find another's in its place."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        own, ports = int(worker.removeprefix("gw")), local_server_ports.FREE_PORTS
        # In tens, for who needs some that follow each other.
        local_server_ports.FREE_PORTS = [port for port in ports if port // 10 % PROCESSES_MAX == own]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Several processes share the work (`make test`): a module stays whole, for its servers, and all that use the one
    cluster stay together. That group comes first in the order of the files, and is the longest."""
    from xdist.scheduler import LoadScopeScheduling  # only where several share the work

    class ByServers(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module, _, name = nodeid.partition("::")
            parameters = name.partition("[")[2].rstrip("]").split("-")
            uses_cluster = module.startswith(("tests/browser/", "tests/e2e/")) and "cluster" in parameters
            return "cluster" if uses_cluster else module

    return ByServers(config, log)


# A slow moment of the machine is no failure; a failing example is printed so that it can be replayed.
settings.register_profile("xinyu", deadline=None, print_blob=True)
settings.load_profile("xinyu")


@pytest.fixture(scope="session")
def cluster(openid_provider: SmallProvider) -> Iterator[ClusterProcess]:
    """One for all tests that run against both forms. Heartbeats are short for the page's tests, and rates and times
    leave room for many people from one address; rates are tested elsewhere."""
    environment = {
        "XINYU_WEBSOCKET__HEARTBEAT_S": "2",
        "XINYU_LIMITS__SENDS_PER_S": "2000",
        "XINYU_LIMITS__SEND_BURST": "2000",
        "XINYU_MESSAGES__REVOKE_WINDOW_S": "3600",
        "XINYU_ORGANIZE__ENABLED": "true",
        **openid_provider.environment,
    }
    with ClusterProcess(environment=environment) as process:
        yield process
        assert "Traceback" not in process.log


@pytest.fixture(autouse=True)
def _logging_of_commands_ends_with_their_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that runs in this process sets logging up for good: with a standard error that pytest closes after the
    test, so that whatever is logged later would fail."""
    configure = structlog.configure
    uncached = {"cache_logger_on_first_use": False}
    monkeypatch.setattr(structlog, "configure", lambda **given: configure(**given | uncached))
    configure(processors=_PROCESSORS)
    yield
    structlog.reset_defaults()
