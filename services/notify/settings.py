"""Notify's settings: the gateway, and how this installation sends."""

from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from libs.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """Own values carry the prefix `NOTIFY_`.

    `public_url` is where the gateway reaches this service. Quiet hours and daily cap are on in production and
    off in demo, unless told. `real_provider`: SMS reach people; then only approved templates go out, and no
    sample number is written to. `calls` is how many calls may be under way at once.
    """

    model_config = SettingsConfigDict(env_prefix="NOTIFY_", frozen=True)

    kannel_username: str = "heshi"
    kannel_password: SecretStr = SecretStr("heshi")
    sender_number: str = "10690000"
    public_url: str | None = None
    real_provider: bool | None = None
    quiet_hours: bool | None = None
    daily_cap: bool | None = None
    calls: int = Field(default=100, ge=1, le=500)
    call_timeout_s: float = Field(default=10.0, gt=0, le=25)

    @model_validator(mode="after")
    def _own_password_in_production(self) -> Self:
        if self.production and self.kannel_password.get_secret_value() == "heshi":
            raise ValueError("NOTIFY_KANNEL_PASSWORD is the one for trying things out: set your gateway's")
        return self

    @property
    def gateway(self) -> str:
        """The whole sendsms address; the simulator's where none is told."""
        if self.sms_url is not None:
            return self.sms_url.get_secret_value()
        return f"http://127.0.0.1:{self.port('simulator')}/cgi-bin/sendsms"

    @property
    def receipts(self) -> str:
        """Where the gateway brings receipts."""
        base = self.public_url or f"http://127.0.0.1:{self.port('notify')}"
        return f"{base.rstrip('/')}/providers/kannel/dlr"

    def on_in_production(self, told: bool | None) -> bool:
        """A switch whose position was told, else by the mode."""
        return self.production if told is None else told
