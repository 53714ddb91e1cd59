"""What is compared of a case, and how."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

COMPARED: Final = (
    "kind",
    "category",
    "topic",
    "grid",
    "flags",
    "urgency",
    "state",
    "reason_code",
    "lawful_route",
    "duplicate_of",
    "new_case_number",
    "target_type",
    "target_organisation",
    "co_target_types",
    "children",
    "auto_route_allowed",
    "offered",
    "sms_allowed",
    "first_messages",
)
IN_ANY_ORDER: Final = frozenset({"flags", "co_target_types"})
"""Lists that are sets; the order of messages counts."""


class Difference(NamedTuple):
    """A value that is not as expected."""

    name: str
    expected: object
    found: object


def differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Every compared value in which the two are not the same, in the order of `COMPARED`.

    KeyError for a value that one of the two leaves out: what nobody told cannot be as expected.
    """
    return tuple(
        Difference(name, expected[name], found[name])
        for name in COMPARED
        if _plain(name, expected[name]) != _plain(name, found[name])
    )


def _plain(name: str, value: Any) -> Any:
    return sorted(value) if name in IN_ANY_ORDER else value
