"""The console's settings: where the services are that it asks for the person who is signed in."""

from collections.abc import Mapping
from pathlib import Path

from pydantic_settings import SettingsConfigDict

from libs.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """`accounts` is the file of those who may sign in, in the key folder. `…_url` is where a service listens;
    without it, on this machine at its own port."""

    model_config = SettingsConfigDict(env_prefix="CONSOLE_", frozen=True)

    intake_url: str | None = None
    routing_url: str | None = None
    mediation_url: str | None = None
    notify_url: str | None = None

    @property
    def urls(self) -> Mapping[str, str]:
        """Address by service."""
        given = {
            "intake": self.intake_url,
            "routing": self.routing_url,
            "mediation": self.mediation_url,
            "notify": self.notify_url,
        }
        return {name: url or f"http://127.0.0.1:{self.port(name)}" for name, url in given.items()}

    @property
    def accounts(self) -> Path:
        """Name, roles, districts and Argon2id hash of each member of staff."""
        return self.keys_folder / "console-accounts.json"
