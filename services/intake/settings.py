"""Intake's settings, beyond what every service has."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import SettingsConfigDict

from libs.runtime.settings import ServiceSettings
from libs.tables.limits import Limits


class Imports(BaseModel):
    """Files with many matters: how many rows one may have, and how long (hours) rows that were refused are
    kept for their sender to fetch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = Field(Limits().rows, ge=1, le=1_000_000)
    keep_hours: float = Field(72, gt=0, le=24 * 30)


class Settings(ServiceSettings):
    """Own values carry the prefix `INTAKE_`."""

    model_config = SettingsConfigDict(env_prefix="INTAKE_", frozen=True)

    imports: Imports = Imports()
