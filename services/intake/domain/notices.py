"""The written notice of what was decided on a matter (XF22 arts 22, 23): to whom, what, why, where next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from libs.clocks.calendar import LOCAL
from libs.db.work import Decision, Moment
from libs.web.errors import Refusal, Title
from services.intake.domain.case import Case, answer, audited, readers, require, visible
from services.intake.domain.flags import FlagRules


class NoNotice(Refusal):
    """Nothing is decided yet, or no notice is owed: name or address are not told (XF22 art 23)."""

    STATUS, CODE, TITLE = 409, "no_notice", Title("该案件无告知书", "There is no notice for this case")


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence, and the value without which it is left out."""

    text: str
    needs: str | None


@dataclass(frozen=True, slots=True)
class Names:
    """How the codes of a notice are called."""

    kinds: Mapping[str, str]
    routes: Mapping[str, str]
    petition_routes: frozenset[str]
    """Lawful routes on which the term of a petition runs."""
    reasons: Mapping[str, str]
    bodies: Mapping[str, str]
    channels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Form:
    """The notice of one decision."""

    title: str
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Notices:
    """Writes notices."""

    forms: Mapping[str, Form]
    """By the stage of a case."""
    names: Names

    def written(self, case: Case, addressee: str | None, today: date) -> dict[str, Any]:
        """Title, addressee, paragraphs, number and date. Raises NoNotice."""
        form = self.form_of(case)
        values = self._values(case)
        return {
            "title": form.title,
            "addressee": addressee,
            "paragraphs": [
                line.text.format_map(values)
                for line in form.lines
                if line.needs is None or values.get(line.needs)
            ],
            "number": case.facts.query_code,
            "dated": today.isoformat(),
        }

    def form_of(self, case: Case) -> Form:
        """The notice of what was decided. Raises NoNotice."""
        form = self.forms.get(case.stage)
        if form is None or not case.facts.real_name:
            raise NoNotice(state=case.stage)
        return form

    def _values(self, case: Case) -> dict[str, str]:
        names, facts = self.names, case.facts
        values = {
            "received_on": chinese_date(facts.received_at),
            "channel": names.channels[facts.channel],
            "kind": names.kinds.get(facts.kind or "", ""),
            "query_code": facts.query_code,
            "reason": names.reasons.get(case.reason_code or "", ""),
            "route": names.routes.get(facts.lawful_route or "", ""),
            "body": names.bodies.get(case.directed_to or "", ""),
            "petition_clock": facts.lawful_route if facts.lawful_route in names.petition_routes else None,
        }
        told = {name: value for name, value in values.items() if value is not None}
        return told if told["body"] else {**told, "no_body": "1"}


@dataclass(frozen=True, slots=True)
class Print:
    """A person prints the notice of a case, in which the applicant is named."""

    notices: Notices
    flags: FlagRules


def print_notice(case: Case | None, command: Print, moment: Moment) -> Decision[Case]:
    """Record who sees the applicant's name for a notice. A dispatcher's act, where secrecy was asked for a
    supervisor's; raises NoNotice too early."""
    case = visible(case, moment.actor)
    require(moment.actor, readers(case, command.flags), case)
    command.notices.form_of(case)
    return Decision(case, reply=answer(case, moment.version), audit=audited("case.notice_printed", case))


def chinese_date(instant: datetime) -> str:
    """The local day as a letter writes it."""
    day = instant.astimezone(LOCAL).date()
    return f"{day.year}年{day.month}月{day.day}日"


def notices(data: Mapping[str, Mapping[str, Any]]) -> Notices:
    """The notices of the parsed files `notices`, `kinds`, `reasons` and `organisations`."""
    organisations, kinds = data["organisations"], data["kinds"]
    parts = ("organisations", "referral_targets")
    routes = kinds["lawful_routes"]
    return Notices(
        forms={
            row["stage"]: Form(row["zh"], [Line(line["text"], line.get("needs")) for line in row["lines"]])
            for row in data["notices"]["notices"]
        },
        names=Names(
            kinds={row["code"]: row["zh"] for row in kinds["kinds"]},
            routes={row["code"]: row["zh"] for row in routes},
            petition_routes=frozenset(row["code"] for row in routes if row["petition_clock"]),
            reasons={row["code"]: row["zh"] for row in data["reasons"]["not_accepted"]},
            bodies={row["code"]: row["zh"] for row in organisations["types"]}
            | {row["org_id"]: row["name"] for part in parts for row in organisations[part]},
            channels=data["notices"]["channels"],
        ),
    )
