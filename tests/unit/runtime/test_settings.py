"""The environment is read once, checked, and keeps its secrets to itself."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from libs.runtime.settings import DEMO_MARK, ServiceSettings, Stopping


class IntakeSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="INTAKE_", frozen=True)

    greeting: str = "hello"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in (
        "MODE",
        "KEYS",
        "DATA",
        "DATABASE_PREFIX",
        "TOPIC_PREFIX",
        "SMS_URL",
        "PORT_BASE",
        "SECRETS",
    ):
        monkeypatch.delenv(f"HESHI_{name}", raising=False)
    monkeypatch.setenv("HESHI_HOME", str(tmp_path))
    monkeypatch.setenv("HESHI_POSTGRES", "postgresql://heshi:s3cret-word@db:5432/postgres?sslmode=require")
    monkeypatch.setenv("HESHI_KAFKA", "kafka:9092")
    return monkeypatch


def test_shared_names_and_a_services_own_prefix(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("INTAKE_GREETING", "你好")
    environment.setenv("INTAKE_POOLS__API", "20")
    settings = IntakeSettings()
    assert settings.kafka == "kafka:9092"
    assert settings.greeting == "你好"
    assert settings.pools.api == 20
    assert settings.pools.relay == 2
    assert settings.keys_folder == tmp_path / "keys"
    assert (settings.data / "roles.json").is_file()


def test_each_service_has_its_own_database_and_port(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HESHI_DATABASE_PREFIX", "test7_")
    environment.setenv("HESHI_PORT_BASE", "9000")
    settings = IntakeSettings()
    assert settings.dsn("intake") == "postgresql://heshi:s3cret-word@db:5432/test7_intake?sslmode=require"
    assert settings.port("console") == 9000
    assert settings.port("notify") == 9004
    assert settings.port("simulator") == 9010


def test_a_server_on_a_socket_keeps_its_empty_host(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HESHI_POSTGRES", "postgresql:///postgres?host=/run/heshi&user=heshi")
    assert IntakeSettings().dsn("routing") == "postgresql:///heshi_routing?host=/run/heshi&user=heshi"


def test_a_missing_variable_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("HESHI_KAFKA")
    with pytest.raises(ValidationError, match="HESHI_KAFKA"):
        IntakeSettings()


def test_an_unknown_nested_value_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("INTAKE_POOLS__APPI", "20")
    with pytest.raises(ValidationError, match="appi"):
        IntakeSettings()


def test_settings_cannot_be_changed(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError):
        IntakeSettings().kafka = "elsewhere"


def test_a_mounted_file_may_stand_for_a_variable(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "HESHI_POSTGRES").write_text("postgresql://u:from-a-file@db/postgres")
    environment.setenv("HESHI_SECRETS", str(secrets))
    environment.delenv("HESHI_POSTGRES")
    assert IntakeSettings().dsn("intake") == "postgresql://u:from-a-file@db/heshi_intake"


def test_secrets_are_neither_shown_nor_told_in_errors(environment: pytest.MonkeyPatch) -> None:
    assert "s3cret-word" not in repr(IntakeSettings())
    environment.setenv("HESHI_MODE", "neither")
    with pytest.raises(ValidationError) as caught:
        IntakeSettings()
    assert "s3cret-word" not in str(caught.value)


def test_production_refuses_demonstration_keys(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / DEMO_MARK).touch()
    assert not IntakeSettings().production
    environment.setenv("HESHI_MODE", "production")
    with pytest.raises(ValidationError, match="HESHI_KEYS"):
        IntakeSettings()
    (tmp_path / "keys" / DEMO_MARK).unlink()
    assert IntakeSettings().production


@pytest.mark.parametrize("password", ["demo", "heshi", "post%67res"])
def test_production_refuses_demonstration_passwords(environment: pytest.MonkeyPatch, password: str) -> None:
    environment.setenv("HESHI_POSTGRES", f"postgresql://heshi:{password}@db/postgres")
    assert IntakeSettings().mode == "demo"
    environment.setenv("HESHI_MODE", "production")
    with pytest.raises(ValidationError, match="HESHI_POSTGRES"):
        IntakeSettings()


def test_the_budgets_of_a_stop_fit_into_the_grace_period() -> None:
    budgets = Stopping()
    assert sum(budgets.model_dump().values()) < 75
