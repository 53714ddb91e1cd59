"""What the environment says to a service: read once by its `main.py`, passed on, looked at by nobody else."""

import os
from pathlib import Path
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from libs.db.dsn import of_database

PORTS = {"console": 0, "intake": 1, "routing": 2, "mediation": 3, "notify": 4, "simulator": 10}
"""Offsets from the base port."""

DEMO_MARK = "DEMO"
"""A file of this name in the key folder says that its keys were made for trying things out.
    """

DEMO_PASSWORDS = frozenset({"demo", "heshi", "postgres", "password", "changeme"})


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pools(_Group):
    """Connections per pool, and how long (seconds) each wait for the database may last."""

    api: int = 10
    worker: int = 10
    relay: int = 2
    acquire_timeout: float = 3.0
    api_command_timeout: float = 3.0
    worker_command_timeout: float = 10.0
    lock_timeout: float = 2.0


class Consuming(_Group):
    """How a consumer reads; the client's own names and units (milliseconds)."""

    max_poll_records: int = 500
    session_timeout_ms: int = 30_000


class Producing(_Group):
    """How records are sent; after `outer_timeout_s` the producer is given up and built anew."""

    linger_ms: int = 0
    outer_timeout_s: float = 15.0


class Relaying(_Group):
    """How the outbox is emptied: records per pass."""

    batch: int = 500


class Batching(_Group):
    """The queue of commands at the door (G4)."""

    queue: int = 1_000
    batch: int = 100


class Serving(_Group):
    """The door itself: `budget_s` for a whole request, the rates of a person and of an API key, and how many
    failures to sign in an address has. Each process counts for itself."""

    budget_s: float = 9.0
    in_flight: int = 2_000
    rate_per_second: float = 1_000.0
    burst: float = 2_000.0
    key_rate_per_second: float = 100.0
    key_burst: float = 500.0
    tries_per_second: float = 1.0
    tries_burst: float = 100.0


class Stopping(_Group):
    """Budgets of a stop in seconds; their sum stays below the grace period of 75 s."""

    announce_s: float = 0.0
    requests_s: float = 10.0
    work_s: float = 30.0
    relay_s: float = 10.0
    pool_s: float = 5.0


class ServiceSettings(BaseSettings):
    """The base of each service's settings.

    What the whole installation shares is named `HESHI_…`; a service's own values carry its prefix, nested
    ones with two underscores (`INTAKE_POOLS__API=20`). In a folder named by `HESHI_SECRETS` a file of a
    variable's name may stand for the variable. Raises `ValidationError` with the variable's name for a
    missing or wrong one, and in production mode for secrets that were made for trying things out.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_nested_delimiter="__",
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )

    mode: Literal["demo", "production"] = Field("demo", validation_alias="HESHI_MODE")
    home: Path = Field(Path(".heshi"), validation_alias="HESHI_HOME")
    keys_folder: Path = Field(default_factory=lambda got: got["home"] / "keys", validation_alias="HESHI_KEYS")
    data: Path = Field(Path(__file__).parents[2] / "data", validation_alias="HESHI_DATA")
    postgres: SecretStr = Field(validation_alias="HESHI_POSTGRES")
    database_prefix: str = Field("heshi_", validation_alias="HESHI_DATABASE_PREFIX")
    kafka: str = Field(validation_alias="HESHI_KAFKA")
    topic_prefix: str = Field("", validation_alias="HESHI_TOPIC_PREFIX")
    sms_url: SecretStr | None = Field(None, validation_alias="HESHI_SMS_URL")
    host: str = Field("127.0.0.1", validation_alias="HESHI_HOST")
    instance: str | None = Field(None, validation_alias="HESHI_INSTANCE", pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """The name of this process among those of its service, the same after a restart: it has its partitions
    back at once, where one without a name waits until its predecessor counts as gone. Never two at a time."""
    port_base: int = Field(8000, ge=1, le=65_500, validation_alias="HESHI_PORT_BASE")

    pools: Pools = Pools()
    consuming: Consuming = Consuming()
    producing: Producing = Producing()
    relaying: Relaying = Relaying()
    batching: Batching = Batching()
    serving: Serving = Serving()
    stopping: Stopping = Stopping()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then mounted secrets."""
        mounted = SecretsSettingsSource(settings_cls, secrets_dir=os.environ.get("HESHI_SECRETS"))
        return init_settings, env_settings, mounted

    @model_validator(mode="after")
    def _no_demo_secrets_in_production(self) -> Self:
        if self.mode == "demo":
            return self
        if (self.keys_folder / DEMO_MARK).exists():
            raise ValueError("HESHI_KEYS holds demonstration keys: make keys of your own for production")
        password = urlsplit(self.postgres.get_secret_value()).password
        if password is not None and unquote(password) in DEMO_PASSWORDS:
            raise ValueError("HESHI_POSTGRES holds a demonstration password: choose one of your own")
        return self

    @property
    def production(self) -> bool:
        """Whether demo conveniences (long tokens, open docs) are off."""
        return self.mode == "production"

    def dsn(self, service: str) -> str:
        """The address of a service's own database on the server."""
        return of_database(self.postgres.get_secret_value(), f"{self.database_prefix}{service}")

    def port(self, service: str) -> int:
        """The port that a service listens on."""
        return self.port_base + PORTS[service]
