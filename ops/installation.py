"""Where the running installation is: the environment's addresses, else those of the stack in HESHI_HOME."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from libs.db.dsn import of_database
from libs.db.pool import Database
from ops.stack.errors import StackError
from ops.stack.home import Home
from ops.stack.parts import PORT_OFFSETS, SERVICES, port_base
from ops.stack.prepare import database_name

ADDRESSES = ("HESHI_POSTGRES", "HESHI_KAFKA")


@dataclass(frozen=True, slots=True)
class Installation:
    """The addresses that commands need; asking for one that nobody names is a StackError."""

    home: Home
    known: Mapping[str, str]

    @classmethod
    def current(cls) -> "Installation":
        """What the environment and the running stack say now."""
        home = Home.from_environment()
        state = home.read_state()
        running = {"HESHI_POSTGRES": state.postgres, "HESHI_KAFKA": state.kafka} if state else {}
        return cls(home, running | {name: os.environ[name] for name in ADDRESSES if os.environ.get(name)})

    @property
    def postgres(self) -> str:
        return self._address("HESHI_POSTGRES")

    @property
    def kafka(self) -> str:
        return self._address("HESHI_KAFKA")

    @asynccontextmanager
    async def database(self, service: str) -> AsyncIterator[Database]:
        """A service's own database, for one command."""
        if service not in SERVICES:
            raise StackError(f"There is no service {service}: choose from {', '.join(SERVICES)}.")
        database = await Database.open(
            of_database(self.postgres, database_name(service)),
            name="heshi-command",
            size=1,
            command_timeout=60,
        )
        try:
            yield database
        finally:
            await database.close()

    def url(self, service: str) -> str:
        """Where a service listens on this machine, as the running stack or else the environment says."""
        state = self.home.read_state()
        ports = {part.name: part.port for part in state.parts} if state else {}
        return f"http://127.0.0.1:{ports.get(service) or port_base() + PORT_OFFSETS[service]}"

    def _address(self, variable: str) -> str:
        if address := self.known.get(variable):
            return address
        raise StackError(f"Nothing runs from {self.home.root}: start it by `heshi up`, or set {variable}.")
