"""Puts intake together: settings → desk → door and loops. Run as `python -m services.intake.main [role]`."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import Any

from uuid_utils.compat import uuid7

from libs.clocks.rules import RuleBook
from libs.events.asyncapi import document
from libs.events.dossier import DossierSealed
from libs.runtime.service import Platform, Reaction, Service, run
from libs.web.app import create_app
from libs.web.auth import Edge
from libs.web.limits import RateLimit
from libs.web.tokens import Verifier, staff_roles
from services.intake import consumers
from services.intake.api import router
from services.intake.domain.reference import FILES, reference
from services.intake.handlers.alarms import fire
from services.intake.handlers.desk import Desk
from services.intake.handlers.sealing import Vault
from services.intake.settings import Settings
from services.intake.store.areas import AreaCopy, apply_areas
from services.intake.store.cases import IntakeStore
from services.intake.store.views import IntakeViews


async def build(platform: Platform) -> Service:
    """Intake's parts over the shared ones."""
    settings: Settings = platform.settings
    known = reference(
        {name: _data(settings.data, name) for name in FILES},
        RuleBook.load(settings.data / "deadlines.json"),
        platform.calendar,
    )
    shell = platform.shell(IntakeStore())
    desk = Desk(
        shell=shell,
        views=IntakeViews(platform.database),
        places=AreaCopy(platform.database, known.places),
        vault=Vault(platform.keyring),
        known=known,
        now=platform.now,
        new_id=uuid7,
        chance=SystemRandom(),
    )
    app = create_app(
        "intake",
        routers=[router],
        container=desk,
        readiness=platform.lifecycle.readiness,
        docs=not settings.production,
        edge=_edge(platform, settings),
        roles=staff_roles(settings.data),
        asyncapi=partial(document, "intake"),
    )
    worker = replace(desk, shell=shell.on(platform.worker_database))
    return Service(
        api=app,
        shell=shell,
        states=[Reaction(reader) for reader in consumers.states(apply_areas)],
        owned_states=[DossierSealed.TOPIC],
        fire=partial(fire, worker),
    )


def _edge(platform: Platform, settings: Settings) -> Edge:
    return Edge(
        clock=platform.clock,
        metrics=platform.metrics,
        tokens=Verifier(settings.keys_folder, mode=settings.mode, now=platform.now),
        mac=partial(platform.keyring.hmac, "request"),
        rate=RateLimit(settings.serving.rate_per_second, settings.serving.burst),
        budget=settings.serving.budget_s,
        in_flight=settings.serving.in_flight,
    )


def _data(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    run("intake", Settings, build)
