"""Who asks, as every door of a service sees it."""

from dataclasses import dataclass
from typing import Literal

from libs.db.work import Actor


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller. `id` is a staff name or a key id; `org_id`, `portal` and `districts` bound what it
    may see."""

    kind: Literal["staff", "partner", "channel"]
    id: str
    roles: frozenset[str] = frozenset()
    org_id: str | None = None
    districts: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    portal: str | None = None

    def actor(self) -> Actor:
        """The caller as a use case and the audit log know it."""
        return Actor(self.kind, self.id, self.roles, self.org_id, self.districts, self.portal, self.scopes)

    def label(self) -> str:
        """The credential's name for rates and idempotency: `staff:name`, `partner:key id`."""
        return f"{self.kind}:{self.id}"

    def covers(self, district: str) -> bool:
        """Whether the credential is good for a district; a district above sees figures, not cases."""
        return district in self.districts
