"""What must hold, whatever happened: each promise a function of its own, with the cases at fault.

Pure: no database, no broker, no clock. A planted fault of every kind is found (tests/unit/faults).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from faults.evidence import OWNERS, Event, Evidence

LONGEST_ANSWER: Final = 11.0
"""Seconds: a request is answered within 10 (G2), and the client's own clock takes a little."""
LATEST_ALARM: Final = timedelta(seconds=25)
"""A clock is told of within its grace of 10 s (G17), a sweep, and a little."""
LARGEST: Final = {"MiB": 400.0, "sessions": 145.0}
"""What a service may take of memory, and all together of PostgreSQL's connections."""
LONGEST_RECOVERY: Final = 30.0
"""Seconds from the end of a fault to everything in service (I11)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A promise that did not hold: which, of which case (empty: of none alone), and what was seen."""

    promise: str
    case_id: str
    seen: str


Check = Callable[[Evidence], Iterator[tuple[str, str]]]
"""Yields `(case_id, what was seen)` for each breach."""


def nothing_lost_nothing_invented(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """I1: every request that was told its number is there once, an unknown one at most once, and no case is
    there that nobody asked for."""
    by_ref: dict[str, list[str]] = defaultdict(list)
    for case in evidence.cases:
        by_ref[case.ref or ""].append(case.case_id)
    asked, told = {line.ref for line in evidence.history}, dict[str, str]()
    for line in evidence.history:
        if line.outcome == "ok":
            if told.setdefault(line.ref, line.case_id) != line.case_id:
                yield line.case_id, f"{line.ref} was told two numbers"
            if line.case_id not in by_ref[line.ref]:
                yield line.case_id, f"{line.ref} was told a number, and there is no such case"
    for ref, cases in by_ref.items():
        if ref not in asked:
            yield cases[0], f"nobody asked for {len(cases)} case(s) with the reference {ref!r}"
        elif len(cases) > 1:
            yield cases[0], f"{ref} is there {len(cases)} times"


def no_answer_is_missing(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """I1: in the end every request got an answer that counts."""
    last = {line.ref: line.outcome for line in evidence.history}
    for ref, outcome in last.items():
        if outcome != "ok":
            yield "", f"{ref} ended as {outcome}"


def case_event_and_audit_are_one(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """I2: a case, its events and its audit record are there together or not at all; its version is the number
    of its events (G6)."""
    events: dict[tuple[str, str], list[int]] = defaultdict(list)
    owner = {topic: service for service, topic in OWNERS.items()}
    for event in evidence.events:
        events[owner[event.topic], event.case_id].append(event.version)
    for (service, case_id), version in evidence.heads.items():
        seen = sorted(events[service, case_id])
        if seen != list(range(1, version + 1)):
            yield case_id, f"{service} has version {version} and events {seen}"
    for service, case_id in events.keys() - evidence.heads.keys():
        yield case_id, f"{service} has events of a case that it does not have"
    for case in evidence.cases:
        if ("intake", case.case_id) not in evidence.heads:
            yield case.case_id, "intake has the case without its head"
        if (times := evidence.registrations_audited.get(case.case_id, 0)) != 1:
            yield case.case_id, f"its registration stands {times} times in the audit"


def topics_equal_the_tables(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """I3: what was published is what was stored, nothing else."""
    stored = {event.event_id: event for event in evidence.events}
    published = {record.event_id for record in evidence.records}
    for event_id in stored.keys() - published:
        yield stored[event_id].case_id, f"{stored[event_id].type} was never published"
    for record in evidence.records:
        if record.event_id not in stored:
            yield record.case_id, f"{record.type} at {record.topic} {record.place} was never stored"


def order_per_case(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """I3: per case and topic the first of each version come as 1, 2, 3 … on one partition."""
    seen: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for record in evidence.records:
        seen[record.topic, record.case_id].append(record)
    for (topic, case_id), records in seen.items():
        if len({record.place[0] for record in records}) > 1:
            yield case_id, f"{topic} has it on several partitions"
        firsts = list(dict.fromkeys(r.version for r in sorted(records, key=lambda r: r.place)))
        if firsts != list(range(1, len(firsts) + 1)):
            yield case_id, f"{topic} has its versions in the order {firsts}"


def each_effect_once(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """I4: every event was handled once by each of its consumers, none twice, none not at all."""
    done = Counter((row.consumer, row.event_id) for row in evidence.inbox)
    status = {(row.consumer, row.event_id): row.status for row in evidence.inbox}
    for consumer, wanted in evidence.handled.items():
        for event in evidence.events:
            if (event.topic, event.type) not in wanted:
                continue
            key = (consumer, event.event_id)
            if done[key] != 1 or status.get(key) != "done":
                yield event.case_id, f"{consumer} has {event.type} as {status.get(key, 'nothing')}"


def each_proposal_has_one_answer(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """I4, G16: a proposal is offered or refused once, and a case is opened once."""
    answers: Counter[str] = Counter()
    opened: Counter[str] = Counter()
    for event in evidence.events:
        if event.type in ("case.offered", "case.offer_refused"):
            answers[str(event.payload.get("assignment_id"))] += 1
        if event.type == "case.opened":
            opened[event.case_id] += 1
    for event in evidence.events:
        if event.type == "assignment.proposed":
            times = answers[str(event.payload.get("assignment_id"))]
            if times != 1:
                yield event.case_id, f"its proposal {event.version} was answered {times} times"
    for case_id, times in opened.items():
        if times > 1:
            yield case_id, f"it was opened {times} times"


def loads_are_what_is_held(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """G5: what routing counts an organisation as carrying is what mediation says that it holds."""
    for org in sorted({*evidence.counted, *evidence.held}):
        counted, held = evidence.counted.get(org, 0), evidence.held.get(org, 0)
        if counted != held:
            yield "", f"{org} is counted with {counted} cases and holds {held}"


def at_most_one_sms(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """I5: of each (case, template, party, trigger) the gateway took one SMS, or none; more only where an
    attempt had no answer and a person asked for it again. What counts as sent was taken."""
    taken = Counter(evidence.ledger)
    by_purpose: dict[tuple[str, str, str, str, int], int] = defaultdict(int)
    known = set()
    for message in evidence.messages:
        known.add(message.message_id)
        times = taken[message.message_id]
        if times > 1:
            yield message.case_id, f"{message.template} went out {times} times"
        if times == 0 and message.state in ("sent", "delivered"):
            yield message.case_id, f"{message.template} counts as {message.state} and never went out"
        if times and message.state in ("planned", "suppressed", "deferred"):
            yield message.case_id, f"{message.template} went out and counts as {message.state}"
        if not message.unsure:
            purpose = (message.case_id, message.template, message.party, message.trigger, message.version)
            by_purpose[purpose] += times
    for (case_id, template, party, *_), times in by_purpose.items():
        if times > 1:
            yield case_id, f"{template} for the {party} went out {times} times for one reason"
    for message_id in taken.keys() - known:
        yield "", f"an SMS went out for a message {message_id!r} that nobody planned"


_HELD: Final = frozenset({"held"})
TRANSITIONS: Final[Mapping[str, tuple[frozenset[str], str]]] = {
    "case.offered": (frozenset({"awaiting", "offered"}), "offered"),
    "case.offer_withdrawn": (frozenset({"offered"}), "awaiting"),
    "case.taken_up": (frozenset({"offered"}), "held"),
    "case.returned": (frozenset({"offered"}), "awaiting"),
    "case.offer_expired": (frozenset({"offered"}), "awaiting"),
    "case.handed_back": (_HELD, "awaiting"),
    "case.recalled": (_HELD, "awaiting"),
    "contact.attempted": (frozenset({"held", "agreed"}), ""),
    "consent.requested": (_HELD, ""),
    "consent.recorded": (_HELD, ""),
    "mediator.appointed": (_HELD, ""),
    "session.scheduled": (_HELD, ""),
    "session.held": (_HELD, ""),
    "agreement.reached": (_HELD, "agreed"),
    "performance.recorded": (frozenset({"agreed"}), ""),
    "mediation.ended": (frozenset({"held", "agreed"}), "ended"),
    "case.closed": (frozenset({"awaiting", "offered", "held", "agreed", "ended"}), "closed"),
    "case.rated": (frozenset({"closed"}), ""),
}
"""Event → the states in which it may come, and the one that follows (empty: the same). `case.opened` is not
among them: a proposal may overtake the acceptance that it answers (G8)."""


def only_legal_steps(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """I7: a case of mediation goes only where its lifecycle leads, and a closed one stays closed."""
    by_case: dict[str, list[Event]] = defaultdict(list)
    for event in evidence.events:
        if event.topic == OWNERS["mediation"]:
            by_case[event.case_id].append(event)
    for case_id, events in by_case.items():
        state = "awaiting"
        for event in sorted(events, key=lambda e: e.version):
            if event.type not in TRANSITIONS:
                continue
            may, after = TRANSITIONS[event.type]
            if state not in may:
                yield case_id, f"{event.type} came while it was {state}"
            state = after or state


def clocks_fire_once_never_early(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """I8: a clock that ran out was told once, and not before its time; none that ran out was passed over."""
    fired: dict[tuple[str, str, str], Event] = {}
    for event in sorted(evidence.events, key=lambda e: (e.topic, e.case_id, e.version)):
        key = (event.topic, event.case_id, str(event.payload.get("rule")))
        if event.type == "case.offered":  # each offer has a clock of its own
            fired.pop((event.topic, event.case_id, "PROD-OFFER"), None)
        if event.type == "deadline.missed":
            if key in fired:
                yield event.case_id, f"{key[2]} ran out twice"
            fired[key] = event
    for clock in evidence.clocks:
        key = (OWNERS.get(clock.service, ""), clock.case_id, clock.rule)
        told = fired.get(key)
        if clock.status == "missed" and told is not None and told.at < clock.due_at:
            yield clock.case_id, f"{clock.rule} ran out {clock.due_at - told.at} early"
        if clock.status == "open" and clock.due_at < evidence.now - LATEST_ALARM:
            yield clock.case_id, f"{clock.rule} ran out at {clock.due_at} and nobody was told"
        if clock.status == "missed" and told is None:
            yield clock.case_id, f"{clock.rule} counts as missed and was never told"


def audit_holds(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """I9: no chain of the audit is broken."""
    for place in evidence.broken_chains:
        yield "", place


def nothing_personal_in_the_clear(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """I10: no name, number or story stands on a topic or in a log."""
    patterns = [re.compile(secret.encode()) for secret in evidence.secrets]
    for place, text in evidence.texts.items():
        for pattern in patterns:
            if pattern.search(text):
                yield "", f"{place} holds something like {pattern.pattern.decode()}"


def back_in_time(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """I11: after each fault everything was in service again within its time."""
    for fault, seconds in evidence.recoveries:
        if seconds > LONGEST_RECOVERY:
            yield "", f"{seconds:.0f} s after {fault} not everything was in service"


def no_request_hangs(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """I12: every request was answered in time, or its connection was lost.

    By as long as the process could not run at all the answer may be later.
    """
    for line in evidence.history:
        still = sum(
            max(0.0, min(end, line.at) - max(begin, line.at - line.took))
            for begin, end in evidence.standstills
        )
        if line.outcome in ("ok", "refused") and line.took - still > LONGEST_ANSWER:
            yield line.case_id, f"{line.ref} was answered after {line.took:.1f} s"


def nothing_grows_without_end(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """I12: memory and connections stayed within their bounds."""
    for what, seen in evidence.peaks.items():
        if seen > LARGEST[what.partition(" ")[0]]:
            yield "", f"{what}: {seen:.0f}"


def everything_came_to_rest(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """I12: once the faults are over nothing is left waiting, parked, dead or unsent."""
    for what, count in evidence.left.items():
        if count:
            yield "", f"{what}: {count}"


CHECKS: Final[Mapping[str, Check]] = {
    "I1 nothing lost, nothing invented": nothing_lost_nothing_invented,
    "I1 no answer is missing": no_answer_is_missing,
    "I2 case, event and audit are one": case_event_and_audit_are_one,
    "I3 topics equal the tables": topics_equal_the_tables,
    "I3 order per case": order_per_case,
    "I4 each effect once": each_effect_once,
    "I4 each proposal has one answer": each_proposal_has_one_answer,
    "I4 loads are what is held": loads_are_what_is_held,
    "I5 at most one SMS": at_most_one_sms,
    "I7 only legal steps": only_legal_steps,
    "I8 clocks fire once, never early": clocks_fire_once_never_early,
    "I9 the audit holds": audit_holds,
    "I10 nothing personal in the clear": nothing_personal_in_the_clear,
    "I11 back in time": back_in_time,
    "I12 no request hangs": no_request_hangs,
    "I12 nothing grows without end": nothing_grows_without_end,
    "I12 everything came to rest": everything_came_to_rest,
}
"""Every promise by its name. I6 comes with webhooks."""


def check(evidence: Evidence) -> list[Finding]:
    """All breaches of all promises."""
    return [
        Finding(promise, case_id, seen)
        for promise, judged in CHECKS.items()
        for case_id, seen in judged(evidence)
    ]


def told(findings: list[Finding], evidence: Evidence, stories: int = 3) -> str:
    """The findings, and the whole story of the first cases at fault."""
    lines = [f"{finding.promise}: {finding.case_id} {finding.seen}" for finding in findings[:50]]
    if len(findings) > 50:
        lines.append(f"and {len(findings) - 50} more")
    at_fault = list(dict.fromkeys(finding.case_id for finding in findings if finding.case_id))
    for case_id in at_fault[:stories]:
        lines += [f"-- {case_id}", *evidence.story(case_id)]
    return "\n".join(lines)
