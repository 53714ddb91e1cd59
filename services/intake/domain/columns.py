"""An import's columns: the fields of the statement under Chinese headings, and what a row of them says.

A field of people who may be several holds one entry per person, divided by `；`, in the same order in each of
its columns.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import zip_longest
from typing import Any, Final

from pydantic import ValidationError

from libs.clocks.calendar import LOCAL
from libs.tables.faults import BadTable
from libs.tables.reading import Row
from libs.web import fieldtexts
from libs.web.errors import FieldError, Invalid
from libs.web.fieldfaults import field_error
from services.intake.domain.statement import Statement

REASON: Final = "原因"
"""The heading of what an error file says of a row; a file that has it may be sent as it is."""

_DIVIDERS: Final = re.compile("[;；\n]")
_DAY: Final = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?")
_YES_NO: Final = {"是": True, "否": False, "true": True, "false": False, "1": True, "0": False}


class _Unreadable(ValueError):
    """A cell that does not say what its column asks for; its argument is a code of `fieldtexts`."""


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()


def _yes_no(text: str) -> bool:
    try:
        return _YES_NO[_plain(text).lower()]
    except KeyError:
        raise _Unreadable("yes_or_no") from None


def _number(text: str) -> int:
    plain = _plain(text)
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", plain):
        raise _Unreadable("int_type")
    return int(plain)


def _fen(text: str) -> int:
    """Yuan as fen (分)."""
    try:
        fen = Decimal(_plain(text).replace(",", "")) * 100
        if fen == int(fen) and abs(fen) < 10**18:
            return int(fen)
    except (InvalidOperation, OverflowError, ValueError):
        pass  # the same answer for all that is no amount
    raise _Unreadable("yuan")


def _day(text: str) -> str:
    """A day as ISO 8601 writes it, however a spreadsheet shows it; what is none is left to the model."""
    plain = _plain(text)
    found = _DAY.fullmatch(plain)
    return f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}" if found else plain


def _instant(text: str) -> str:
    """A time with its zone: without one it is that of the clocks here."""
    day, _, rest = _plain(text).replace("T", " ").partition(" ")
    try:
        told = datetime.fromisoformat(f"{_day(day)} {rest.strip() or '00:00'}")
    except ValueError:
        raise _Unreadable("local_time") from None
    return (told if told.tzinfo else told.replace(tzinfo=LOCAL)).isoformat()


def _several(text: str) -> list[str]:
    return [part.strip() for part in _DIVIDERS.split(text) if part.strip()]


def _facts(text: str) -> dict[str, str]:
    facts = {}
    for part in _several(text):
        code, equals, day = part.partition("=")
        if not equals:
            raise _Unreadable("dated_facts")
        facts[code.strip()] = _day(day)
    return facts


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, the field below it (a pointer; `*` stands for each person), and how its text is read."""

    heading: str
    pointer: str
    read: Callable[[str], object] = str
    form: str = "文本"
    """What to enter, as the template says it."""


_YES, _CODE, _DATE = "是 或 否", "代码", "日期，如 2026-03-02"
_EACH = "文本；几人时以；分隔"

COLUMNS: Final = (
    Column("诉求内容", "/narrative", form="必填；至多 20000 字"),
    Column("诉求类型", "/kind", form=_CODE),
    Column("类别", "/category", form=_CODE),
    Column("细类", "/topic", form=_CODE),
    Column("地址", "/place/address"),
    Column("网格编码", "/place/grid", form=_CODE),
    Column("姓名", "/applicant/name"),
    Column("电话", "/applicant/phone"),
    Column("电话已核实", "/applicant/phone_verified", _yes_no, _YES),
    Column("证件号码", "/applicant/id_number", form="文本格式的单元格"),
    Column("出生日期", "/applicant/birth_date", _day, _DATE),
    Column("匿名", "/applicant/anonymous", _yes_no, _YES),
    Column("语言", "/applicant/language", form="语言标签，如 zh、ii"),
    Column("需要语言帮助", "/applicant/language_help", _yes_no, _YES),
    Column("需要民族工作支持", "/applicant/ethnic_support", _yes_no, _YES + "；只据本人要求"),
    Column("可安全联系", "/applicant/safe_contact", _yes_no, _YES),
    Column("监护人姓名", "/applicant/guardian/name"),
    Column("监护人电话", "/applicant/guardian/phone"),
    Column("对方姓名", "/respondents/*/name", form=_EACH),
    Column("对方电话", "/respondents/*/phone", form=_EACH),
    Column("对方是单位", "/respondents/*/organisation", _yes_no, _YES + "；几个时以；分隔"),
    Column("代表姓名", "/representatives/*/name", form=_EACH),
    Column("代表电话", "/representatives/*/phone", form=_EACH),
    Column("代表权限", "/representatives/*/authority", form=_EACH),
    Column("人数", "/headcount", _number, "整数"),
    Column("金额（元）", "/amount_fen", _fen, "至多两位小数"),
    Column("发生日期", "/happened_on", _day, _DATE),
    Column("收到时间", "/received_at", _instant, "时间，如 2026-03-02 10:30"),
    Column("事实日期", "/facts", _facts, "代码=日期，以；分隔"),
    Column("标记", "/flags", _several, "代码，以；分隔"),
    Column("被反映机构", "/complained_about_org", form=_CODE),
    Column("选择的机构类型", "/chosen_target", form=_CODE),
    Column("办理方式", "/mode", form=_CODE),
    Column("同意提供给合作组织", "/consents/share_with_partner", _yes_no, _YES + "；空白为否"),
    Column("同意接收短信", "/consents/sms", _yes_no, _YES + "；空白为否"),
    Column("行政区", "/district", form="六位代码；空白为本人所在区"),
    Column("外部编号", "/external_ref"),
    Column("决定", "/decision/action", form="accept、refuse、forward、merge、withdraw；空白为不决定"),
    Column("决定原因", "/decision/reason_code", form=_CODE),
    Column("决定说明", "/decision/reason_text"),
    Column("去向", "/decision/directed_to", form=_CODE),
    Column("法定途径", "/decision/lawful_route", form=_CODE),
    Column("并入案件", "/decision/into", form="案件 ID"),
)

