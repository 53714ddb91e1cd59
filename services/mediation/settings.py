"""Mediation's settings: nothing beyond what every service has."""

from pydantic_settings import SettingsConfigDict

from libs.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """Own values carry the prefix `MEDIATION_`."""

    model_config = SettingsConfigDict(env_prefix="MEDIATION_", frozen=True)
