"""Files of cases as a test sends and fetches them, the worker's part step by step, and a clamd of its own."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from libs.files.scanner import Scanner
from services.intake.handlers.attachment_worker import Caretaker
from services.intake.handlers.desk import Quarantine
from tests.component.intake_door import Answer, Door
from tests.unit.files.build import picture

_KEYS = count(1)
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def form(content: bytes, name: str = "", media: str = "", field: str = "file") -> tuple[bytes, str]:
    """A form of one file, and its media type; the boundary is another each time."""
    boundary = f"b{next(_KEYS)}"
    lines = [f'content-disposition: form-data; name="{field}"; filename="{name}"']
    lines += [f"content-type: {media}"] if media else []
    head = "\r\n".join(lines).encode()
    body = b"--%b\r\n%b\r\n\r\n%b\r\n--%b--\r\n" % (boundary.encode(), head, content, boundary.encode())
    return body, f"multipart/form-data; boundary={boundary}"


@dataclass
class Files:
    """Who sends files for a case, and where they are kept."""

    door: Door

    @property
    def folder(self) -> Path:
        return self.door.keys.parent / "attachments"

    async def case(self, *roles: str, **fields: Any) -> str:
        answer = await self.door.register(*roles, **{"kind": "DIS", **fields})
        assert answer.status == 201, answer.body
        case_id: str = answer.body["case_id"]
        return case_id

    async def send(
        self,
        case_id: str,
        content: bytes | None = None,
        *roles: str,
        name: str = "",
        media: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a file, a picture unless told otherwise."""
        body, kind = form(picture() if content is None else content, name, media)
        given = {"content-type": kind, **(headers or {})}
        return await self.door.ask("PUT", f"/v1/cases/{case_id}/attachments", body, *roles, headers=given)

    async def items(self, case_id: str, *roles: str, **more: Any) -> list[dict[str, Any]]:
        answer = await self.door.get(f"/v1/cases/{case_id}/attachments", *roles, **more)
        assert answer.status == 200, answer.body
        items: list[dict[str, Any]] = answer.body["items"]
        return items

    async def fetch(self, path: str, *roles: str) -> tuple[int, bytes, Mapping[str, str]]:
        headers = {"authorization": f"Bearer {self.door.token(*(roles or ('supervisor',)))}"}
        async with self.door.session.get(path, headers=headers) as answer:
            return answer.status, await answer.read(), answer.headers.copy()

    async def act(self, path: str, body: Any = None, *roles: str) -> Answer:
        return await self.door.post(path, body, *(roles or ("supervisor",)))

    def objects(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]

    async def forget(self) -> None:
        """Remove all files, as no one can in production."""
        for table in ("attachment", "attachment_gone"):
            await self.door.database.execute(f"delete from {table}")
        for path in self.objects():
            path.unlink()

    def caretaker(self, scanner: Scanner | None = None) -> Caretaker:
        worker = replace(self.door.desk, shell=self.door.shell.on(self.door.database))
        return Caretaker(worker, scanner)


@asynccontextmanager
async def handled(door: Door, by: Quarantine) -> AsyncIterator[None]:
    """Files of this intake are let out by a scanner, a person or nobody, until the block ends."""
    before = door.desk.files
    object.__setattr__(door.desk, "files", replace(before, quarantine=by))
    try:
        yield
    finally:
        object.__setattr__(door.desk, "files", before)


@dataclass
class Clamd:
    """Speaks INSTREAM as clamd does; `answer` in place of its own."""

    port: int = 0
    answer: bytes | None = None
    scanned: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"nINSTREAM\n"
        content = bytearray()
        while size := int.from_bytes(await reader.readexactly(4)):
            content += await reader.readexactly(size)
        self.scanned.append(bytes(content))
        found = b"stream: Eicar-Test-Signature FOUND\n" if EICAR in content else b"stream: OK\n"
        if self.answer != b"never":
            writer.write(found if self.answer is None else self.answer)
        else:
            await asyncio.sleep(1)
        writer.close()


@asynccontextmanager
async def clamd() -> AsyncIterator[Clamd]:
    made = Clamd()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
    return port
