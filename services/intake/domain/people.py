"""What follows from who speaks: age, real name, needs, phones, and what a person should look at."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Self

from libs.clocks.calendar import LOCAL
from libs.privacy.blindindex import Phone, read_phone
from services.intake.domain.case import Warning
from services.intake.domain.flags import Entered
from services.intake.domain.reference import Reference
from services.intake.domain.statement import Statement

COMMON_LANGUAGE: Final = "zh"


@dataclass(frozen=True, slots=True)
class Personal:
    """What was said of people, as JSON-able values: it is kept and passed on only sealed."""

    applicant: Mapping[str, Any]
    story: Mapping[str, Any]
    phone: Phone | None

    @classmethod
    def of(cls, applicant: Mapping[str, Any], story: Mapping[str, Any]) -> Self:
        """The parts, with the applicant's number understood."""
        return cls(applicant, story, read_phone(applicant["phone"]) if applicant["phone"] else None)


def personal(said: Statement) -> Personal:
    """The personal part of a statement. A number that called us is verified unless somebody says no."""
    applicant = said.applicant.model_dump(mode="json")
    if applicant["phone_verified"] is None:
        applicant["phone_verified"] = said.channel == "phone"
    return Personal.of(
        applicant,
        {
            "narrative": said.narrative,
            "address": said.place.address,
            "respondents": [respondent.model_dump() for respondent in said.respondents],
            "representatives": [representative.model_dump() for representative in said.representatives],
            "mode": said.mode,
        },
    )


def private_names(said: Personal) -> list[str]:
    """The names of persons that a case tells; a company's name is no secret of a person."""
    who, story = said.applicant, said.story
    people = [who, who["guardian"] or {}, *story["respondents"], *story["representatives"]]
    return [person["name"] for person in people if person.get("name") and not person.get("organisation")]


def age_on(birth_date: date, day: date) -> int:
    """Completed years (CC art 1259 counts the age from the birthday)."""
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


def entered(said: Statement, received_at: datetime) -> Entered:
    """The fields that structured rules compare; the age is that of the day of receipt."""
    birth_date = said.applicant.birth_date
    age = None if birth_date is None else age_on(birth_date, received_at.astimezone(LOCAL).date())
    return Entered(said.headcount, said.applicant.language, age, said.applicant.anonymous)


def real_name(said: Statement) -> bool:
    """Whether name and address are told; without them no written notice is owed (XF22 arts 19, 23)."""
    return bool(not said.applicant.anonymous and said.applicant.name and said.place.address)


def has_needs(said: Statement) -> bool:
    """Whether routing must know more than codes: a language, help with it, ethnic support, a service mode."""
    who = said.applicant
    return bool(
        who.language not in (None, COMMON_LANGUAGE) or who.language_help or who.ethnic_support or said.mode
    )


def warnings(said: Statement, phone: Phone | None, age: int | None, known: Reference) -> Iterator[Warning]:
    """What is registered as told, and still needs a person's eye."""
    if phone is not None and phone.warning:
        yield Warning(phone.warning, "/applicant/phone")
    for nth, respondent in enumerate(said.respondents):
        if respondent.phone and read_phone(respondent.phone).kind == "invalid":
            yield Warning("PHONE_INVALID", f"/respondents/{nth}/phone")
    if age is not None and age < known.limits["MINOR_AGE"] and said.applicant.guardian is None:
        yield Warning("GUARDIAN_MISSING", "/applicant/guardian")
    if len(said.representatives) > known.limits["REPRESENTATIVES_MAX"]:
        yield Warning("REPRESENTATIVES_OVER_LIMIT", "/representatives")
