"""Puts notify together: settings → rules → store, doors, consumers, sender. Run as
`python -m services.notify.main [api|worker|all]`."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from prometheus_client import Gauge
from uuid_utils.compat import uuid7

from libs.db.shell import Shell
from libs.db.work import Outcome, Work
from libs.runtime.loops import Loop
from libs.runtime.service import Platform, Reaction, Service, run
from services.notify import consumers
from services.notify.api import ROUTERS, Container
from services.notify.domain.case import Correspondence
from services.notify.domain.rules import Practice, Rules
from services.notify.handlers.callbacks import Callbacks
from services.notify.handlers.sender import Channel, Do, Sender
from services.notify.handlers.upkeep import Upkeep
from services.notify.providers import Kannel, KannelGateway
from services.notify.settings import Settings
from services.notify.store.cases import CaseStore
from services.notify.store.contacts import Contacts
from services.notify.store.erasure import HOLDINGS
from services.notify.store.replies import Mailbox
from services.notify.store.sealing import Seals
from services.notify.store.views import Views

FILES: Final = ("sms_templates", "flags", "areas")


async def build(platform: Platform) -> Service:
    """Notify's parts over the shared ones."""
    settings: Settings = platform.settings
    rules = _rules(settings)
    seals, callbacks = Seals(platform.keyring), Callbacks(platform.keyring)
    shell = platform.shell(CaseStore(rules, seals))
    contacts = Contacts(platform.keyring, seals)
    do = in_one_transaction(shell.on(platform.worker_database))
    views = Views(platform.worker_database, seals, consumers.INTAKE.name, consumers.DOSSIER)
    upkeep = Upkeep(views, do, platform.now, rules.practice)
    loops = [Loop("upkeep", upkeep.run)]
    if platform.role != "api":
        # The sender looks again after each of its rounds: its own changes need not wake it.
        rounds = in_one_transaction(shell.on(platform.worker_database, quiet=True))
        loops.append(_sending(platform, settings, views, callbacks, rounds))
    return Service(
        api=platform.app(
            ROUTERS,
            Container(
                shell=shell,
                views=Views(platform.database, seals, consumers.INTAKE.name, consumers.DOSSIER),
                mail=Mailbox(platform.database, platform.keyring, seals, tuple(rules.telephones)),
                rules=rules,
                callbacks=callbacks,
                new_id=uuid7,
            ),
            holdings=HOLDINGS,
        ),
        shell=shell,
        consumers=[consumers.INTAKE, consumers.MEDIATION],
        states=[
            Reaction(consumers.dossier(contacts.apply, contacts.empty), upkeep.arrived),
        ],
        loops=loops,
    )


def _rules(settings: Settings) -> Rules:
    templates, flags, areas = (_read(settings.data, name) for name in FILES)
    practice = Practice(
        quiet_hours=settings.on_in_production(settings.quiet_hours),
        daily_cap=settings.on_in_production(settings.daily_cap),
        real_provider=settings.on_in_production(settings.real_provider),
        # Later than any call can end, so that only a call whose process died is taken for lost.
        call_lost_after=timedelta(seconds=settings.call_timeout_s + 5),
    )
    return Rules.read(templates, flags, areas, practice)


def in_one_transaction(shell: Shell[Correspondence]) -> Do:
    """The shell as loops use it: outcomes, None where a work has none."""

    async def do(works: Sequence[Work[Correspondence, Any]]) -> Sequence[Outcome | None]:
        return [result.outcome for result in await shell.run(works)]

    return do


def _sending(platform: Platform, settings: Settings, views: Views, callbacks: Callbacks, do: Do) -> Loop:
    kannel = Kannel(
        url=settings.gateway,
        username=settings.kannel_username,
        password=settings.kannel_password.get_secret_value(),
        sender=settings.sender_number,
        receipts=settings.receipts,
        real=settings.on_in_production(settings.real_provider),
        timeout_s=settings.call_timeout_s,
    )
    gateway = KannelGateway(kannel, callbacks, settings.calls)
    platform.lifecycle.close_last("sms gateway", gateway.close)
    is_open = Gauge(
        "heshi_sms_channel_open", "1: the gateway takes messages", registry=platform.metrics.registry
    )
    is_open.set(1)
    sender = Sender(views, gateway, do, platform.now, Channel(settings.calls, is_open.set))
    platform.on_change.append(sender.wake)
    return Loop("sender", sender.run)


def _read(folder: Path, name: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return parsed


if __name__ == "__main__":
    run("notify", Settings, build)
