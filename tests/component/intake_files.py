"""Imports and exports as a test sends and fetches them, with the worker's loop taken step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any

from libs.runtime.loops import Pulse
from libs.tables.limits import Limits
from libs.tables.reading import Form
from services.intake.handlers.import_worker import Importer
from tests.component.intake_door import Answer, Door
from tests.unit.tables.build import cells, workbook

CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
HEADINGS = ("诉求内容", "诉求类型", "姓名", "电话", "人数", "外部编号")
_KEYS = count(1)


def csv_file(*rows: Sequence[str], headings: Sequence[str] = HEADINGS) -> bytes:
    return "".join(",".join(row) + "\r\n" for row in (headings, *rows)).encode()


def xlsx_file(*rows: Sequence[str], headings: Sequence[str] = HEADINGS) -> bytes:
    return workbook(headings, *rows)


def row(number: int, **cells: str) -> list[str]:
    """A sound row, or one with these cells."""
    told = {"诉求内容": f"门前路灯不亮{number}", "诉求类型": "DIS", "姓名": "周小川", "电话": "13800000001"}
    return [{**told, **cells}.get(heading, "") for heading in HEADINGS]


@dataclass
class Desk:
    """Who sends files, and the worker that takes them."""

    door: Door
    pulse: Pulse = field(default_factory=lambda: Pulse(lambda: None))

    def importer(self, limits: Limits = Limits(), keep: timedelta = timedelta(hours=72)) -> Importer:  # noqa: B008
        worker = replace(self.door.desk, shell=self.door.shell.on(self.door.database))
        return Importer(worker, limits, keep)

    async def send(
        self, file: bytes, *roles: str, media: str = CSV, headers: Mapping[str, str] | None = None
    ) -> Answer:
        given = {"content-type": media, "idempotency-key": f"file-{next(_KEYS)}", **(headers or {})}
        return await self.door.ask("POST", "/v1/imports", file, *roles, headers=given)

    async def work(self, importer: Importer | None = None) -> None:
        """Let a worker take all that waits."""
        importer = importer or self.importer()
        while await importer.work(self.pulse):
            pass

    async def told(self, answer: Answer, *roles: str) -> Any:
        return (await self.door.get(f"/v1/imports/{answer.body['import_id']}", *roles)).body

    async def taken(self, file: bytes, *roles: str, media: str = CSV) -> Any:
        """Send a file, let it be worked on, and tell what became of it."""
        answer = await self.send(file, *roles, media=media)
        assert answer.status == 202, answer.body
        await self.work()
        return await self.told(answer, *roles)

    async def fetch(self, method: str, path: str, *roles: str, body: Any = None) -> tuple[int, bytes, Any]:
        """Status, bytes and headers of an answer that is a file."""
        headers = {"authorization": f"Bearer {self.door.token(*roles)}"}
        async with self.door.session.request(method, path, json=body, headers=headers) as answer:
            return answer.status, await answer.read(), answer.headers.copy()

    async def table(self, form: Form, path: str, *roles: str) -> list[tuple[str, ...]]:
        status, file, _ = await self.fetch("GET", path, *roles)
        assert status == 200
        return cells(form, file)

    async def counts(self) -> tuple[int, int, int, int]:
        """Cases, import parts, faulty rows and data keys of imports that are kept."""
        [found] = await self.door.rows(
            "select (select count(*) from intake_case) as cases, (select count(*) from import_part) as parts,"
            " (select count(*) from import_fault) as faults,"
            " (select count(*) from import where data_key is not null) as keys"
        )
        return found["cases"], found["parts"], found["faults"], found["keys"]
