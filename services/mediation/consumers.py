"""What mediation reacts to, topic by topic: the newcomer's map of the service."""

from collections.abc import Sequence
from typing import Final

from libs.events.notify import MessageFailed, MessageReceived, MessageSuppressed
from libs.messaging.consumer import Apply, ApplyEvents, Empty, EventConsumer, Projection, StateReader
from services.mediation.handlers.cases import UseCases

ORGANISATIONS: Final = "mediation.routing-organisation"
"""Its position tells how old the copy of the partners' keys is (G15)."""


def events(uses: UseCases) -> Sequence[EventConsumer]:
    """The word of intake, routing and notify; the tables of types are those of `handlers.cases.use_cases`."""
    return (
        EventConsumer("mediation.intake-case", "intake.case.v1", uses.intake),
        EventConsumer("mediation.routing-assignment", "routing.assignment.v1", uses.routing),
        EventConsumer("mediation.notify-message", "notify.message.v1", uses.notify, gather=0.25),
    )


def states(dossiers: Apply, empty: Empty, organisations: Apply) -> Sequence[StateReader]:
    """The copies of citizens' dossiers and of organisations with their keys."""
    return (
        StateReader("mediation.intake-dossier", "intake.dossier.v1", dossiers, empty, gather=0.1),
        StateReader(ORGANISATIONS, "routing.organisation.v1", organisations),
    )


def projections(calls: ApplyEvents) -> Sequence[Projection]:
    """The calls that messages ask for, also of cases that mediation never opens."""
    fates = (MessageSuppressed, MessageFailed, MessageReceived)
    return (Projection("mediation.notify-calls", [MessageReceived.TOPIC], calls, types=fates),)
