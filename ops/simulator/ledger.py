"""What the simulated gateway took and what it heard from phones, on disk before anybody is answered."""

import asyncio
import os
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Literal

import orjson

State = Literal["accepted", "delivered", "undelivered", "received", "handed_on"]


class LedgerError(Exception):
    """The ledger cannot be read or written; the text says what to do."""


@dataclass(slots=True)
class Sms:
    """One SMS. `out`: from the gateway to a phone, `in`: from a phone; `phone` is E.164, `at` RFC 3339.

    `receipts` are Kannel's receipt types still owed to `dlr_url`, each sent `times` times after `delay_s`
    seconds.
    """

    direction: Literal["out", "in"]
    at: str
    phone: str
    number: str
    text: str
    state: State
    id: int = 0
    parts: int = 1
    dlr_url: str | None = None
    receipts: Sequence[int] = ()
    times: int = 1
    delay_s: float = 0.0


class Ledger:
    """An append-only file of SMS and their states, with its whole content in memory.

    `add` and `settle` return when the line is on the disk (`fdatasync`). What comes in while one write runs
    goes together in the next, so a thousand calls a second cost a few dozen writes. A line torn by a crash
    was never answered for and is cut off when the file is opened again.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder / "ledger.jsonl"
        self.version = 0
        self.phones: dict[str, list[Sms]] = {}
        self.sent: list[Sms] = []
        self._by_id: dict[int, Sms] = {}
        self._waiting: list[bytes] = []
        self._round: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._last_id = 0
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._read_back()

    def get(self, sms_id: int) -> Sms | None:
        return self._by_id.get(sms_id)

    def owed(self) -> list[Sms]:
        """SMS for which something is still to be done: a receipt, or a phone's SMS to be handed on."""
        return [sms for sms in self._by_id.values() if sms.receipts or sms.state == "received"]

    def sent_after(self, after: int, phone: str | None, limit: int) -> list[Sms]:
        """SMS to phones with an id above `after`, in order; to one phone only when it is given."""
        source = self.sent if phone is None else self.phones.get(phone, [])
        start = bisect_right(source, after, key=attrgetter("id"))
        return list(islice((sms for sms in islice(source, start, None) if sms.direction == "out"), limit))

    async def add(self, sms: Sms) -> None:
        """Keep an SMS under the next id; LedgerError when it could not be written, and then it is nowhere."""
        self._last_id += 1
        sms.id = self._last_id
        await self._written({"sms": sms})
        self._remember(sms)

    async def settle(self, sms: Sms, state: State) -> None:
        """Keep that an SMS came to a state; nothing more is owed for it."""
        await self._written({"id": sms.id, "state": state})
        self._apply(sms, state)

    async def close(self) -> None:
        if self._writer is not None:
            await self._writer
        with suppress(OSError):
            os.close(self._file)

    def _remember(self, sms: Sms) -> None:
        self.version += 1
        self._last_id = max(self._last_id, sms.id)
        self._by_id[sms.id] = sms
        # Popped and put back: the phones stand in the order of their last SMS.
        self.phones[sms.phone] = messages = self.phones.pop(sms.phone, [])
        messages.append(sms)
        if sms.direction == "out":
            self.sent.append(sms)

    def _apply(self, sms: Sms, state: State) -> None:
        self.version += 1
        sms.state, sms.receipts = state, ()

    async def _written(self, record: dict[str, object]) -> None:
        self._waiting.append(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
        if self._round is None:
            self._round = asyncio.get_running_loop().create_future()
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_rounds())
        # Shielded: a caller that goes away must not cancel the future of the others in the round.
        await asyncio.shield(self._round)

    async def _write_rounds(self) -> None:
        while self._waiting and self._round is not None:
            lines, done = b"".join(self._waiting), self._round
            self._waiting, self._round = [], None
            try:
                await asyncio.to_thread(self._append, lines)
            except OSError as error:
                done.set_exception(LedgerError(f"the ledger cannot be written ({error.strerror})"))
                done.exception()
            else:
                done.set_result(None)

    def _append(self, lines: bytes) -> None:
        size = os.fstat(self._file).st_size
        try:
            written = os.write(self._file, lines)
            if written != len(lines):
                raise OSError(28, "No space left on device")
            os.fdatasync(self._file)
        except OSError:
            # What was not promised must not come back after a restart.
            os.ftruncate(self._file, size)
            raise

    def _read_back(self) -> None:
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._file, whole)
        try:
            for line in content[:whole].splitlines():
                record = orjson.loads(line)
                if "sms" in record:
                    self._remember(Sms(**record["sms"]))
                else:
                    self._apply(self._by_id[record["id"]], record["state"])
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise LedgerError(
                f"{self.path} is damaged: move it away to begin with an empty ledger."
            ) from error
