"""What a written notice says (XF22 arts 22, 23), and when there is none."""

import json
import re
from datetime import date
from typing import Any, get_args

import pytest

from libs.web.errors import Forbidden, NotFound
from services.intake.domain.case import Case
from services.intake.domain.notices import NoNotice, Print, print_notice
from services.intake.domain.statement import Channel
from tests.unit.intake.build import DATA, known, moment, registered

TODAY = date(2026, 3, 3)
SAID: dict[str, Any] = {
    "kind": "PET",
    "applicant": {"name": "陶安然", "phone": "13800000013"},
    "place": {"address": "南塘街道新丰三组"},
}

PRINT = Print(known().notices, known().flags)


def decided(**decision: str) -> Case:
    return registered(roles=("dispatcher",), **SAID, decision=decision)


def written(case: Case) -> dict[str, Any]:
    return known().notices.written(case, "陶安然", TODAY)


def test_an_accepted_petition_is_told_who_handles_it_on_which_route_and_until_when() -> None:
    notice = written(decided(action="accept", lawful_route="R6", directed_to="SD-NT"))
    assert (notice["title"], notice["addressee"], notice["dated"]) == ("受理告知书", "陶安然", "2026-03-03")
    assert notice["paragraphs"] == [
        "您于2026年3月2日通过电话提出的申诉求决事项（查询码K7M2P9QX）已收悉。",
        "经审查，予以受理，由南塘街道值班室办理。",
        "办理途径：信访程序。",
        "本事项自受理之日起六十日内办结；情况复杂的，经批准可以延长，延长期限不超过三十日，并向您说明理由。",
    ]


def test_on_another_route_no_term_of_a_petition_is_promised() -> None:
    said = written(decided(action="accept", lawful_route="R5", directed_to="MR-01"))["paragraphs"]
    assert not [line for line in said if "六十日" in line]


def test_a_refusal_tells_the_reason_and_where_to_go() -> None:
    notice = written(decided(action="refuse", reason_code="IN_LITIGATION", lawful_route="R1"))
    assert notice["title"] == "不予受理告知书"
    assert notice["paragraphs"][1:] == [
        "经审查，该事项已进入诉讼程序，不予受理。",
        "依照规定，该事项属于诉讼、复议、检察监督或公安程序的范围。",
        "您可以依法向区人民法院提出。",
    ]


def test_a_forwarding_tells_to_whom() -> None:
    said = written(decided(action="forward", directed_to="EN-01"))["paragraphs"]
    assert said[1] == "该事项已转送区生态环境分局，是否受理由该单位依法告知您。"


def test_before_a_decision_there_is_none() -> None:
    with pytest.raises(NoNotice):
        written(registered(**SAID))


@pytest.mark.parametrize("missing", ["applicant", "place"])
def test_without_name_or_address_none_is_owed(missing: str) -> None:
    said = {name: value for name, value in SAID.items() if name != missing}
    with pytest.raises(NoNotice):
        written(
            registered(roles=("dispatcher",), **said, decision={"action": "accept", "lawful_route": "R6"})
        )


def test_printing_is_a_dispatchers_act_and_audited() -> None:
    case = decided(action="forward", directed_to="EN-01")
    with pytest.raises(Forbidden):
        print_notice(case, PRINT, moment("operator"))
    (entry,) = print_notice(case, PRINT, moment("dispatcher")).audit
    assert entry.action == "case.notice_printed"
    with pytest.raises(NotFound):
        print_notice(case, PRINT, moment("dispatcher", districts=frozenset({"990102"})))


def test_where_secrecy_was_asked_for_the_applicant_is_named_to_a_supervisor_alone() -> None:
    case = decided(action="forward", directed_to="EN-01").with_facts(flags=("CONFIDENTIAL",))
    with pytest.raises(Forbidden):
        print_notice(case, PRINT, moment("dispatcher"))
    assert print_notice(case, PRINT, moment("supervisor")).audit


def test_what_is_not_printed_is_not_audited() -> None:
    with pytest.raises(NoNotice):
        print_notice(registered(**SAID), PRINT, moment("dispatcher"))


def test_every_channel_is_called_something_and_every_line_can_be_written() -> None:
    data = json.loads((DATA / "notices.json").read_text("utf-8"))
    assert data["channels"].keys() == set(get_args(Channel))
    values = {"received_on", "channel", "kind", "query_code", "reason", "route", "body", "petition_clock"}
    for form in data["notices"]:
        for line in form["lines"]:
            used = set(re.findall(r"\{(\w+)\}", line["text"]))
            assert used <= values
            assert line.get("needs", "body") in values | {"no_body"}
            assert used - {"received_on", "channel", "kind", "query_code"} <= {line.get("needs")}
