"""What follows from who speaks, and who is told what of it."""

from datetime import date
from typing import Any

import pytest

from services.intake.domain.disclosure import compartments, masked, plain
from services.intake.domain.hiding import hide
from services.intake.domain.people import Personal, age_on, has_needs, personal, real_name
from services.intake.domain.registration import judge
from tests.unit.intake.build import DISTRICT, NOW, known, said

WHO = {
    "name": "周小川",
    "phone": "13800000001",
    "id_number": "990101199001011234",
    "birth_date": "1990-01-01",
}
SHARED = {"share_with_partner": True, "sms": True}


def parts(**fields: Any) -> Any:
    statement = said(**fields)
    told = personal(statement)
    facts = judge(statement, told.phone, known(), known().places[DISTRICT], NOW).facts
    return compartments(told, facts, known().flags)


@pytest.mark.parametrize(
    ("born", "on", "age"),
    [
        (date(1956, 3, 2), date(2026, 3, 2), 70),
        (date(1956, 3, 3), date(2026, 3, 2), 69),
        (date(2004, 2, 29), date(2026, 2, 28), 21),
        (date(2004, 2, 29), date(2026, 3, 1), 22),
    ],
)
def test_an_age_is_completed_on_the_birthday(born: date, on: date, age: int) -> None:
    assert age_on(born, on) == age


@pytest.mark.parametrize(
    ("who", "address", "is_real"),
    [
        ({"name": "周小川"}, "锦苑一期", True),
        ({"name": "周小川"}, None, False),
        ({"name": "周小川"}, "", False),
        ({"name": None}, "锦苑一期", False),
        ({"name": "周小川", "anonymous": True}, "锦苑一期", False),
    ],
)
def test_a_real_name_is_name_and_address(who: dict[str, Any], address: str | None, is_real: bool) -> None:
    assert real_name(said(applicant=who, place={"address": address})) is is_real


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({}, False),
        ({"applicant": {"language": "zh"}}, False),
        ({"applicant": {"language": "ii"}}, True),
        ({"applicant": {"language_help": True}}, True),
        ({"applicant": {"ethnic_support": True}}, True),
        ({"mode": "house-call"}, True),
    ],
)
def test_needs_are_what_routing_must_know_beyond_codes(fields: dict[str, Any], needs: bool) -> None:
    statement = said(**fields)
    assert has_needs(statement) is needs
    assert ("needs" in parts(**fields)) is needs


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({"applicant": {"phone": "13800000001"}}, []),
        ({"applicant": {"phone": "138"}}, ["PHONE_INVALID /applicant/phone"]),
        ({"applicant": {"phone": "+1 650 253 0000"}}, ["PHONE_FOREIGN /applicant/phone"]),
        ({"applicant": {"phone": "010-12345678"}}, ["PHONE_FIXED /applicant/phone"]),
        ({"respondents": [{"name": "某人", "phone": "1"}]}, ["PHONE_INVALID /respondents/0/phone"]),
        ({"applicant": {"birth_date": "2010-01-01"}}, ["GUARDIAN_MISSING /applicant/guardian"]),
        ({"applicant": {"birth_date": "2010-01-01", "guardian": {"name": "周大川"}}}, []),
        ({"representatives": [{"name": "某人"}] * 6}, ["REPRESENTATIVES_OVER_LIMIT /representatives"]),
        ({"place": {"grid": "99010100100299"}}, ["GRID_UNKNOWN /place/grid"]),
        ({"place": {"address": "幸福里"}}, ["GRID_UNRESOLVED /place/address"]),
        ({"narrative": "没有轻生的念头"}, ["MENTIONED_AND_DENIED /narrative"]),
    ],
)
def test_what_is_doubtful_is_registered_with_a_warning(fields: dict[str, Any], codes: list[str]) -> None:
    statement = said(**fields)
    judged = judge(statement, personal(statement).phone, known(), known().places[DISTRICT], NOW)
    assert [f"{warning.code} {warning.pointer}" for warning in judged.warnings] == codes


def test_an_unknown_grid_leaves_the_case_to_the_manual_queue_whatever_the_address_says() -> None:
    statement = said(place={"grid": "99010100100299", "address": "锦苑一期"})
    assert judge(statement, None, known(), known().places[DISTRICT], NOW).facts.grid is None


def test_a_known_grid_goes_before_the_address() -> None:
    statement = said(place={"grid": "99010100100203", "address": "锦苑一期"})
    assert judge(statement, None, known(), known().places[DISTRICT], NOW).facts.grid == "99010100100203"


def test_each_reader_gets_the_least_it_needs() -> None:
    told = parts(applicant=WHO, consents=SHARED, narrative="工资未发", amount_fen=100)
    assert told["contact"]["notify"] == {
        "phone": "+8613800000001",
        "sms_capable": True,
        "language": None,
        "language_help": False,
        "safe_contact": True,
        "name": None,
    }
    assert told["contact"]["mediation"]["name"] == "周小川"
    assert told["story"]["mediation"]["narrative"] == "工资未发"
    assert told["story"]["mediation"]["amount_fen"] == 100
    assert "990101199001011234" not in str(told)
    assert "1990" not in str(told)


