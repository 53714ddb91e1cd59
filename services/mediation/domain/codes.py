"""The codes and rows that mediation decides by, read once from `data/`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from libs.clocks import Calendar, RuleBook

_FOR_PARTNERS = 5  # the first rows of `closed` are the partner API's (data/README.md, reasons)


@dataclass(frozen=True, slots=True)
class Codes:
    """Rule rows, calendar and coded reasons.

    `returned` says of each reason whether another owner must be named with it. `holding_flags` forbid
    automatic routing until a person releases the case; `no_joint_session` forbid meeting face to face;
    `no_mediation` stop mediating until a person lowers the flag (flags.json, `mediation`).
    """

    book: RuleBook
    calendar: Calendar
    returned: Mapping[str, bool]
    handed_back: frozenset[str]
    ended: frozenset[str]
    closed: tuple[str, ...]
    lawful_routes: frozenset[str]
    partner_tracks: frozenset[str]
    holding_flags: frozenset[str]
    no_joint_session: frozenset[str]
    no_mediation: frozenset[str]

    @property
    def closed_by_partner(self) -> frozenset[str]:
        """The results that an organisation may state."""
        return frozenset(self.closed[:_FOR_PARTNERS])

    @classmethod
    def load(cls, data: Path) -> Self:
        """Read the reference data of `data`; raises on a file that is missing or unsound."""
        reasons, kinds, flags = (_read(data, name) for name in ("reasons", "kinds", "flags"))
        rows = flags["flags"]
        return cls(
            book=RuleBook.load(data / "deadlines.json"),
            calendar=Calendar.load(data),
            returned={row["code"]: row["proposed_owner_required"] for row in reasons["returned"]},
            handed_back=frozenset(row["code"] for row in reasons["handed_back"]),
            ended=frozenset(row["code"] for row in reasons["ended"]),
            closed=tuple(row["code"] for row in reasons["closed"]),
            lawful_routes=frozenset(row["code"] for row in kinds["lawful_routes"]),
            partner_tracks=frozenset(row["code"] for row in kinds["tracks"] if row["may_go_to_partner"]),
            holding_flags=frozenset(row["code"] for row in rows if not row["auto_routing_allowed"]),
            no_joint_session=frozenset(
                row["code"]
                for row in rows
                if any(step["action"] == "NO_JOINT_SESSION" for step in row["reaction"])
            ),
            no_mediation=frozenset(row["code"] for row in rows if row["mediation"].startswith("not until")),
        )


def _read(data: Path, name: str) -> dict[str, Any]:
    rows: dict[str, Any] = json.loads((data / f"{name}.json").read_text(encoding="utf-8"))
    return rows
