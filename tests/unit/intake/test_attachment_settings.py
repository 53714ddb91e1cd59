"""Where files of cases are kept and who lets them out, as the settings say."""

from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from services.intake.main import _files, _scanner
from services.intake.settings import Settings


def chosen(home: Path, **own: Any) -> Settings:
    given = {"postgres": "postgresql://x@h/postgres", "kafka": "h:9092", "home": home, "attachments": own}
    return Settings.model_validate(given)


@pytest.mark.parametrize(
    ("own", "by"),
    [
        ({}, "person"),
        ({"unscanned": "release"}, "none"),
        ({"scanner": "clamav:3310"}, "scanner"),
        ({"scanner": "[::1]:3310", "unscanned": "release"}, "scanner"),
    ],
)
def test_who_lets_files_out(tmp_path: Path, own: dict[str, str], by: str) -> None:
    settings = chosen(tmp_path, **own)
    assert _files(settings, cast(Any, None)).quarantine == by
    assert (_scanner(settings.attachments) is not None) is (by == "scanner")
    assert (tmp_path / "attachments").is_dir()


def test_a_bucket_in_place_of_the_folder(tmp_path: Path) -> None:
    own = {"s3_endpoint": "http://127.0.0.1:9", "s3_key_id": "someone", "s3_secret": "hidden"}
    settings = chosen(tmp_path, place="s3://files/intake", **own)
    assert _files(settings, cast(Any, None)).objects
    assert not (tmp_path / "attachments").exists()
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    "own",
    [
        {"place": "/var/files"},
        {"scanner": "clamav"},
        {"unscanned": "maybe"},
        {"at_once": 0},
        {"scan_seconds": 60},
        {"typo": 1},
    ],
)
def test_what_cannot_be_meant_stops_the_start(tmp_path: Path, own: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        chosen(tmp_path, **own)