def test_without_consent_to_share_mediation_learns_nothing_of_the_person() -> None:
    assert {name: set(readers) for name, readers in parts(applicant=WHO).items()} == {"contact": {"notify"}}


def test_secrecy_hides_the_applicant_from_mediation_but_not_the_matter() -> None:
    told = parts(applicant=WHO, consents=SHARED, narrative="请保密，工资未发")
    assert set(told["contact"]) == {"notify"}
    assert told["story"]["mediation"]["applicant"] is None
    assert told["story"]["mediation"]["narrative"] == "请保密，工资未发"


def test_an_anonymous_person_has_no_number_to_write_to() -> None:
    told = parts(applicant={"phone": "13800000001", "anonymous": True})
    assert told["contact"]["notify"]["phone"] is None


def test_ethnicity_reaches_routing_alone() -> None:
    told = parts(applicant={**WHO, "ethnic_support": True, "language": "ii"}, consents=SHARED)
    assert told["needs"]["routing"]["ethnic_support"] is True
    assert "ethnic_support" not in str(told["story"]) + str(told["contact"])


@pytest.mark.parametrize(
    ("channel", "verified", "capable"),
    [("phone", None, True), ("web", None, False), ("web", True, True), ("phone", False, False)],
)
def test_only_a_verified_number_takes_sms(channel: str, verified: bool | None, capable: bool) -> None:
    told = parts(channel=channel, applicant={"phone": "13800000001", "phone_verified": verified})
    assert told["contact"]["notify"]["sms_capable"] is capable


@pytest.mark.parametrize("phone", ["+1 650 253 0000", "010-12345678", "138", None])
def test_other_numbers_take_none(phone: str | None) -> None:
    assert parts(applicant={"phone": phone})["contact"]["notify"]["sms_capable"] is False


STORY = {
    "applicant": {**WHO, "guardian": {"name": "周大川", "phone": "13800000002"}},
    "place": {"address": "云桥街道锦苑商业街8号"},
    "respondents": [{"name": "何某某", "phone": "13800000003"}, {"name": "甲公司", "organisation": True}],
    "narrative": "周小川称何某某2026-01-22起欠薪18600元，电话13800000003或138 0000 0004。",
}


def whole() -> Personal:
    return personal(said(**STORY))


def test_a_masked_case_is_recognised_but_of_no_use() -> None:
    shown = masked(whole(), "99010100100203", hide_applicant=False)
    assert shown["narrative"] == "周**称何**2026-01-22起欠薪18600元，电话****或****。"
    assert shown["place"] == {"address": "云桥街道****", "grid": "99010100100203"}
    assert shown["applicant"]["name"] == "周**"  # type: ignore[index]
    assert shown["applicant"]["phone"] == "138****0001"  # type: ignore[index]
    assert shown["applicant"]["birth_date"] == "1990-**-**"  # type: ignore[index]
    assert shown["respondents"][1]["name"] == "甲公司"  # type: ignore[index]
    text = str(shown)
    for secret in ("周小川", "周大川", "何某某", "13800000001", "13800000002", "990101199001011234", "8号"):
        assert secret not in text


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("电话138\u200b0000\u200b0001找她", "电话****找她"),
        ("138.0000.0001、138 000 00001、+86 138-0000-0001", "****、****、****"),
        ("座机(0571)8888 8888或一三八零零零零零零零一", "座机(****或****"),
        ("证件330102-19900101-123X。", "证件****。"),
        ("证件330102 1990-01-01 1234。", "证件****。"),
        ("信箱Zhou.XC＠example．com，回信到 a @ b.cn", "信箱****，回信到 ****"),
        ("周 小\n川的妹妹周\u200b小川", "周**的妹妹周**"),
        ("住锦苑商业街 ８号，在云桥街道锦苑商业街8号见", "住****，在云桥街道****见"),
        ("2026-01-22 10:30、2026.01.22-2026.02.03 欠 18600.50 元", None),
        ("三月 3500，四月 4200.00元，（2026）浙0106民初12号", None),
        ("\tIT'S \u200b ①②③ e\u0301 ７号@云桥 ", None),
    ],
)
def test_a_text_is_masked_however_it_is_written_and_else_left_as_it_is(told: str, shown: str | None) -> None:
    assert hide(told, ["周小川"], "云桥街道锦苑商业街8号") == (told if shown is None else shown)


def test_secrecy_hides_the_applicant_from_the_handlers_too() -> None:
    assert masked(whole(), "99010100100203", hide_applicant=True)["applicant"] is None


def test_plain_is_plain() -> None:
    shown = plain(whole(), None)
    assert shown["applicant"]["name"] == "周小川"  # type: ignore[index]
    assert shown["masked"] is False
