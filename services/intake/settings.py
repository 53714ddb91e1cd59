"""Intake's settings, beyond what every service has."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from libs.runtime.settings import ServiceSettings
from libs.tables.limits import Limits


class Imports(BaseModel):
    """Files with many matters: how many rows one may have, and how long (hours) rows that were refused are
    kept for their sender to fetch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = Field(Limits().rows, ge=1, le=1_000_000)
    keep_hours: float = Field(72, gt=0, le=24 * 30)


class Attachments(BaseModel):
    """Files of cases. `place`: `s3://bucket/prefix`, else a folder in HESHI_HOME; the four for S3 may also
    come from the environment as `AWS_…`. `scanner`: `host:port` of a clamd; without one a person lets files
    out, or nobody has to (`unscanned`). `at_once`: uploads in memory at a time, of at most 20 MiB each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    place: str | None = Field(None, pattern=r"^s3://[^/]+")
    s3_endpoint: str | None = None
    s3_region: str | None = None
    s3_key_id: str | None = None
    s3_secret: SecretStr | None = None
    scanner: str | None = Field(None, pattern=r"^.+:[0-9]{1,5}$")
    scan_seconds: float = Field(30.0, gt=0, lt=60)
    unscanned: Literal["hold", "release"] = "hold"
    at_once: int = Field(2, ge=1, le=20)


class Settings(ServiceSettings):
    """Own values carry the prefix `INTAKE_`."""

    model_config = SettingsConfigDict(env_prefix="INTAKE_", frozen=True)

    imports: Imports = Imports()
    attachments: Attachments = Attachments()
