"""Routing's settings."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """Own values carry the prefix `ROUTING_`. `demo_data`: begin with the sample district of `data/`."""

    model_config = SettingsConfigDict(env_prefix="ROUTING_", frozen=True)

    demo_data: bool = Field(True, validation_alias="HESHI_DEMO_DATA")
