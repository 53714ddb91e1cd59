"""Sessions: when and how the parties meet, and whether they did."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from libs.clocks import LOCAL
from libs.events.mediation import Party, SessionHeld, SessionScheduled
from libs.web.errors import FieldError, ForbiddenAction, Invalid, NotFound, Title
from services.mediation.domain import clocks
from services.mediation.domain.case import Session, Words
from services.mediation.domain.turn import Turn

SESSION_TERMS = ("PROD-SESSION", "PROD-CONSULT")
FACE_TO_FACE = frozenset({"clinic", "call-out", "house-call"})
FARTHEST = timedelta(days=366)
ADVISED = {"CONSULTATION": "advised", "SUPPORT": "advised", "SERVICE": "done"}
"""What a session that was held makes of a case without two sides."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A session is set; its place is sealed."""

    starts_at: datetime
    mode: str
    parties: tuple[Party, ...]
    place: Words | None = None


@dataclass(frozen=True, slots=True)
class SessionOutcome:
    """What became of a session. `next_at` sets the next one in the same mode with the same parties;
    `next_step` says in words what else follows."""

    session_id: UUID
    held: bool
    record: Words | None = None
    next_at: datetime | None = None
    next_step: Words | None = None


class NotSafe(ForbiddenAction):
    """A danger flag stands against the meeting until a supervisor lowers it."""

    CODE, TITLE = "not_safe", Title("风险解除前不得进行", "A danger flag stands against it")


def schedule(turn: Turn, command: Schedule) -> None:
    """Set a session, never one that a danger flag forbids."""
    safe_to_mediate(turn)
    unsafe = turn.codes.no_joint_session.intersection(turn.case.facts.flags)
    if unsafe and command.mode in FACE_TO_FACE and len(command.parties) > 1:
        # DV15 arts 13, 15: nobody is put face to face with a violent side; the women's federation is told.
        raise NotSafe(flags=sorted(unsafe))
    _check_time(turn, command.starts_at)
    session = Session(turn.moment.new_id(), command.starts_at, command.mode, command.parties)
    turn.become(sessions=(*turn.case.sessions, session))
    turn.note("place", command.place, about=str(session.session_id))
    turn.reply["session_id"] = str(session.session_id)
    turn.status = 201
    turn.tell(
        SessionScheduled,
        session_id=session.session_id,
        starts_at=session.starts_at,
        mode=session.mode,
        parties=session.parties,
    )


def outcome(turn: Turn, command: SessionOutcome) -> None:
    """A session took place or fell through; said once."""
    session = next((s for s in turn.case.sessions if s.session_id == command.session_id), None)
    if session is None:
        raise NotFound
    if session.held is not None:
        raise ForbiddenAction("session_known", state=turn.case.state, allowed=[])
    known = replace(session, held=command.held)
    turn.become(sessions=tuple(known if s is session else s for s in turn.case.sessions))
    turn.note("record", command.record, about=str(session.session_id))
    turn.note("next_step", command.next_step, about=str(session.session_id))
    if command.held:
        clocks.stop(turn, *SESSION_TERMS)
        turn.become(state=ADVISED.get(turn.case.track, turn.case.state))
    turn.tell(SessionHeld, session_id=session.session_id, held=command.held)
    if command.next_at is not None:
        schedule(turn, Schedule(command.next_at, session.mode, session.parties))


def _check_time(turn: Turn, starts_at: datetime) -> None:
    taken_up_at = turn.case.taken_up_at or turn.now
    if (
        not taken_up_at.astimezone(LOCAL).date()
        <= starts_at.astimezone(LOCAL).date()
        <= turn.today + FARTHEST
    ):
        raise Invalid(errors=[FieldError("/starts_at", "out_of_range", "session_time")])


def safe_to_mediate(turn: Turn) -> None:
    """Raise where a flag stops mediating until a person lowers it (flags.json, `mediation`)."""
    if stopped := turn.codes.no_mediation.intersection(turn.case.facts.flags):
        raise NotSafe(flags=sorted(stopped))
