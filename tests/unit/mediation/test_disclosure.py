"""What an organisation may read of a citizen."""

from collections.abc import Callable

import pytest

from services.mediation.domain.disclosure import disclosed
from tests.unit.mediation.play import Play


@pytest.mark.parametrize(
    ("state", "view", "parts"),
    [
        ("offered", "FILE", {"story"}),
        ("offered", "MINIMAL", set()),
        ("offered", None, set()),
        ("taken_up", "FILE", {"story", "contact"}),
        ("taken_up", "MINIMAL", {"contact"}),
        ("closed", "FILE", {"story", "contact"}),
    ],
)
def test_by_state_and_view(play: Play, state: str, view: str | None, parts: set[str]) -> None:
    play.reach(state)
    assert play.case is not None
    assert disclosed(play.case, view) == parts


def test_nothing_without_consent(new_play: Callable[..., Play]) -> None:
    """PIPL art 23."""
    play = new_play(share_with_partner=False).reach("taken_up")
    assert play.case is not None
    assert disclosed(play.case, "FILE") == set()


def test_no_contact_where_secrecy_was_asked_for(new_play: Callable[..., Play]) -> None:
    """JN18 art 16."""
    play = new_play(flags=("CONFIDENTIAL",), released=True).reach("taken_up")
    assert play.case is not None
    assert disclosed(play.case, "FILE") == {"story"}
