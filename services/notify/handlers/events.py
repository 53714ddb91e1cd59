"""What an event of intake or mediation does: facts are learned, messages planned, waiting ones let go."""

from dataclasses import replace

from libs.db.work import Decision, Moment
from libs.events.base import CaseFacts, Owned
from libs.events.intake import CaseAccepted, CaseAmended, CaseFlagsChanged, CaseReleased, IntakeEvent
from libs.events.mediation import ConsentRecorded
from services.notify.domain.case import UNSENT, Correspondence, Facts
from services.notify.domain.planning import Occasion, Trigger, assess, plan
from services.notify.handlers.desk import decided, desk

Learned = CaseAccepted | CaseAmended | CaseFlagsChanged | CaseReleased


class ContactArrived:
    """A newer copy of the case's contact was written."""


def tell(case: Correspondence | None, event: Trigger, moment: Moment) -> Decision[Correspondence]:
    """An event that citizens hear of plans its messages; its own facts count before that."""
    assert moment.event is not None  # noqa: S101 - only events come here
    known = _learned(case, event, moment)
    occasion = Occasion(event, moment.event.caseversion, moment.now, moment.new_id, moment.event.traceparent)
    after = _let_go(known, moment)
    for message in plan(after, occasion, desk(moment).rules):
        after = after.with_message(message)
    return decided(case, after)


def learn(case: Correspondence | None, event: Learned, moment: Moment) -> Decision[Correspondence]:
    """New facts count from here on, for messages that are not sent yet too."""
    return decided(case, _let_go(_learned(case, event, moment), moment))


def hear_consent(
    case: Correspondence | None, event: ConsentRecorded, moment: Moment
) -> Decision[Correspondence]:
    """A respondent that agreed to take part hears of the case from now on; one that refuses no longer."""
    known = _learned(case, event, moment)
    if event.party == "respondent":
        known = replace(known, respondent_agreed=event.decision == "agrees")
    return decided(case, known)


def contact_arrived(
    case: Correspondence | None, command: ContactArrived, moment: Moment
) -> Decision[Correspondence]:
    """Messages that waited for the dossier go on (G8)."""
    if case is None:
        return Decision(None, ignored="no message waits")
    return decided(case, _let_go(desk(moment).lay_out(case), moment))


def _learned(case: Correspondence | None, event: Owned, moment: Moment) -> Correspondence:
    """The case, made by whichever event comes first, with the facts that the event carries."""
    known = desk(moment).lay_out(case or Correspondence(event.case_id, event.district))
    facts = getattr(event, "case", None)
    if not isinstance(facts, CaseFacts) or moment.event is None:
        return known
    version = moment.event.caseversion if isinstance(event, IntakeEvent) else 0
    return known.knowing(Facts.of(facts, version))


def _let_go(case: Correspondence, moment: Moment) -> Correspondence:
    """Every unsent message assessed anew."""
    rules = desk(moment).rules
    for message in case.messages.values():
        if message.state in UNSENT:
            case = case.with_message(assess(case, message, rules, moment.now))
    return case
