"""Cases, files and events as JSON: codes, ids and dates; people only in a file."""

from typing import Any

from libs.messaging.deadline import Deadline, next_due
from services.mediation.domain import tasks
from services.mediation.domain.case import Agreement, Case, Offer, Session
from services.mediation.handlers.desk import File, Seen, Told
from services.mediation.process import ACTIONS, STAFF


def summary(seen: Seen) -> dict[str, Any]:
    """A case in a list."""
    case, facts = seen.case, seen.case.facts
    due = next_due(case.deadlines)
    task = min(case.tasks, key=lambda task: task.due_at, default=None)
    return {
        "case_id": case.case_id,
        "version": seen.version,
        "district": case.district,
        "query_code": facts.query_code,
        "state": case.state,
        "track": case.track,
        "kind": facts.kind,
        "category": facts.category,
        "topic": facts.topic,
        "grid": facts.grid,
        "urgency": facts.urgency,
        "flags": facts.flags,
        "received_at": facts.received_at,
        "owner": case.owner,
        "due": due and {"rule": due.rule, "due_on": due.due_on, "due_at": due.due_at},
        "task": task and {"queue": task.queue, "reason_code": task.reason_code, "due_at": task.due_at},
    }


def whole(seen: Seen) -> dict[str, Any]:
    """All that mediation knows of a case, apart from words."""
    case = seen.case
    return summary(seen) | {
        "headcount": case.facts.headcount,
        "amount_fen": case.facts.amount_fen,
        "parent": case.facts.parent,
        "org_id": case.org_id,
        "referred_to": case.referred_to,
        "consents": case.consents,
        "sessions": [_session(session) for session in case.sessions],
        "agreement": case.agreement and _agreement(case.agreement),
        "ended_as": case.ended_as,
        "result": case.result,
        "rating": case.rating,
        "deadlines": [_clock(clock) for clock in _in_order(case)],
    }


def for_staff(seen: Seen, timeline: list[Told]) -> dict[str, Any]:
    """A case with every offer, how each date was counted, and what was told of it."""
    return whole(seen) | {
        "allowed": sorted(STAFF.get(seen.case.state, ())),
        "offers": [_offer(offer) for offer in seen.case.offers],
        "deadlines": [_clock(clock) | {"working": clock.working} for clock in _in_order(seen.case)],
        "tasks": [tasks.shown(task, seen.case.case_id, seen.case.district) for task in seen.case.tasks],
        "timeline": [_event(told) for told in timeline],
    }


def for_holder(file: File) -> dict[str, Any]:
    """A case as its organisation sees it. `dossier` is `pending` until the citizen's part has come."""
    case = file.seen.case
    return whole(file.seen) | {
        "offer": case.offer and _offer(case.offer),
        "allowed": sorted(ACTIONS[case.track].get(case.state, ())),
        "dossier": "here" if file.arrived else "pending",
        "story": file.story,
        "contact": file.contact,
        "notes": [
            {"kind": said.kind, "about": said.about, "at": said.at, "text": said.text} for said in file.notes
        ],
    }


def thin(told: Told) -> dict[str, Any]:
    """An event as webhooks carry it (interfaces.md 6), with its id."""
    return {"id": told.event_id, "type": told.type, "timestamp": told.at, "data": told.data}


def _event(told: Told) -> dict[str, Any]:
    said = {name: value for name, value in told.data.items() if name not in ("case_id", "district")}
    return thin(told) | {"data": said}


def _in_order(case: Case) -> list[Deadline]:
    return sorted(case.deadlines.values(), key=lambda clock: (clock.due_at, clock.rule))


def _clock(clock: Deadline) -> dict[str, Any]:
    return {
        "rule": clock.rule,
        "status": clock.status,
        "started_at": clock.started_at,
        "due_on": clock.due_on,
        "due_at": clock.due_at,
        "warn_at": clock.warn_at,
        "provisional": clock.provisional,
    }


def _offer(offer: Offer) -> dict[str, Any]:
    return {
        "assignment_id": offer.assignment_id,
        "attempt": offer.attempt,
        "org_id": offer.org_id,
        "status": offer.status,
        "offered_at": offer.at,
        "due_at": offer.due_at,
        "reason_code": offer.reason_code,
    }


def _session(session: Session) -> dict[str, Any]:
    return {
        "session_id": session.session_id,
        "starts_at": session.starts_at,
        "mode": session.mode,
        "parties": session.parties,
        "held": session.held,
    }


def _agreement(made: Agreement) -> dict[str, Any]:
    return {
        "form": made.form,
        "partial": made.partial,
        "effective_on": made.effective_on,
        "items": [
            {"item": number, "due_on": item.due_on, "done": item.done}
            for number, item in enumerate(made.items, 1)
        ],
    }
