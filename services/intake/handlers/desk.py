"""What the use cases need from outside, as the composition root provides it. No driver and no framework."""

from asyncio import Lock
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, Literal, Protocol, Self, TypeVar
from uuid import UUID

from libs.db.work import Actor, IdempotencyKey, Outcome, UseCase, Work
from libs.files.examined import Examined
from libs.files.limits import Limits
from libs.privacy.audit import AuditRow
from libs.web.errors import FieldError
from libs.web.limits import Turns
from libs.web.principal import Principal
from services.intake.domain.attachment import Attachment
from services.intake.domain.case import REGISTRARS, SEALED_OFFICERS, Case, Note, visible
from services.intake.domain.importing import Faulty, Import
from services.intake.domain.places import Places
from services.intake.domain.portal import ChannelKey
from services.intake.domain.reference import Reference
from services.intake.domain.suggesting import Suggestion
from services.intake.handlers.sealing import FileKey, Kept, Vault

T = TypeVar("T")


class Runs(Protocol):
    """The shell of the use cases."""

    async def submit(self, work: Work[Case, Any]) -> Outcome:
        """Do one command; raises its refusal."""

    async def run(self, works: Sequence[Work[Case, Any]]) -> Sequence[Any]:
        """Do a batch of the service's own commands."""


@dataclass(frozen=True, slots=True)
class Query:
    """A list that is asked for; a criterion that is None asks nothing.

    `sealed`, `open_kinds` and `portal` say which cases the caller may know of; no others than `case_ids` are
    looked at. `phones`, `last_fours` and `respondents` are hashes; `registered_from` and `registered_to` are
    local days, both included; `ended` is by kind the instant before which a case must have ended, and the one
    that took it in must be erased.
    """

    districts: frozenset[str]
    sealed: bool
    open_kinds: bool
    limit: int
    portal: str | None = None
    after: UUID | None = None
    state: str | None = None
    kind: str | None = None
    category: str | None = None
    categories: tuple[str, ...] | None = None
    area: str | None = None
    flag: str | None = None
    query_code: str | None = None
    query_codes: tuple[str, ...] | None = None
    since: UUID | None = None
    finished: bool | None = None
    needs: str | None = None
    ended: Mapping[str | None, datetime] | None = None
    held: bool | None = None
    phones: tuple[bytes, ...] | None = None
    last_fours: tuple[bytes, ...] | None = None
    registered_from: date | None = None
    registered_to: date | None = None
    grid: str | None = None
    respondents: tuple[bytes, ...] | None = None
    case_ids: Sequence[UUID] | None = None

    @property
    def narrowed(self) -> bool:
        """Whether more is asked than who may know of a case, and where the page begins."""
        return replace(self, limit=0, after=None) != Query(
            self.districts, self.sealed, self.open_kinds, limit=0
        )

    def among(self, case_ids: Sequence[UUID]) -> Self:
        """Which of these the caller may know of, whatever else was asked."""
        return type(self)(
            self.districts, self.sealed, self.open_kinds, limit=0, portal=self.portal, case_ids=case_ids
        )

    @classmethod
    def of(cls, caller: Principal | Actor, **asked: Any) -> Self:
        """What a person asks for, within the cases that their roles and districts let them know of; of a
        portal within its own."""
        return cls(
            districts=caller.districts,
            sealed=not caller.roles.isdisjoint(SEALED_OFFICERS),
            open_kinds=caller.portal is not None or not caller.roles.isdisjoint(REGISTRARS),
            portal=caller.portal,
            **asked,
        )


def paged(found: Sequence[T], limit: int) -> tuple[Sequence[T], T | None]:
    """The rows of a page, and its last one where `found` holds more than the page."""
    return found[:limit], found[limit - 1] if len(found) > limit else None


