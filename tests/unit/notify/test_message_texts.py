"""Texts: every shipped template within its limits, dates as people say them, nothing that carriers block."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from libs.events.base import DueDate
from services.notify.domain.rules import Practice, Rules
from services.notify.domain.texts import Unsendable, characters, promised_day, spoken_date, spoken_time
from tests.unit.notify.conftest import DATA, read
from tests.unit.notify.correspondence import NOON, SHANGHAI, due

SHIPPED = read("sms_templates.json")
LONGEST = {row["name"]: row["longest"] for row in SHIPPED["placeholders"]}


@pytest.mark.parametrize("name", [row["id"] for row in SHIPPED["templates"]])
def test_every_template_stays_within_70_characters_with_its_longest_values(rules: Rules, name: str) -> None:
    template = rules.templates[name]
    text = rules.letterhead.compose(template, {p: LONGEST[p] for p in template.placeholders})
    assert text.startswith("【临江解纷】")
    assert text.count("【") == 1
    assert characters(text) <= 70
    assert "{" not in text


def test_the_longest_text_is_exactly_as_long_as_the_data_says(rules: Rules) -> None:
    n20 = rules.templates["N20"]
    assert characters(rules.letterhead.compose(n20, {p: LONGEST[p] for p in n20.placeholders})) == 70


def test_n07_reads_as_the_data_says(rules: Rules) -> None:
    text = rules.letterhead.compose(rules.templates["N07"], {"no": "K7M2P9QX", "d": "2月9日"})
    assert text == (
        "【临江解纷】您的事项(编号K7M2P9QX)已安排专人负责，工作人员将在2月9日前电话联系您，请保持电话畅通。"
    )


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"no": "K7M2P9QX"}, "MISSING_VALUE"),
        ({"no": "K7M2P9QX", "d": ""}, "MISSING_VALUE"),
        ({"no": "K" * 21, "d": "2月9日"}, "BAD_VALUE"),
        ({"no": "http://x.cn", "d": "2月9日"}, "BAD_VALUE"),
        ({"no": "信访局", "d": "2月9日"}, "FORBIDDEN_WORD"),
        ({"no": "【假】", "d": "2月9日"}, "FORBIDDEN_WORD"),
        ({"no": "一\n二", "d": "2月9日"}, "FORBIDDEN_WORD"),
    ],
)
def test_a_text_that_may_not_go_out_is_refused(rules: Rules, values: dict[str, str], code: str) -> None:
    with pytest.raises(Unsendable) as refused:
        rules.letterhead.compose(rules.templates["N07"], values)
    assert refused.value.code == code


def test_a_text_that_would_come_in_parts_is_refused(rules: Rules) -> None:
    long = replace(rules.templates["N07"], text="您" * 65)
    with pytest.raises(Unsendable, match="TOO_LONG"):
        rules.letterhead.compose(long, {"no": "K7M2P9QX", "d": "2月9日"})


def test_characters_outside_the_basic_plane_count_twice() -> None:
    assert characters("好𠮷") == 3


def test_a_date_has_no_year_and_no_zeros() -> None:
    assert spoken_date(date(2026, 2, 9)) == "2月9日"


@pytest.mark.parametrize(
    ("at", "spoken"),
    [
        (datetime(2026, 3, 20, 14, 0, tzinfo=SHANGHAI), "3月20日14时"),
        (datetime(2026, 3, 20, 14, 5, tzinfo=SHANGHAI), "3月20日14时5分"),
        (datetime(2026, 3, 20, 16, 30, tzinfo=UTC), "3月21日0时30分"),
    ],
)
def test_a_time_is_local_with_minutes_only_if_needed(at: datetime, spoken: str) -> None:
    assert spoken_time(at) == spoken


def test_the_date_comes_from_the_first_rule_of_the_templates_order(rules: Rules) -> None:
    n01 = rules.templates["N01"]
    triage, notice = due("PROD-TRIAGE-BLUE", date(2026, 3, 23)), due("PET-NOTICE", date(2026, 4, 7))
    assert promised_day(n01, [triage, notice]) == "4月7日"
    assert promised_day(n01, [triage]) == "3月23日"
    assert promised_day(n01, [due("MED-TERM", date(2026, 4, 20))]) is None


def test_a_clock_term_is_promised_by_its_local_day(rules: Rules) -> None:
    late = DueDate(rule="PROD-TRIAGE-RED", due_at=datetime(2026, 3, 20, 16, 15, tzinfo=UTC))
    assert promised_day(rules.templates["N01"], [late]) == "3月21日"


def test_the_shipped_data_is_complete_for_the_rules() -> None:
    assert DATA.is_dir()
    shipped = Rules.read(SHIPPED, read("flags.json"), read("areas.json"), Practice())
    assert shipped.attempts == 1 + SHIPPED["rules"]["retries"]
    assert shipped.quiet_hours is not None
    assert shipped.quiet_hours.until(NOON) is None
    assert shipped.telephones == {"990101": "0000-5550000"}
