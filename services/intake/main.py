"""Puts intake together: settings → desk → doors, reader and clocks. Run as
`python -m services.intake.main [api|worker|all]`."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import Any

from uuid_utils.compat import uuid7

from libs.clocks.rules import RuleBook
from libs.db.pool import Database
from libs.events.dossier import DossierSealed
from libs.files.apart import examined
from libs.files.objects import Objects
from libs.files.scanner import Scanner
from libs.runtime.loops import Loop
from libs.runtime.service import Platform, Reaction, Service, run
from libs.tables.limits import Limits
from libs.web.limits import Turns
from services.intake import consumers
from services.intake.api import ROUTERS
from services.intake.domain.reference import FILES, reference
from services.intake.handlers import retaining
from services.intake.handlers.alarms import fire
from services.intake.handlers.attachment_worker import Caretaker
from services.intake.handlers.desk import Desk, Files, Quarantine
from services.intake.handlers.import_worker import Importer
from services.intake.handlers.sealing import Vault
from services.intake.handlers.suggesting import follow
from services.intake.settings import Attachments, Settings
from services.intake.store.areas import AreaCopy, apply_areas
from services.intake.store.attachments import AttachmentStore
from services.intake.store.cases import IntakeStore
from services.intake.store.channels import ChannelKeys, ChannelStore
from services.intake.store.closings import apply_closings
from services.intake.store.erasure import HOLDINGS
from services.intake.store.imports import ImportStore
from services.intake.store.suggested import SuggestedStore
from services.intake.store.traces import settle
from services.intake.store.trail import AuditTrail
from services.intake.store.views import IntakeViews


async def build(platform: Platform) -> Service:
    """Intake's parts over the shared ones."""
    settings: Settings = platform.settings
    known = reference(
        {name: _data(settings.data, name) for name in FILES},
        RuleBook.load(settings.data / "deadlines.json"),
        platform.calendar,
    )
    shell, vault = platform.shell(IntakeStore()), Vault(platform.keyring, known.common)
    desk = Desk(
        shell=shell,
        views=IntakeViews(platform.database),
        suggested=SuggestedStore(platform.database),
        channels=ChannelStore(platform.database),
        places=AreaCopy(platform.database, known.levels, known.places),
        vault=vault,
        imports=ImportStore(platform.database, vault),
        files=_files(settings, platform.database),
        trail=AuditTrail(platform.database),
        known=known,
        now=platform.now,
        new_id=uuid7,
        chance=SystemRandom(),
    )
    database = platform.worker_database
    scanner = _scanner(settings.attachments)
    worker = replace(
        desk,
        shell=shell.on(database),
        views=IntakeViews(database),
        suggested=SuggestedStore(database),
        imports=ImportStore(database, vault),
        files=replace(desk.files, known=AttachmentStore(database)),
    )
    importer = Importer(
        worker, Limits(rows=settings.imports.rows), timedelta(hours=settings.imports.keep_hours)
    )
    return Service(
        api=platform.app(ROUTERS, desk, ChannelKeys(platform.database, platform.now), holdings=HOLDINGS),
        shell=shell,
        states=[Reaction(reader) for reader in consumers.states(apply_areas)],
        projections=consumers.projections(apply_closings),
        owned_states=[DossierSealed.TOPIC],
        fire=partial(fire, worker),
        loops=[
            Loop("search index", partial(settle, database), drain=2, needed=False),
            Loop("suggestions", partial(follow, worker), drain=2, needed=False),
            Loop("imports", importer.run, needed=False),
            Loop("attachments", Caretaker(worker, scanner).run, needed=False),
            Loop("retention", partial(retaining.follow, worker), needed=False),
        ],
    )


def _files(settings: Settings, database: Database) -> Files:
    """The tools for files of cases, as the settings choose them."""
    own = settings.attachments
    if own.place is None:
        objects = Objects.in_folder(settings.home / "attachments")
    else:
        secret = own.s3_secret.get_secret_value() if own.s3_secret else None
        objects = Objects.in_bucket(own.place, own.s3_endpoint, own.s3_region, own.s3_key_id, secret)
    unscanned: Quarantine = "none" if own.unscanned == "release" else "person"
    return Files(
        known=AttachmentStore(database),
        objects=objects,
        examine=examined,
        turns=Turns(own.at_once),
        alone=asyncio.Lock(),
        quarantine="scanner" if own.scanner else unscanned,
    )


def _scanner(own: Attachments) -> Scanner | None:
    return Scanner(own.scanner, own.scan_seconds) if own.scanner else None


def _data(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    run("intake", Settings, build)
