"""What the columns of an import say, and what is told of a row that says something else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from libs.tables.faults import BadTable
from libs.tables.reading import Row
from libs.web.errors import FieldError, Invalid
from services.intake.domain.columns import COLUMNS, REASON, Layout, explained, reason
from services.intake.domain.statement import Statement


def layout(*headings: str) -> Layout:
    return Layout.of(Row(1, headings))


def said(**cells: str) -> Statement:
    """What one row says under these headings, beside a narrative."""
    return layout("诉求内容", *cells).said(Row(2, ("门前路灯不亮", *cells.values())))


def faults(**cells: str) -> list[FieldError]:
    with pytest.raises(Invalid) as refused:
        said(**cells)
    return list(refused.value.errors)


def leaves(model: type[BaseModel], at: str = "") -> set[str]:
    """The pointers of every field that holds no further model."""
    found = set()
    for name, field in model.model_fields.items():
        below = [
            part
            for part in (field.annotation, *getattr(field.annotation, "__args__", ()))
            if isinstance(part, type) and issubclass(part, BaseModel)
        ]
        many = "/*" if "tuple" in str(field.annotation) else ""
        found |= leaves(below[0], f"{at}/{name}{many}") if below else {f"{at}/{name}"}
    return found


def test_every_field_of_a_statement_has_its_column_but_the_channel() -> None:
    assert {column.pointer for column in COLUMNS} == leaves(Statement) - {"/channel"}
    assert len({column.heading for column in COLUMNS}) == len(COLUMNS)


def test_what_comes_by_a_file_comes_by_the_channel_import() -> None:
    assert said().channel == "import"


@pytest.mark.parametrize(
    ("heading", "cell", "field", "value"),
    [
        ("电话", "１３８００００００１３", "applicant.phone", "13800000013"),
        ("匿名", " 是 ", "applicant.anonymous", True),
        ("可安全联系", "否", "applicant.safe_contact", False),
        ("电话已核实", "TRUE", "applicant.phone_verified", True),
        ("人数", "３", "headcount", 3),
        ("金额（元）", "18,600.5", "amount_fen", 1_860_050),
        ("金额（元）", "0.07", "amount_fen", 7),
        ("标记", "VIOLENCE；VULNERABLE", "flags", ("VIOLENCE", "VULNERABLE")),
        ("决定", "accept", "decision.action", "accept"),
        ("地址", "锦苑一期3幢", "place.address", "锦苑一期3幢"),
    ],
)
def test_a_cell_becomes_its_field(heading: str, cell: str, field: str, value: object) -> None:
    found: Any = said(**{heading: cell})
    for name in field.split("."):
        found = getattr(found, name)
    assert found == value


@pytest.mark.parametrize("cell", ["2026-03-02", "2026/3/2", "2026.3.2", "2026年3月2日", "２０２６-03-02"])
def test_a_day_is_read_however_a_spreadsheet_shows_it(cell: str) -> None:
    assert str(said(发生日期=cell).happened_on) == "2026-03-02"
    assert {str(day) for day in said(事实日期=f"harm.known={cell}").facts.values()} == {"2026-03-02"}


@pytest.mark.parametrize(
    ("cell", "instant"),
    [
        ("2026-03-02 10:30", "2026-03-02 10:30:00+08:00"),
        ("2026/3/2 10:30:15", "2026-03-02 10:30:15+08:00"),
        ("2026-03-02", "2026-03-02 00:00:00+08:00"),
        ("2026-03-02T10:30:00+00:00", "2026-03-02 10:30:00+00:00"),
    ],
)
def test_a_time_without_its_zone_is_one_of_here(cell: str, instant: str) -> None:
    assert str(said(收到时间=cell).received_at) == instant


def test_people_of_one_row_stand_in_the_same_order_in_each_column() -> None:
    parties = said(对方姓名="何某；；某物业公司", 对方电话="13800000003", 对方是单位="；；是").respondents
    told = [(one.name, one.phone, one.organisation) for one in parties]
    assert told == [("何某", "13800000003", False), (None, None, False), ("某物业公司", None, True)]
    spokesmen = said(代表姓名="雷大为\n陶安然", 代表权限="签字；").representatives
    assert [(one.name, one.authority) for one in spokesmen] == [("雷大为", "签字"), ("陶安然", None)]


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({"匿名": "也许"}, "匿名：应为 是 或 否"),
        ({"人数": "三"}, "人数：应为整数"),
        ({"人数": "0"}, "人数：不得小于 1"),
        ({"金额（元）": "1.234"}, "金额（元）：应为以元计的金额，至多两位小数"),
        ({"金额（元）": "NaN"}, "金额（元）：应为以元计的金额，至多两位小数"),
        ({"金额（元）": "Infinity"}, "金额（元）：应为以元计的金额，至多两位小数"),
        ({"发生日期": "昨天"}, "发生日期：应为日期，如 2026-03-02"),
        ({"发生日期": "1066-10-14"}, "发生日期：早于 1900 年"),
        ({"收到时间": "昨天"}, "收到时间：应为时间，如 2026-03-02 10:30"),
        ({"事实日期": "昨天"}, "事实日期：应为 代码=日期，以；分隔"),
        ({"电话": "1" * 41}, "电话：至多 40 个字符"),
        ({"姓名": "a\x01"}, "姓名：不得含有控制字符"),
        ({"监护人电话": "13800000002"}, "监护人姓名：必填"),
        ({"对方姓名": "甲；" + "长" * 201}, "对方姓名（第 2 项）：至多 200 个字符"),
        ({"并入案件": "第一件"}, "并入案件：应为 UUID；决定：必填"),
        ({"行政区": "99"}, "行政区：格式不符"),
    ],
)
def test_each_fault_is_told_behind_the_heading_of_its_column(cells: dict[str, str], told: str) -> None:
    assert sorted(reason(faults(**cells)).split("；")) == sorted(told.split("；"))


def test_all_faults_of_a_row_are_told_at_once_and_none_repeats_what_was_entered() -> None:
    found = faults(人数="三千", 匿名="13800000001", 电话="13800000001" * 9)
    assert {fault.pointer for fault in found} == {"/headcount", "/applicant/anonymous", "/applicant/phone"}
    assert "13800000001" not in str(found)


def test_a_row_without_its_narrative_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        layout("诉求内容", "姓名").said(Row(2, ("", "周小川")))
    assert reason(refused.value.errors) == "诉求内容：必填"


def test_what_a_spreadsheet_lost_and_what_stands_beyond_the_headings_is_told() -> None:
    with pytest.raises(Invalid) as refused:
        layout("诉求内容", "证件号码").said(Row(2, ("灯不亮", "9.9e17", "多"), {1: "digits_lost"}))
    assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [
        ("/applicant/id_number", "digits_lost"),
        ("", "extra_cells"),
    ]


@pytest.mark.parametrize(
    ("headings", "fault"),
    [
        (("诉求内容", "颜色"), ("/rows/1/columns/2", "unknown_heading")),
        (("诉求内容", "", "电话"), ("/rows/1/columns/2", "unknown_heading")),
        (("诉求内容", "电话", "电话"), ("/rows/1/columns/3", "heading_twice")),
        (("电话",), ("/rows/1", "heading_missing")),
    ],
)
def test_headings_that_are_not_ours_refuse_the_file(
    headings: tuple[str, ...], fault: tuple[str, str]
) -> None:
    with pytest.raises(BadTable) as refused:
        layout(*headings)
    assert [(each.pointer, each.code) for each in refused.value.errors] == [fault]


def test_the_column_of_reasons_is_not_read_and_not_kept() -> None:
    columns, row = layout(REASON, "诉求内容", "电话"), Row(2, ("电话：必填", "门前路灯不亮"))
    assert columns.said(row) == said()
    assert (columns.headings, columns.kept(row)) == (("诉求内容", "电话"), ("门前路灯不亮", ""))


def test_the_template_tells_of_each_column_what_to_enter() -> None:
    told = dict(explained({"/kind": ["DIS", "PET"]}))
    assert list(told) == [column.heading for column in COLUMNS]
    assert told["诉求类型"] == "代码：DIS、PET"


@given(st.lists(st.sampled_from(COLUMNS), unique=True, max_size=6), st.data())
def test_any_cells_are_a_statement_or_a_typed_refusal(columns: list[Any], data: st.DataObject) -> None:
    odd = st.sampled_from(["1e999", "是；", "=", "2026-02-30", "2026-03-02 25:00", "；；", "-0", "1_0", "²"])
    cells = [data.draw(st.text(max_size=12) | odd) for _ in columns]
    headings = ["诉求内容", *(column.heading for column in columns if column is not COLUMNS[0])]
    try:
        layout(*headings).said(Row(2, ("灯不亮", *cells)))
    except Invalid as refused:
        told = reason(refused.errors)
    else:
        return
    assert told
