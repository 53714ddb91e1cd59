"""How a mediation ends without agreement, how a case closes, and what the citizen says of it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

from libs.events.mediation import CaseClosed, CaseExtended, CaseRated, MediationEnded
from libs.events.notify import MessageReceived
from libs.web.errors import FieldError, Invalid, Refusal, Title
from services.mediation.domain import clocks
from services.mediation.domain.case import Words
from services.mediation.domain.turn import Turn

STATUTORY_ROUTES = ("R1", "R2", "R4")
"""Court, arbitration, administrative procedure: what N15 tells where nobody else did (PMA art 26)."""

LONGEST_EXTENSION = timedelta(days=366)
"""No law names a limit where both agree; a year keeps a slip of the pen from stopping the clock."""

RATING_TERM = "PROD-REOPEN"
"""While the citizen may still reopen, the rating may still change."""

RESULTS = {
    "agreed": frozenset({"SOLVED", "PARTLY"}),
    "performing": frozenset({"SOLVED", "PARTLY", "UNSOLVED"}),
    "ended": frozenset({"PARTLY", "UNSOLVED", "REFERRED"}),
    "taken_up": frozenset({"CONSULTED", "SOLVED", "PARTLY", "UNSOLVED", "REFERRED"}),
    "advised": frozenset({"CONSULTED", "SOLVED", "PARTLY", "UNSOLVED", "REFERRED"}),
    "done": frozenset({"SOLVED", "PARTLY", "UNSOLVED", "REFERRED"}),
}
"""What an organisation may close a case with, by the state it stands in: no agreement, nothing solved."""


@dataclass(frozen=True, slots=True)
class End:
    """The organisation ends the mediation and says which other routes it told the parties of."""

    reason_code: str
    routes_told: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Extend:
    """Both parties prolong the term of the mediation; why is sealed."""

    until: date
    both_agree: bool
    reason: Words | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """The result, and a summary that is sealed."""

    result: str
    summary: Words | None = None


class ResultNotPossible(Refusal):
    """The result contradicts what is recorded of the case."""

    STATUS, CODE = 409, "result_not_possible"
    TITLE = Title("该结果与案件记录不符", "The result contradicts the record")


class NotExtendable(Refusal):
    """No term that the parties may prolong is running."""

    STATUS, CODE, TITLE = 409, "not_extendable", Title("没有可延长的期限", "No term that may be prolonged")


def end(turn: Turn, command: End) -> None:
    """End without agreement. Telling the other routes is a duty, never left out (PMA art 26)."""
    if command.reason_code not in turn.codes.ended:
        raise Invalid(errors=[FieldError("/reason_code", "unknown_code")])
    if not command.routes_told:
        raise Invalid(errors=[FieldError("/routes_told", "required", "routes_told")])
    if unknown := set(command.routes_told) - turn.codes.lawful_routes:
        where = command.routes_told.index(min(unknown))
        raise Invalid(errors=[FieldError(f"/routes_told/{where}", "unknown_code", "lawful_route")])
    end_mediation(turn, command.reason_code, command.routes_told)


def end_mediation(turn: Turn, reason: str, routes_told: Collection[str]) -> None:
    """The mediation is over; what was owed in it is owed no more, what its end starts begins."""
    clocks.stop_mediation(turn, "ended")
    clocks.stop_of_holder(turn)
    turn.become(state="ended", ended_as=reason)
    clocks.start(turn, "mediation.ended", turn.now)
    turn.tell(MediationEnded, reason_code=reason, routes_told=tuple(routes_told))


def close(turn: Turn, command: Close) -> None:
    """The organisation closes its case with a result that the record bears out."""
    if command.result not in turn.codes.closed_by_partner:
        raise Invalid(errors=[FieldError("/result", "unknown_code", "partner_result")])
    possible = RESULTS[turn.case.state]
    made = turn.case.agreement
    if made is not None and (made.partial or not made.performed):
        possible = possible - {"SOLVED"}
    if command.result not in possible:
        raise ResultNotPossible(state=turn.case.state, possible=sorted(possible))
    turn.note("summary", command.summary)
    close_as(turn, command.result)


def close_by_staff(turn: Turn, command: Close) -> None:
    """A person of the district closes a case that no organisation holds."""
    if command.result not in turn.codes.closed:
        raise Invalid(errors=[FieldError("/result", "unknown_code")])
    turn.note("summary", command.summary)
    close_as(turn, command.result)


def close_as(turn: Turn, result: str) -> None:
    """The case is closed; duties end, rights run on, and the time to reopen begins."""
    clocks.stop_at_close(turn)
    turn.tasks_done()
    turn.become(state="closed", result=result)
    clocks.start(turn, "case.closed", turn.now)
    turn.tell(CaseClosed, result=result)


def extend(turn: Turn, command: Extend) -> None:
    """Both parties agree on more time, also when the term is over (SZ22 art 25; ZJLD20 art 10)."""
    if not command.both_agree:
        raise Invalid(errors=[FieldError("/both_agree", "required", "both_prolong")])
    term = clocks.running_term(turn)
    if term is None or term.due_on is None:
        raise NotExtendable
    if not max(term.due_on, turn.today) < command.until <= turn.today + LONGEST_EXTENSION:
        raise Invalid(errors=[FieldError("/until", "out_of_range", "extended_until")])
    clocks.prolong(turn, term, command.until)
    turn.note("extension", command.reason)
    turn.tell(CaseExtended, rule=term.rule, until=command.until)


def rate(turn: Turn, message: MessageReceived) -> None:
    """The citizen's rating by SMS. Of several the last one counts, as long as the case may be reopened."""
    term = turn.case.deadlines.get(RATING_TERM)
    if message.rating is None:
        turn.ignore("no_rating")
    elif term is None or not term.open or turn.now >= term.due_at:
        turn.ignore("too_late")
    elif message.rating == turn.case.rating:
        turn.ignore("same_rating")
    else:
        turn.become(rating=message.rating)
        turn.tell(CaseRated, rating=message.rating)
