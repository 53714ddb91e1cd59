"""The board that a batch is decided on, with organisations prepared once per version."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from libs.clocks import Calendar
from libs.db.pool import Tx
from libs.events.organisation import OrganisationProfile
from services.routing.domain.board import Board
from services.routing.domain.field import Contender, Field, Load, contender, field_of
from services.routing.domain.organisation import Organisation
from services.routing.domain.question import Rules
from services.routing.store.needs import NeedsStore


class Boards:
    """Reads boards. It keeps what costs time to prepare, by version, so an old one is never used."""

    def __init__(self, rules: Rules, calendar: Calendar, offer_working_days: int, needs: NeedsStore) -> None:
        self.rules = rules
        self._calendar = calendar
        self._offer_working_days = offer_working_days
        self._needs = needs
        self._prepared: dict[str, Contender] = {}
        self._places: dict[str, tuple[int, frozenset[str]]] = {}

    def empty(self) -> Board:
        """For decisions that choose nobody."""
        return Board(self.rules, {})

    async def read(self, tx: Tx, districts: Sequence[str], case_ids: Sequence[UUID] = ()) -> Board:
        """Fields and loads of the districts as they stand now, and the needs of the cases."""
        rows = await tx.fetch(
            """
            select o.org_id, o.district, o.version, l.open, l.day, l.new, l.last_at
            from organisation o join org_load l using (org_id) where o.district = any($1)
            """,
            districts,
        )
        await self._prepare(tx, {row["org_id"]: row["version"] for row in rows})
        places = await self._read_places(tx, districts)
        fields = {
            district: self._field(district, [r["org_id"] for r in rows if r["district"] == district], places)
            for district in districts
        }
        loads = {row["org_id"]: Load(row["open"], row["day"], row["new"], row["last_at"]) for row in rows}
        return Board(self.rules, fields, loads, await self._needs.read(tx, case_ids))

    def _field(self, district: str, org_ids: Sequence[str], places: Mapping[str, frozenset[str]]) -> Field:
        prepared = [self._prepared[org_id] for org_id in org_ids]
        return field_of(district, prepared, self.rules.classes, places.get(district, frozenset()))

    async def _prepare(self, tx: Tx, versions: Mapping[str, int]) -> None:
        stale = [
            org_id
            for org_id, version in versions.items()
            if org_id not in self._prepared or self._prepared[org_id].version != version
        ]
        if not stale:
            return
        rows = await tx.fetch(
            "select org_id, district, version, profile from organisation where org_id = any($1)", stale
        )
        for row in rows:
            profile = OrganisationProfile.model_validate_json(row["profile"], extra="ignore")
            organisation = Organisation(profile, row["district"], row["version"])
            self._prepared[row["org_id"]] = contender(organisation, self._calendar, self._offer_working_days)

    async def _read_places(self, tx: Tx, districts: Sequence[str]) -> dict[str, frozenset[str]]:
        rows = await tx.fetch("select district, version from area_tree where district = any($1)", districts)
        for row in rows:
            known = self._places.get(row["district"])
            if known is None or known[0] != row["version"]:
                codes = await tx.fetch("select code from area where district = $1", row["district"])
                self._places[row["district"]] = (row["version"], frozenset(code["code"] for code in codes))
        return {row["district"]: self._places[row["district"]][1] for row in rows}
