"""Routing's store, shell and registry over a fresh database, with a few organisations of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from libs.db.batch import Result, Surroundings
from libs.db.pool import Database
from libs.db.shell import Shell
from libs.db.work import Actor, UseCase, Work
from libs.events import mediation as m
from libs.events.intake import CaseAccepted
from libs.privacy.keyring import Keyring
from services.routing.domain.area import profiles_of
from services.routing.domain.case import RoutingCase
from services.routing.handlers import CLOSE, PROPOSE, TRY_NEXT
from services.routing.handlers.registry import Act, seed
from services.routing.store.boards import Boards
from services.routing.store.cases import CaseStore
from services.routing.store.needs import NeedsStore
from services.routing.store.registry import RegistryStore
from services.routing.store.views import RoutingViews
from tests.unit.routing.build import CALENDAR, DISTRICT, LEVELS, MONDAY, REFERENCE, RULES, VOCABULARY, profile
from tests.unit.routing.play import facts

SERVICE = Actor("service", "routing", districts=frozenset({DISTRICT}))


def keyring() -> Keyring:
    """Fresh keys, those of intake's seal for routing included."""
    return Keyring.ephemeral(["vault-routing", "dossier-routing", "request", "audit"])


@dataclass
class Kit:
    """One worker of routing. Several may stand on one database."""

    database: Database
    keys: Keyring

    def __post_init__(self) -> None:
        self.needs = NeedsStore(self.keys)
        self.boards = Boards(RULES, CALENDAR, 2, self.needs)
        self.use(CaseStore(self.boards, self.keys))
        self.registry = RegistryStore(self.database, LEVELS)
        self.views = RoutingViews(self.database, self.boards, self.keys)

    def use(self, store: CaseStore) -> None:
        """Run the cases over this store."""
        self.store = store
        around = Surroundings("routing", lambda: datetime.now(UTC), uuid7)
        self.shell: Shell[RoutingCase] = Shell(self.database, store, around)

    async def seed(self, *profiles: Any) -> None:
        """The district's tree, and these organisations."""
        act = Act(SERVICE, MONDAY, "registry.seeded")
        await seed(
            self.registry, LEVELS, act, list(profiles_of(LEVELS, REFERENCE["areas"])), profiles, VOCABULARY
        )

    async def run(self, use_case: UseCase[RoutingCase, Any], *commands: tuple[UUID, Any]) -> list[Result]:
        """One batch of commands, at a Monday morning."""
        return await self.shell.run(
            [
                Work(
                    use_case=use_case,
                    case_id=case_id,
                    command=command,
                    actor=SERVICE,
                    district=DISTRICT,
                    received_at=MONDAY,
                )
                for case_id, command in commands
            ]
        )

    async def accept(self, *case_ids: UUID, **changes: Any) -> list[Result]:
        """Cases are accepted, in one batch."""
        return await self.run(PROPOSE, *((case_id, accepted(case_id, **changes)) for case_id in case_ids))

    async def give_back(self, *case_ids: UUID) -> None:
        """Their organisations return them."""
        returned = []
        for case_id in case_ids:
            row = await self.row(
                "select number, assignment_id from assignment where case_id = $1 order by number desc",
                case_id,
            )
            told = m.CaseReturned(
                case_id=case_id,
                district=DISTRICT,
                state="awaiting_assignment",
                assignment_id=row["assignment_id"],
                attempt=row["number"],
                reason_code="NO_CAPACITY",
            )
            returned.append((case_id, told))
        await self.run(TRY_NEXT, *returned)

    async def close(self, *case_ids: UUID) -> None:
        """Mediation closes them."""
        closed = [
            (case_id, m.CaseClosed(case_id=case_id, district=DISTRICT, state="closed", result="SETTLED"))
            for case_id in case_ids
        ]
        await self.run(CLOSE, *closed)

    async def row(self, sql: str, *args: object) -> Any:
        """One row by SQL."""
        async with self.database.read() as tx:
            return await tx.fetchrow(sql, *args)

    async def rows(self, sql: str, *args: object) -> list[Any]:
        """Rows by SQL."""
        async with self.database.read() as tx:
            return await tx.fetch(sql, *args)

    async def open_cases(self) -> dict[str, int]:
        """What the loads say, without those at zero."""
        rows = await self.rows("select org_id, open from org_load where open > 0 order by 1")
        return {row["org_id"]: row["open"] for row in rows}


def accepted(case_id: UUID, **changes: Any) -> CaseAccepted:
    """The event of an accepted case."""
    return CaseAccepted(case_id=case_id, district=DISTRICT, case=facts(**changes), with_registration=True)


def labour(org_id: str, **changes: Any) -> Any:
    """The profile of a labour committee of the district."""
    return profile(org_id, **changes)


def ids(count: int) -> Sequence[UUID]:
    """Fresh case ids."""
    return [uuid7() for _ in range(count)]
