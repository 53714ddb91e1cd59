"""Puts routing together: settings → store → doors, consumers and loops. Run as
`python -m services.routing.main [api|worker|all]`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from libs.areas import Levels
from libs.clocks import RuleBook
from libs.db.work import Actor
from libs.events.organisation import AreaChanged, OrganisationChanged, OrganisationProfile
from libs.runtime.loops import Loop
from libs.runtime.service import Platform, Reaction, Service, run
from services.routing import consumers
from services.routing.api import ROUTERS, Container
from services.routing.domain.area import profiles_of
from services.routing.domain.organisation import Vocabulary
from services.routing.domain.question import Rules
from services.routing.handlers.registry import Act, Registry, seed
from services.routing.settings import Settings
from services.routing.store.boards import Boards
from services.routing.store.cases import CaseStore
from services.routing.store.erasure import HOLDINGS
from services.routing.store.needs import NeedsStore, released
from services.routing.store.registry import RegistryStore
from services.routing.store.views import RoutingViews

FILES: Final = ("kinds", "categories", "flags", "limits", "organisations", "areas")
OFFER_TERM: Final = "PROD-OFFER"

Reference = Mapping[str, Mapping[str, Any]]


async def build(platform: Platform) -> Service:
    """Routing's parts over the shared ones."""
    settings: Settings = platform.settings
    data = {name: _read(settings.data, name) for name in FILES}
    vocabulary = Vocabulary.of(data)
    needs = NeedsStore(platform.keyring)
    offer_days = RuleBook.load(settings.data / "deadlines.json").rule(OFFER_TERM).length
    boards = Boards(Rules.of(data), platform.calendar, offer_days, needs)
    shell = platform.shell(CaseStore(boards, platform.keyring))
    levels = Levels(data["areas"]["levels"])
    registry = RegistryStore(platform.database, levels, platform.relay.wake)
    if settings.demo_data:
        await _seed(registry, levels, platform, data, vocabulary)

    async def waiting(case_ids: Sequence[UUID] | None) -> Sequence[tuple[UUID, str]]:
        async with platform.worker_database.read() as tx:
            return await released(tx, case_ids)

    resume = consumers.Resume(shell.on(platform.worker_database), waiting, platform.now)
    return Service(
        api=platform.app(
            ROUTERS,
            Container(
                shell=shell,
                registry=registry,
                levels=levels,
                views=RoutingViews(platform.database, boards, platform.keyring),
                vocabulary=vocabulary,
            ),
            holdings=HOLDINGS,
        ),
        shell=shell,
        consumers=[consumers.INTAKE, consumers.MEDIATION],
        states=[Reaction(consumers.dossier(needs.apply, needs.empty), resume.arrived)],
        owned_states=[OrganisationChanged.TOPIC, AreaChanged.TOPIC],
        loops=[Loop("waiting", resume.look, drain=5)],
    )


async def _seed(
    registry: Registry, levels: Levels, platform: Platform, data: Reference, vocabulary: Vocabulary
) -> None:
    rows = data["organisations"]
    profiles = [
        OrganisationProfile.model_validate(row)
        for part in ("organisations", "referral_targets")
        for row in rows[part]
    ]
    act = Act(Actor("service", platform.name), platform.now(), "registry.seeded")
    await seed(registry, levels, act, list(profiles_of(levels, data["areas"])), profiles, vocabulary)


def _read(folder: Path, name: str) -> Mapping[str, Any]:
    parsed: Mapping[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return parsed


if __name__ == "__main__":
    run("routing", Settings, build)