_BY_HEADING: Final[Mapping[str, Column]] = {column.heading: column for column in COLUMNS}
_BY_POINTER: Final[Mapping[str, Column]] = {column.pointer: column for column in COLUMNS}


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one file, in its order; None stands for the one with reasons."""

    columns: tuple[Column | None, ...]

    @classmethod
    def of(cls, row: Row) -> "Layout":
        """The layout that a row of headings gives. Raises BadTable for a heading that is not of `COLUMNS`,
        stands twice, or is missing and must be there."""
        headings = [heading.strip() for heading in row.cells]
        for place, heading in enumerate(headings, 1):
            if heading != REASON and heading not in _BY_HEADING:
                raise BadTable("unknown_heading", row.number, place)
            if heading in headings[: place - 1]:
                raise BadTable("heading_twice", row.number, place)
        if COLUMNS[0].heading not in headings:
            raise BadTable("heading_missing", row.number)
        return cls(tuple(_BY_HEADING.get(heading) for heading in headings))

    @property
    def headings(self) -> tuple[str, ...]:
        """The headings without the one of reasons."""
        return tuple(column.heading for column in self.columns if column)

    def kept(self, row: Row) -> tuple[str, ...]:
        """The row's cells below `headings`, then those beyond all headings."""
        cells = (*row.cells, *[""] * (len(self.columns) - len(row.cells)))
        below = (cell for cell, column in zip(cells, self.columns, strict=False) if column)
        return (*below, *cells[len(self.columns) :])

    def said(self, row: Row) -> Statement:
        """What the row says. Raises Invalid with every fault of it, in Chinese, at the pointers of the
        statement."""
        faults: list[FieldError] = []
        body: dict[str, Any] = {"channel": "import"}
        people: dict[str, dict[str, list[object]]] = {}
        for place, cell in enumerate(row.cells):
            column = self.columns[place] if place < len(self.columns) else _BEYOND
            if column is None or not cell.strip():
                continue
            if column is _BEYOND or place in row.faults:
                faults.append(_fault(column.pointer, row.faults.get(place, "extra_cells")))
                continue
            try:
                _put(body, people, column, cell)
            except _Unreadable as error:
                faults.append(_fault(column.pointer, str(error)))
        for name, fields in people.items():
            body[name] = [
                {field: value for field, value in zip(fields, values, strict=True) if value is not None}
                for values in zip_longest(*fields.values())
            ]
        try:
            statement = Statement.model_validate(body)
        except ValidationError as error:
            known = {fault.pointer for fault in faults}
            told = (field_error(each, "zh") for each in error.errors(include_input=False, include_url=False))
            faults += [fault for fault in told if fault.pointer not in known]
        if faults:
            raise Invalid(errors=list(dict.fromkeys(faults)))
        return statement


_BEYOND: Final = Column("", "")


def _put(body: dict[str, Any], people: dict[str, dict[str, list[object]]], column: Column, cell: str) -> None:
    *parents, name = column.pointer.split("/")[1:]
    if "*" in parents:
        parts = [part.strip() for part in _DIVIDERS.split(cell)]
        people.setdefault(parents[0], {})[name] = [column.read(part) if part else None for part in parts]
        return
    for parent in parents:
        body = body.setdefault(parent, {})
    body[name] = column.read(cell)


def _fault(pointer: str, code: str) -> FieldError:
    return FieldError(pointer, code, fieldtexts.text(code, "zh"))


def in_chinese(faults: Sequence[FieldError]) -> tuple[FieldError, ...]:
    """The faults as an error file tells them, whatever their rule said."""
    return tuple(
        FieldError(
            fault.pointer,
            fault.code,
            fieldtexts.worded(fault.detail, "zh")
            if fieldtexts.known(fault.detail) or not fault.detail.isascii()
            else fieldtexts.text(fault.code, "zh"),
        )
        for fault in faults
    )


def reason(faults: Sequence[FieldError]) -> str:
    """The cell below `REASON`: each fault behind the heading of its column."""
    return "；".join(
        f"{name}：{fault.detail}" if (name := _named(fault)) else fault.detail for fault in faults
    )


def _named(fault: FieldError) -> str:
    """The heading of the column that a pointer leads to, with the place of the one meant among several."""
    parts = fault.pointer.split("/")[1:]
    for length in range(len(parts), 0, -1):
        generic = "/" + "/".join("*" if part.isdigit() else part for part in parts[:length])
        if (column := _BY_POINTER.get(generic)) is not None:
            numbers = [int(part) + 1 for part in parts[:length] if part.isdigit()]
            return column.heading + "".join(f"（第 {number} 项）" for number in numbers)
    return ""


def explained(codes: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Each heading and what to enter below it, for the template; `codes` are those in use, by pointer."""
    for column in COLUMNS:
        listed = "、".join(codes.get(column.pointer, ()))
        yield column.heading, f"{column.form}：{listed}" if listed else column.form
