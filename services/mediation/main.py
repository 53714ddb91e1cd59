"""Puts mediation together: settings → desk → doors, consumers and loops. Run as
`python -m services.mediation.main [api|worker|all]`."""

from functools import partial

from uuid_utils.compat import uuid7

from libs.runtime.loops import Loop
from libs.runtime.service import Platform, Reaction, Service, run
from services.mediation import consumers
from services.mediation.api import ROUTERS, Container
from services.mediation.domain.codes import Codes
from services.mediation.handlers.cases import use_cases
from services.mediation.handlers.desk import Desk
from services.mediation.handlers.sealing import Vault
from services.mediation.handlers.sweeping import BEAT_EVERY, LOOK_EVERY, Recount, Sweeper
from services.mediation.handlers.tasking import Calls, TaskDesk
from services.mediation.settings import Settings
from services.mediation.store.cases import CaseStore
from services.mediation.store.copies import Dossiers, PartnerKeys, apply_organisations
from services.mediation.store.erasure import HOLDINGS
from services.mediation.store.outages import beat
from services.mediation.store.provisional import provisional
from services.mediation.store.tasks import TaskLists, TaskStore, add_calls
from services.mediation.store.views import Views


async def build(platform: Platform) -> Service:
    """Mediation's parts over the shared ones."""
    settings: Settings = platform.settings
    codes = Codes.load(settings.data)
    uses = use_cases(codes)
    vault = Vault(platform.keyring)
    dossiers = Dossiers(vault)
    views = Views(platform.database, vault)
    shell = platform.shell(CaseStore())
    tasks = TaskDesk(platform.shell(TaskStore()), TaskLists(platform.database))
    worker = platform.worker_database
    sweeper = Sweeper(shell.on(worker), uses.clock, platform.now, partial(beat, worker))
    recount = Recount(
        shell.on(worker), uses.calendar, platform.now, partial(provisional, worker, codes.calendar.years)
    )
    return Service(
        api=platform.app(
            ROUTERS,
            Container(Desk(shell, views, uses, uuid7), views, tasks, codes.book, codes.calendar),
            keys=PartnerKeys(platform.database, consumers.ORGANISATIONS),
            holdings=HOLDINGS,
        ),
        shell=shell,
        consumers=consumers.events(uses),
        states=[
            Reaction(reader)
            for reader in consumers.states(dossiers.apply, dossiers.empty, apply_organisations)
        ],
        projections=consumers.projections(Calls(codes, add_calls).apply),
        fire=sweeper.fire,
        loops=[
            Loop("pulse", sweeper.follow, drain=2, stalled_after=BEAT_EVERY * 12),
            Loop("recount", recount.follow, drain=5, stalled_after=LOOK_EVERY * 2, needed=False),
        ],
    )


if __name__ == "__main__":
    run("mediation", Settings, build)
