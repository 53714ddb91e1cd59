"""The console's settings: nothing beyond what every service has."""

from pathlib import Path

from pydantic_settings import SettingsConfigDict

from libs.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """`accounts` is the file of those who may sign in, in the key folder."""

    model_config = SettingsConfigDict(env_prefix="CONSOLE_", frozen=True)

    @property
    def accounts(self) -> Path:
        """Name, roles, districts and Argon2id hash of each member of staff."""
        return self.keys_folder / "console-accounts.json"
