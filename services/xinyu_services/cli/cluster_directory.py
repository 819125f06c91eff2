"""The directory of a cluster on this machine: what is configured, and where everything of it lies.

    topology.yaml   which processes there are (xinyu_services.cli.topology)
    xinyu.yaml      the settings that all roles are started with; made once, with secrets of its own, then yours
    servers/        MariaDB, Redis, ZooKeeper and nginx, each with its data and log
    supervisor/     the process supervisor's own files
    logs/           one file a process of ours
    data/           keys and media
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import yaml

from xinyu.base.config import Config, load_config
from xinyu_services.cli.failure import CommandError
from xinyu_services.cli.local_servers.mariadb import MariaDbServer
from xinyu_services.cli.local_servers.nginx import NginxServer
from xinyu_services.cli.local_servers.redis import RedisServer
from xinyu_services.cli.local_servers.server import LocalServer
from xinyu_services.cli.local_servers.zookeeper import ZooKeeperServer
from xinyu_services.cli.nginx_site import Site, render
from xinyu_services.cli.topology import (
    HTTP_GATEWAY,
    WEBSOCKET_GATEWAY,
    Topology,
    default_topology,
    load_topology,
    save_topology,
)


class ClusterDirectory:
    """`path` is made where it is missing, with both files. Raises CommandError."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for name in ("logs", "data"):
                (self.path / name).mkdir(exist_ok=True)
        except OSError as error:
            raise CommandError(f"the directory {self.path} cannot be used: {error.strerror}") from None
        if not self.topology_file.exists():
            save_topology(default_topology(), self.topology_file)
        self.topology = load_topology(self.topology_file)
        servers, ports = self.path / "servers", self.topology.servers
        self.mariadb = MariaDbServer(servers / "mariadb", port=ports.mariadb)
        self.redis = RedisServer(servers / "redis", port=ports.redis)
        self.zookeeper = ZooKeeperServer(servers / "zookeeper", port=ports.zookeeper)
        self.nginx = NginxServer(servers / "nginx", port=ports.nginx)
        if not self.config_file.exists():
            self._write_config()

    @property
    def topology_file(self) -> Path:
        return self.path / "topology.yaml"

    @property
    def config_file(self) -> Path:
        return self.path / "xinyu.yaml"

    @property
    def servers(self) -> list[LocalServer]:
        """In the order in which they are started."""
        return [self.mariadb, self.redis, self.zookeeper, self.nginx]

    def config(self) -> Config:
        return load_config(self.config_file)

    def change(self, topology: Topology) -> None:
        save_topology(topology, self.topology_file)
        self.topology = topology

    def write_site(self) -> bool:
        """nginx's site for the gateways of the topology; False: it has none of one sort, and nginx answers 503."""
        http = [process.address for process in self.topology.processes(HTTP_GATEWAY)]
        websocket = [process.address for process in self.topology.processes(WEBSOCKET_GATEWAY)]
        if not http or not websocket:
            return False
        site = Site(
            http=http,
            websocket=websocket,
            listen=[f"127.0.0.1:{self.nginx.port}"],
            access_log=str(self.nginx.access_log),
            error_log=str(self.nginx.error_log),
        )
        self.nginx.write_site(render(site, self.config()))
        return True

    def _write_config(self) -> None:
        settings: dict[str, Any] = {
            "data_directory": str(self.path / "data"),
            "trusted_proxies": ["127.0.0.1"],
            "http": {"public_websocket_url": "/ws"},
            "database": {"url": self.mariadb.url},
            "redis": {"url": self.redis.url},
            "discovery": {"zookeeper": self.zookeeper.hosts},
            "rpc": {"secret": secrets.token_hex(32)},
        }
        # It holds a secret: nobody else may read it, from its first byte on.
        descriptor = os.open(self.config_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("# The settings of every role of this cluster (src/xinyu/base/config.py lists all).\n")
            yaml.safe_dump(settings, file, sort_keys=False)
