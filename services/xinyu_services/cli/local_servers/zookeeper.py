"""ZooKeeper, alone. Debian's own start script insists on the system's log folder, so Java is started directly."""

from __future__ import annotations

from collections.abc import Sequence

from xinyu_services.cli.local_servers.server import LocalServer, exchange, find_program


class ZooKeeperServer(LocalServer):
    """`tick_ms`: a session lives at least two and at most twenty of them."""

    name = "zookeeper"
    program = "java"
    package = "default-jre-headless libzookeeper-java libslf4j-java"
    tick_ms = 500

    @property
    def hosts(self) -> str:
        return f"127.0.0.1:{self.port}"

    def prepare(self) -> None:
        (self.directory / "data").mkdir(exist_ok=True)
        (self.directory / "zoo.cfg").write_text(
            f"tickTime={self.tick_ms}\n"
            f"dataDir={self.directory / 'data'}\n"
            f"clientPort={self.port}\n"
            "clientPortAddress=127.0.0.1\n"
            "maxClientCnxns=1000\n"
            "admin.enableServer=false\n"
            "4lw.commands.whitelist=*\n"
        )

    def command(self) -> Sequence[str]:
        # The second archive is what writes the log; without it, errors too go nowhere. For its performance data Java
        # would go into another directory for a moment, and not be found by its own.
        return [
            find_program(self.program) or self.program,
            *("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"),
            *("-cp", "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"),
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            str(self.directory / "zoo.cfg"),
        ]

    def answers(self) -> bool:
        return exchange("127.0.0.1", self.port, b"ruok") == b"imok"
