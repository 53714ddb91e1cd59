"""`python -m ops.simulator`: the gateway on 127.0.0.1 until SIGTERM or Ctrl-C."""

import asyncio
import signal
import sys
from pathlib import Path

import uvloop
from aiohttp import web
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.privacy.keyring import KeyMissing, Keyring, KeyUnreadable
from libs.runtime.settings import PORTS
from ops.simulator.app import Config, create_app
from ops.simulator.ledger import LedgerError


class Settings(BaseSettings):
    """The environment of the simulator; `simulator_port` 0 takes a free port, which is printed."""

    model_config = SettingsConfigDict(env_prefix="HESHI_", frozen=True)

    home: Path = Path(".heshi")
    keys: Path | None = None
    host: str = "127.0.0.1"
    port_base: int = Field(default=8000, ge=1, le=65_000)
    simulator_port: int | None = Field(default=None, ge=0, le=65_535)
    simulator_password: str | None = None
    mo_url: str | None = None

    @property
    def port(self) -> int:
        return self.port_base + PORTS["simulator"] if self.simulator_port is None else self.simulator_port

    def config(self) -> Config:
        """The simulator's own part of it, with the token by which notify knows the gateway."""
        notify = f"http://127.0.0.1:{self.port_base + PORTS['notify']}/providers/kannel/mo"
        keyring = Keyring.open(self.keys or self.home / "keys")
        return Config(
            folder=self.home / "simulator",
            mo_url=self.mo_url or notify,
            mo_token=keyring.hmac("request", b"kannel-mo").hex(),
            password=self.simulator_password,
        )


async def serve(settings: Settings) -> None:
    """Serve until told to stop. OSError: the port is taken; LedgerError: the ledger is damaged."""
    stop = asyncio.Event()
    for wish in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(wish, stop.set)
    # No access log: a query string may hold a phone number.
    runner = web.AppRunner(await create_app(settings.config()), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
        print(f"http://{settings.host}:{runner.addresses[0][1]}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def main() -> int:
    settings = Settings()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))
    except (LedgerError, KeyMissing, KeyUnreadable) as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"port {settings.port} or the folder cannot be used: {error.strerror}", file=sys.stderr)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