class Views(Protocol):
    """What is read without changing anything."""

    async def kept(self, case_id: UUID) -> Kept | None:
        """The sealed personal part of a case."""

    async def all_kept(self, case_ids: Collection[UUID]) -> Mapping[UUID, Kept]:
        """The same of several cases."""

    async def former(self, case_id: UUID) -> Sequence[tuple[int, Kept]]:
        """What was kept before each amendment, the oldest first, with the version that replaced it."""

    async def notes(
        self,
        case_id: UUID,
        *,
        texts: bool = True,
        purposes: bool = True,
        after: tuple[datetime, UUID] | None = None,
        limit: int | None = None,
    ) -> Sequence[Note]:
        """The free texts of a case, the oldest first, those after a place: `texts` of acts, `purposes` of
        unmasking."""

    async def case(self, case_id: UUID) -> Case | None:
        """A case without its clocks."""

    async def cases(self, case_ids: Collection[UUID]) -> Mapping[UUID, Case]:
        """The same of several cases."""

    async def find(self, query: Query) -> Sequence[tuple[Case, int]]:
        """The newest cases that match, with their versions, one more than `limit` if there are more."""

    async def known(self, query: Query) -> Collection[UUID]:
        """The ids of all cases that match."""

    async def find_kept(self, query: Query) -> Sequence[Kept]:
        """What is kept of the newest cases that match, at most `limit`."""

    async def named(
        self, tokens: Collection[Sequence[int]], query: Query, *, enough: int, most: int
    ) -> tuple[Sequence[UUID], bool]:
        """The newest cases that have all tokens of one of these sets, after the query's `after` and around
        its days; and whether there may be more. At most `most`, less than `enough` only if there are no
        more."""

    async def trail(
        self,
        case_id: UUID,
        districts: Collection[str],
        sealed: bool,
        after: tuple[datetime, int, int] | None,
        limit: int,
    ) -> Sequence[AuditRow]:
        """The audit entries of a case of these districts, the oldest first, those after a place."""


class ChannelBook(Protocol):
    """The portals' keys; each change is one transaction with its audit entry."""

    async def issue(self, key: ChannelKey, hash_: bytes, asked: "Asked") -> Outcome:
        """Keep a new key; the answer without its secret."""

    async def revoke(self, channel: str, key_id: str, asked: "Asked") -> bool:
        """Whether there is such a key in the actor's districts; it opens nothing any more."""

    async def keys(
        self, districts: Collection[str], after: tuple[str, str, str] | None, limit: int
    ) -> Sequence[ChannelKey]:
        """The districts' keys in the order of district, channel and id."""


class Suggested(Protocol):
    """Where suggestions for cases without a kind are kept."""

    async def lacking(self, limit: int) -> Sequence[UUID]:
        """The oldest cases without a kind that have none yet."""

    async def keep(self, made: Mapping[UUID, Any], at: datetime) -> None:
        """Keep the suggestions of these cases."""

    async def of(self, case_id: UUID) -> Mapping[str, Sequence[Suggestion]] | None:
        """Those of one case."""


@dataclass(frozen=True, slots=True)
class Job:
    """An import that a worker has in hand, and what it needs of it; `holder` is the worker's sign."""

    holder: UUID
    told: Import
    actor: Actor
    key: FileKey
    upto: int
    trace: str | None


class Imports(Protocol):
    """Where files with many matters are kept. The methods of a job raise LeaseLost when another worker has
    it."""

    async def add_part(self, import_id: UUID, number: int, content: bytes) -> None:
        """Keep a sealed part of a file that is coming in."""

    async def drop_parts(self, import_id: UUID) -> None:
        """Forget what came of a file that is not taken."""

    async def open(self, new: Import, content: bytes, key: FileKey, asked: "Asked") -> tuple[Import, bool]:
        """Begin an import of the parts that were added, unless this credential sent the same content before:
        then that one, and True."""

    async def find(self, import_id: UUID, actor: Actor) -> Import | None:
        """An import that this credential sent."""

    async def layout(self, import_id: UUID) -> tuple[tuple[str, ...], FileKey | None]:
        """The headings of its file, and its key unless it is erased."""

    async def faults(self, import_id: UUID, after: int, limit: int) -> Sequence[Faulty]:
        """Rows that were refused, in their order."""

    async def lease(self, holder: UUID) -> Job | None:
        """An import that waits, or that its worker left, for this worker."""

    def parts(self, job: Job) -> AsyncIterator[bytes]:
        """The parts of its file, opened, in order."""

    async def renew(self, job: Job) -> None:
        """The worker still has it in hand."""

    async def checked(self, job: Job, rows: int, faulty: Sequence[Faulty]) -> None:
        """So many more rows were checked."""

    async def all_checked(self, job: Job, headings: Sequence[str]) -> Job:
        """Every row was checked; now they are taken."""

    async def refused_rows(self, job: Job) -> frozenset[int]:
        """The numbers of the rows that were refused."""

    async def took(self, job: Job, upto: int, taken: int, faulty: Sequence[Faulty]) -> None:
        """The rows up to this number were taken or refused."""

    async def finish(self, job: Job) -> None:
        """All is done: the file is erased."""

    async def give_up(self, job: Job, problem: FieldError) -> None:
        """The file cannot be read: it is erased."""

    async def release(self, job: Job) -> None:
        """Let another worker go on at once."""

    async def tidy(self, keep: timedelta) -> None:
        """Erase what was kept of faulty rows longer than that, and parts whose sender went away."""


