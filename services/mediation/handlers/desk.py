"""The desk behind the doors: seals what was said, hands commands to the shell, opens files."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from libs.db.work import Actor, IdempotencyKey, Outcome, UseCase, Work
from libs.privacy.casekey import CaseKey
from libs.web.errors import FieldError, Invalid, NotFound
from services.mediation.domain.case import Case
from services.mediation.domain.disclosure import Part, disclosed
from services.mediation.handlers.cases import UseCases
from services.mediation.handlers.sealing import Sealer
from services.mediation.process import Act


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: who, when it came, and what makes it repeatable. `expected` is its `If-Match`."""

    actor: Actor
    at: datetime
    key: IdempotencyKey | None = None
    expected: int | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A case with its version."""

    case: Case
    version: int


@dataclass(frozen=True, slots=True)
class Said:
    """Words of an organisation about its case, opened for itself."""

    kind: str
    about: str | None
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class File:
    """A case as its holder sees it. `arrived` False: the citizen's dossier is still on its way (G8)."""

    seen: Seen
    arrived: bool
    story: Mapping[str, Any] | None = None
    contact: Mapping[str, Any] | None = None
    notes: Sequence[Said] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it was told; `place` orders it in the feed."""

    place: tuple[int, int]
    event_id: UUID
    type: str
    at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A page of a list: how many, in which state, from where on."""

    limit: int
    state: str | None = None
    after: UUID | None = None


class Submits(Protocol):
    """The shell."""

    async def submit(self, work: Work[Case, Any]) -> Outcome: ...


class Files(Protocol):
    """What the desk reads."""

    async def file(
        self,
        case_id: UUID,
        reader: Actor,
        at: datetime,
        parts: Callable[[Case, str | None], Collection[Part]],
    ) -> File | None: ...

    async def key_of(self, case_id: UUID) -> CaseKey: ...

    async def epoch(self) -> int: ...

    async def feed(self, org_id: str, after: tuple[int, int], limit: int) -> list[Told]: ...


class Lists(Protocol):
    """What the doors show without deciding or opening anything."""

    async def of_holder(self, org_id: str, wanted: Wanted) -> list[Seen]: ...

    async def of_districts(self, reader: Actor, wanted: Wanted) -> list[Seen]: ...

    async def one(self, case_id: UUID, reader: Actor) -> Seen | None: ...

    async def timeline(self, case_id: UUID) -> list[Told]: ...


class Command(Protocol):
    """A request body: its words are sealed before the command is queued (G4)."""

    def command(self, seal: Sealer) -> Any: ...


@dataclass(frozen=True)
class Desk:
    """Does what the doors ask for. Raises `Refusal`."""

    shell: Submits
    files: Files
    uses: UseCases
    new_id: Callable[[], UUID]

    async def act(self, action: str, case_id: UUID, body: Command, asked: Asked) -> Outcome:
        """An act of the organisation that holds the case."""
        return await self._submit(self.uses.partner[action], case_id, body, asked)

    async def act_for_district(self, action: str, case_id: UUID, body: Command, asked: Asked) -> Outcome:
        """An act of a person of the case's district."""
        return await self._submit(self.uses.staff[action], case_id, body, asked)

    async def open_file(self, case_id: UUID, asked: Asked) -> File:
        """The case as its holder may see it; reading of people leaves its record in the audit chain."""
        found = await self.files.file(case_id, asked.actor, asked.at, disclosed)
        if found is None:
            raise NotFound
        return found

    async def feed(
        self, org_id: str, after: tuple[int, int, int] | None, limit: int
    ) -> tuple[list[Told], tuple[int, int, int]]:
        """What was told to an organisation after a mark, and the mark to go on from (G9)."""
        epoch = await self.files.epoch()
        if after is not None and after[0] != epoch:
            raise Invalid(errors=[FieldError("/query/after", "cursor_of_before_a_restore")])
        place = after[1:] if after else (0, 0)
        told = await self.files.feed(org_id, place, limit)
        last = told[-1].place if told else place
        return told, (epoch, *last)

    async def _submit(
        self, use_case: UseCase[Case, Any], case_id: UUID, body: Command, asked: Asked
    ) -> Outcome:
        seal = Sealer(await self.files.key_of(case_id), self.new_id)
        work = Work(
            use_case=use_case,
            case_id=case_id,
            command=Act(body.command(seal), asked.expected),
            actor=asked.actor,
            district=min(asked.actor.districts, default=""),
            received_at=asked.at,
            key=asked.key,
            trace=asked.trace,
        )
        return await self.shell.submit(work)
