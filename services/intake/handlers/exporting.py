"""A filtered list as a file: page by page from the newest on, so that any length fits into the same memory.

It tells what the list tells: codes and dates, nothing that anybody said. A case that comes meanwhile is newer
than all that follow, and not in it. The last row counts what stands above; a file without that row is torn.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from libs.privacy.audit import AuditRefused, check_detail
from libs.tables.reading import Form
from libs.tables.writing import Cell, writer
from libs.web.principal import Principal
from services.intake.domain.statement import Export, check_codes
from services.intake.handlers.desk import Asked, Desk, Query
from services.intake.handlers.reading import Page
from services.intake.handlers.searching import criteria_of, look

HEADINGS: Final = (
    "案件ID", "行政区", "查询码", "诉求类型", "办理方式", "类别", "网格", "标记", "紧急程度", "状态", "版本",
    "登记时间", "下一期限", "期限规则", "上级案件", "下级案件数", "可能重复", "提示",
)  # fmt: skip
COUNT: Final = "合计"
"""The first cell of the last row; the second is the number of cases."""

SHEET: Final = "案件"
PAGE: Final = 200
"""Cases in memory at a time."""

_ENDINGS: Final[set[asyncio.Task[None]]] = set()


async def export(desk: Desk, wanted: Export, caller: Principal, asked: Asked) -> AsyncIterator[bytes]:
    """The bytes of the file, as they are made. Audited before its first byte, and with its length at the end,
    which a client that goes away brings on: then the query stops too.

    Raises the refusals of the search before there is a file.
    """
    criteria = criteria_of(desk, wanted, caller.districts)
    check_codes(criteria, desk.known)
    query = Query.of(caller, limit=PAGE, **criteria)
    ask = partial(look, desk, wanted.q)
    first = await ask(query)
    told = dict(_told(wanted))
    await desk.trail.record(asked.actor, asked.at, "cases.export", format=wanted.format, **told)
    return _file(desk, wanted.format, asked, _pages(ask, query, first))


async def _pages(
    ask: Callable[[Query], Awaitable[Page]], query: Query, page: Page
) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
    """This page of cases and those after it."""
    while True:
        cases, after = page
        yield cases
        if after is None:
            return
        query = replace(query, after=after)
        page = await ask(query)


def _told(wanted: Export) -> Iterator[tuple[str, str]]:
    """The criteria as the audit log takes them: a number and a text are not repeated, nor is a code that may
    be anything else."""
    if wanted.phone is not None:
        yield "by_phone", "yes"
    if wanted.q is not None:
        yield "by_text", "yes"
    for name, value in wanted.model_dump(exclude={"q", "phone", "format"}, exclude_none=True).items():
        try:
            check_detail({name: str(value)})
            yield name, str(value)
        except AuditRefused:
            yield name, "withheld"


async def _file(
    desk: Desk, form: Form, asked: Asked, pages: AsyncIterator[Sequence[Mapping[str, Any]]]
) -> AsyncIterator[bytes]:
    made, count, whole = writer(form, SHEET), 0, False
    try:
        yield made.rows([HEADINGS])
        async for cases in pages:
            count += len(cases)
            yield made.rows(map(_row, cases))
        yield made.rows([[COUNT, count, *[None] * (len(HEADINGS) - 2)]]) + made.end()
        whole = True
    finally:
        # A task of its own: whoever went away has cancelled this one.
        ending = asyncio.ensure_future(
            desk.trail.record(asked.actor, desk.now(), "cases.exported", rows=count, whole=whole)
        )
        _ENDINGS.add(ending)
        ending.add_done_callback(_ENDINGS.discard)


def _row(case: Mapping[str, Any]) -> list[Cell]:
    """A case of the list, below `HEADINGS`."""
    due = case["due"] or {}
    return [
        case["case_id"],
        case["district"],
        case["query_code"],
        case["kind"],
        case["track"],
        case["category"],
        case["grid"],
        "；".join(case["flags"]),
        case["urgency"],
        case["state"],
        case["version"],
        case["registered_at"],
        due.get("due_at"),
        due.get("rule"),
        case["parent"],
        len(case["children"]),
        "；".join(case["possible_duplicates"]),
        "；".join(warning["code"] for warning in case["warnings"]),
    ]
