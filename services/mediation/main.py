"""Puts mediation together: settings → desk → doors, consumers and loops. Run as
`python -m services.mediation.main [api|worker|all]`."""

from functools import partial

from uuid_utils.compat import uuid7

from libs.events.asyncapi import document
from libs.runtime.loops import Loop
from libs.runtime.service import Platform, Reaction, Service, run
from libs.web.app import create_app
from libs.web.auth import Edge
from libs.web.limits import RateLimit
from libs.web.tokens import Verifier, staff_roles
from services.mediation import consumers
from services.mediation.api import ROUTERS, Container
from services.mediation.domain.codes import Codes
from services.mediation.handlers.cases import use_cases
from services.mediation.handlers.desk import Desk
from services.mediation.handlers.sealing import Vault
from services.mediation.handlers.sweeping import BEAT_EVERY, Sweeper
from services.mediation.settings import Settings
from services.mediation.store.cases import CaseStore
from services.mediation.store.copies import Dossiers, PartnerKeys, apply_organisations
from services.mediation.store.outages import beat
from services.mediation.store.views import Views


async def build(platform: Platform) -> Service:
    """Mediation's parts over the shared ones."""
    settings: Settings = platform.settings
    codes = Codes.load(settings.data)
    uses = use_cases(codes)
    vault = Vault(platform.keyring)
    views = Views(platform.database, vault)
    shell = platform.shell(CaseStore())
    worker = platform.worker_database
    sweeper = Sweeper(shell.on(worker), uses.clock, platform.now, partial(beat, worker))
    return Service(
        api=create_app(
            "mediation",
            routers=ROUTERS,
            container=Container(Desk(shell, views, uses, uuid7), views, codes.book, codes.calendar),
            readiness=platform.lifecycle.readiness,
            docs=not settings.production,
            edge=_edge(platform, settings),
            roles=staff_roles(settings.data),
            asyncapi=partial(document, "mediation"),
        ),
        shell=shell,
        consumers=consumers.events(uses),
        states=[Reaction(reader) for reader in consumers.states(Dossiers(vault).apply, apply_organisations)],
        fire=sweeper.fire,
        loops=[Loop("pulse", sweeper.follow, drain=2, stalled_after=BEAT_EVERY * 12)],
    )


def _edge(platform: Platform, settings: Settings) -> Edge:
    return Edge(
        clock=platform.clock,
        metrics=platform.metrics,
        tokens=Verifier(settings.keys_folder, mode=settings.mode, now=platform.now),
        mac=partial(platform.keyring.hmac, "request"),
        rate=RateLimit(settings.serving.rate_per_second, settings.serving.burst),
        keys=PartnerKeys(platform.database, consumers.ORGANISATIONS),
        budget=settings.serving.budget_s,
        in_flight=settings.serving.in_flight,
    )


if __name__ == "__main__":
    run("mediation", Settings, build)