class LeaseLost(Exception):
    """Another worker has the import; this one leaves it alone."""


@dataclass(frozen=True, slots=True)
class Unscanned:
    """A file in quarantine that a worker has in hand."""

    case_id: UUID
    file: Attachment


class Attachments(Protocol):
    """What is known of files beside their cases."""

    async def of(self, case_id: UUID) -> Mapping[UUID, Attachment]:
        """The files of a case by their ids, in the order in which they came."""

    async def unscanned(self, again_after: float) -> Unscanned | None:
        """The file that waits longest for the scanner; for so many seconds no other worker gets it."""

    async def gone(self, limit: int) -> Sequence[UUID]:
        """Files whose objects are to be deleted."""

    async def forget(self, attachment_ids: Collection[UUID]) -> None:
        """Their objects are deleted."""

    async def unknown(self, attachment_ids: Collection[UUID]) -> Collection[UUID]:
        """Those of which no content belongs to a case."""


class ObjectPlace(Protocol):
    """Where contents are kept; raises Unavailable when it is away."""

    async def put(self, name: str, content: bytes | bytearray) -> None:
        """Keep the content; once this returns it survives a power cut."""

    def read(self, name: str, size: int) -> AsyncIterator[bytes]:
        """The content in pieces of `size` bytes, the last one shorter."""

    async def drop(self, names: Sequence[str]) -> None:
        """Delete them; one that is not there is no error."""

    def older(self, age: timedelta) -> AsyncIterator[Sequence[str]]:
        """The names of all objects that are older, some at a time."""


Quarantine = Literal["scanner", "person", "none"]
"""Who lets files out."""


@dataclass(frozen=True, slots=True)
class Files:
    """The tools for files of cases. `examine` looks at one as it came in, apart from this process; it and
    sealing are done `alone`, since a file takes several times its size meanwhile."""

    known: Attachments
    objects: ObjectPlace
    examine: Callable[[bytes, Limits], Awaitable[Examined]]
    turns: Turns
    alone: Lock
    quarantine: Quarantine


class Trail(Protocol):
    """The audit log, for what concerns no single case."""

    async def record(self, actor: Actor, at: datetime, act: str, **codes: object) -> None:
        """Who did what; ids and codes only (G25)."""


class Gazetteer(Protocol):
    """Where addresses are looked up."""

    async def current(self) -> Mapping[str, Places]:
        """The places by district; a district without places is none of ours."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, when, and how the request is made repeatable."""

    actor: Actor
    at: datetime
    key: IdempotencyKey | None = None
    version: int | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """The tools of the service's use cases."""

    shell: Runs
    views: Views
    suggested: Suggested
    channels: ChannelBook
    places: Gazetteer
    vault: Vault
    imports: Imports
    files: Files
    trail: Trail
    known: Reference
    now: Callable[[], datetime]
    new_id: Callable[[], UUID]
    chance: Random
    """Draws query codes: a source that nobody can foresee, or a seeded one in tests."""


def work(
    use_case: UseCase[Case, Any],
    case_id: UUID,
    command: Any,
    asked: Asked,
    *,
    district: str = "",
    also: tuple[UUID, ...] = (),
) -> Work[Case, Any]:
    """The command of a request. A case that exists has its district already."""
    return Work(
        use_case=use_case,
        case_id=case_id,
        command=command,
        actor=asked.actor,
        district=district,
        received_at=asked.at,
        also=also,
        key=asked.key,
        expected_version=asked.version,
        known=visible,
        trace=asked.trace,
    )
