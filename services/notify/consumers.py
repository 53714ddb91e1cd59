"""What notify reacts to: events of intake and mediation, and the contact in the dossier."""

from typing import Final

from libs.events.intake import (
    CaseAccepted,
    CaseAmended,
    CaseFlagsChanged,
    CaseForwarded,
    CaseMerged,
    CaseRefused,
    CaseRegistered,
    CaseReleased,
)
from libs.events.mediation import (
    AgreementReached,
    CaseClosed,
    CaseExtended,
    CaseOpened,
    CaseTakenUp,
    ConsentRecorded,
    ConsentRequested,
    MediationEnded,
    ReplyIssued,
    SessionScheduled,
)
from libs.messaging.consumer import Apply, Empty, EventConsumer, StateReader
from services.notify.handlers import HEAR_CONSENT, LEARN, TELL

INTAKE: Final = EventConsumer(
    name="notify.intake-case",
    topic="intake.case.v1",
    handlers={
        CaseRegistered: TELL,
        CaseRefused: TELL,
        CaseForwarded: TELL,
        CaseMerged: TELL,
        CaseAccepted: LEARN,
        CaseAmended: LEARN,
        CaseFlagsChanged: LEARN,
        CaseReleased: LEARN,
    },
)

MEDIATION: Final = EventConsumer(
    name="notify.mediation-case",
    topic="mediation.case.v1",
    handlers={
        CaseOpened: TELL,
        CaseTakenUp: TELL,
        ConsentRequested: TELL,
        ConsentRecorded: HEAR_CONSENT,
        SessionScheduled: TELL,
        AgreementReached: TELL,
        MediationEnded: TELL,
        CaseExtended: TELL,
        ReplyIssued: TELL,
        CaseClosed: TELL,
    },
)

DOSSIER: Final = "notify.intake-dossier"


def dossier(apply: Apply, empty: Empty) -> StateReader:
    """Notify's copy of how applicants are reached."""
    return StateReader(DOSSIER, "intake.dossier.v1", apply, empty)
