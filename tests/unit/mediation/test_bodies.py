"""What comes in by the partner API, as the commands it becomes."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from services.mediation.api.bodies import SessionOutcome
from services.mediation.domain import sessions
from services.mediation.handlers.sealing import Sealer

SESSION = UUID(int=1)


class OpenKey:
    """Seals nothing, so that a test can read what was said."""

    def seal(self, table: str, column: str, row: UUID, content: Any) -> bytes:
        return str(content).encode()


def outcome(**said: object) -> sessions.SessionOutcome:
    body = SessionOutcome.model_validate({"held": False, **said})
    command = body.of(SESSION).command(Sealer(OpenKey(), lambda: UUID(int=2)))  # type: ignore[arg-type]
    assert isinstance(command, sessions.SessionOutcome)
    return command


def test_what_follows_a_session_as_an_instant_is_the_next_session() -> None:
    told = outcome(next="2026-03-05T09:00:00+08:00")
    assert (told.session_id, told.next_at, told.next_step) == (
        SESSION,
        datetime(2026, 3, 5, 1, tzinfo=UTC),
        None,
    )


@pytest.mark.parametrize("words", ["各自考虑后再谈", "2026-13-45 再约"])
def test_what_follows_a_session_in_words_is_no_session(words: str) -> None:
    told = outcome(next=words)
    assert told.next_at is None
    assert told.next_step is not None
    assert told.next_step.sealed.decode() == words


def test_nothing_need_follow_a_session() -> None:
    told = outcome(next=None, record="双方到场")
    assert (told.next_at, told.next_step) == (None, None)


def test_words_after_a_session_have_a_limit() -> None:
    with pytest.raises(ValidationError):
        outcome(next="再" * 201)
