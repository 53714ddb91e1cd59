"""What the stack consists of, which of it runs here, and where: ports, environment, order."""

import http.client
import os
import signal
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from libs.runtime.settings import PORTS
from ops.stack.child import Child
from ops.stack.errors import StackError
from ops.stack.home import Home, is_free
from ops.stack.kafka import EmbeddedKafka
from ops.stack.postgres import EmbeddedPostgres

SERVICES = ("console", "intake", "routing", "mediation", "notify")
PORT_OFFSETS = {**PORTS, "kafka": 92}
PARTS = ("postgres", "kafka", *SERVICES, "simulator")

DRAIN_SECONDS = 75  # the sum of what a service allows itself between SIGTERM and its end


class Part(Protocol):
    """What the supervisor asks of each part. `prepare`, `wait_ready` and `stop` block, `launch` does not."""

    @property
    def name(self) -> str: ...
    @property
    def child(self) -> Child | None: ...
    @property
    def port(self) -> int | None: ...
    def prepare(self) -> None: ...
    def launch(self) -> None: ...
    def wait_ready(self) -> None: ...
    def stop(self) -> None: ...


class Program:
    """A part written in Python: a service or the simulator, ready when it says so on `/readyz`."""

    def __init__(
        self, home: Home, name: str, port: int, arguments: list[str], environment: Mapping[str, str]
    ) -> None:
        self.home, self.name, self._port = home, name, port
        self._command = [sys.executable, "-m", *arguments]
        self._environment = environment
        self.child: Child | None = None

    @property
    def port(self) -> int:
        return self._port

    def prepare(self) -> None:
        """Nothing to make; a port in somebody else's hands is told before the program trips over it."""
        if not is_free(self._port):
            raise StackError(
                f"Port {self._port} for {self.name} is taken: end the program that has it, "
                "or set HESHI_PORT_BASE to another number."
            )

    def launch(self) -> None:
        self.child = Child(self.home, self.name, self._command, environment=self._environment)

    def wait_ready(self) -> None:
        if self.child is not None:
            self.child.wait_until(self.is_ready, 60)

    def is_ready(self) -> bool:
        return answers_ready(self._port)

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop((signal.SIGTERM, DRAIN_SECONDS))


def answers_ready(port: int) -> bool:
    """Whether the program on `port` says that it is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Stack:
    """The chosen parts in the order of their start, and the addresses that came from outside instead."""

    home: Home
    postgres: EmbeddedPostgres | None
    kafka: EmbeddedKafka | None
    programs: tuple[str, ...]
    outside: Mapping[str, str]
    port_base: int
    demo_data: bool
    run_with: tuple[str, ...] = ()
    """A module that starts each service in its own way (a profiler, failpoints); none: the service itself."""

    @property
    def services(self) -> tuple[str, ...]:
        """The programs that have a database and read topics."""
        return tuple(name for name in self.programs if name in SERVICES)

    @property
    def dsn(self) -> str:
        """The server that holds the services' databases."""
        return self.postgres.dsn if self.postgres else self.outside.get("HESHI_POSTGRES", "")

    @property
    def bootstrap(self) -> str:
        """The broker's address; of the embedded one only once it was launched."""
        return self.kafka.bootstrap if self.kafka else self.outside.get("HESHI_KAFKA", "")

    def program(self, name: str) -> Program:
        """A service or the simulator with its environment, once PostgreSQL and Kafka have their addresses."""
        port = self.port_base + PORT_OFFSETS[name]
        gateway = f"http://127.0.0.1:{self.port_base + PORT_OFFSETS['simulator']}/cgi-bin/sendsms"
        environment = {
            "HESHI_POSTGRES": self.dsn,
            "HESHI_KAFKA": self.bootstrap,
            "HESHI_KEYS": str(self.home.keys),
            "HESHI_PORT_BASE": str(self.port_base),
            "HESHI_SMS_URL": self.outside.get("HESHI_SMS_URL", gateway),
            "HESHI_DEMO_DATA": "1" if self.demo_data else "0",
            "HESHI_INSTANCE": "1",  # one process of each, so that a restarted one goes on at once
        }
        arguments = ["ops.simulator"]
        if name != "simulator":
            arguments = [*self.run_with, f"services.{name}.main", "all"]
        return Program(self.home, name, port, arguments, environment)


def choose(
    home: Home,
    only: Collection[str] = (),
    without: Collection[str] = (),
    environ: Mapping[str, str] = os.environ,
    *,
    demo_data: bool = True,
) -> Stack:
    """Which parts run here: `only` those, or all but those with an address given; less those of `without`."""
    unknown = sorted({*only, *without} - set(PARTS))
    if unknown:
        raise StackError(f"There is no part {', '.join(unknown)}: choose from {', '.join(PARTS)}.")
    given = {"postgres": "HESHI_POSTGRES", "kafka": "HESHI_KAFKA", "simulator": "HESHI_SMS_URL"}
    outside = {variable: environ[variable] for variable in given.values() if environ.get(variable)}
    chosen = [
        part
        for part in PARTS
        if part not in without and (part in only if only else given.get(part) not in outside)
    ]
    for part in ("postgres", "kafka"):
        if set(chosen) & set(SERVICES) and part not in chosen and given[part] not in outside:
            raise StackError(f"The services need {part}: start it with them, or set {given[part]}.")
    base = port_base(environ)
    run_with = environ.get("HESHI_RUN_WITH")
    if run_with and environ.get("HESHI_MODE") == "production":
        raise StackError("HESHI_RUN_WITH is for examining the services: unset it in production.")
    return Stack(
        home=home,
        postgres=EmbeddedPostgres(home) if "postgres" in chosen else None,
        kafka=EmbeddedKafka(home, base + PORT_OFFSETS["kafka"]) if "kafka" in chosen else None,
        programs=tuple(part for part in chosen if part in (*SERVICES, "simulator")),
        outside=outside,
        port_base=base,
        demo_data=demo_data,
        run_with=(run_with,) if run_with else (),
    )


def port_base(environ: Mapping[str, str] = os.environ) -> int:
    """`HESHI_PORT_BASE`, 8000 by default."""
    text = environ.get("HESHI_PORT_BASE", "8000")
    if not text.isdecimal() or not 1024 <= int(text) <= 65000:
        raise StackError(f"HESHI_PORT_BASE is {text}: set it to a number from 1024 to 65000.")
    return int(text)
