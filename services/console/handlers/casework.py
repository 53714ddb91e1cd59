"""Working on a case as its staff member's client: each fact is asked of, each act done by its service."""

import asyncio
import re
import unicodedata
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol
from uuid import UUID

from libs.web.errors import FieldError, Forbidden, Invalid, NotFound, Refusal
from services.console.domain.access import Account
from services.console.domain.acts import CaseAct

Service = Literal["intake", "routing", "mediation", "notify"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered; `version` is that of its ETag, 0 without one."""

    body: Any
    version: int = 0


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as the browser sent it."""

    name: str
    media: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Download:
    """A file that a service hands out, and how a browser is to keep it."""

    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]


class Services(Protocol):
    """The other services, for the person who is signed in. Raises the refusal that a service answers, and
    `Unavailable` for one that does not answer in time."""

    async def ask(
        self,
        account: Account,
        service: Service,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        version: int | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer: ...

    async def send_file(self, account: Account, path: str, file: Upload, key: str) -> Answer:
        """Send a file to intake."""

    async def fetch_file(self, account: Account, path: str) -> Download:
        """Fetch one from intake."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a list."""

    items: Sequence[Mapping[str, Any]]
    next: str | None


@dataclass(frozen=True, slots=True)
class File:
    """All that a case's page shows; a part that its service did not give is None."""

    intake: Mapping[str, Any]
    version: int
    mediation: Mapping[str, Any] | None
    attempts: Sequence[Mapping[str, Any]] | None
    messages: Sequence[Mapping[str, Any]] | None

    @property
    def state(self) -> str:
        """Where it stands at intake, which acts on no case that mediation has closed."""
        closed = self.mediation is not None and self.mediation["state"] == "closed"
        return "closed" if closed else self.intake["state"]


QUERY_CODE: Final = re.compile("[2-9A-HJKMNP-Z]{8}", re.IGNORECASE)
PHONE: Final = re.compile(r"[0-9]{4}|(?:[ +-]*[0-9]){7,15}")
"""A number of the length that telephones have (ITU-T E.164: at most 15 digits), or its last four digits."""


async def enter(services: Services, account: Account, said: Mapping[str, Any], key: str) -> Answer:
    """Register a matter; sent again with the same key it is registered once. A Forbidden names the decision
    that came with it, if there is one: without it whoever enters matters may register this one."""
    try:
        return await services.ask(account, "intake", "POST", "/v1/cases", said, key=key)
    except Forbidden:
        if "decision" not in said:
            raise
        fault = FieldError("/decision", "forbidden", "您的岗位不能受理这类事项，去掉勾选仍可登记")
        raise Forbidden(errors=[fault]) from None


async def act(
    services: Services,
    account: Account,
    case_id: UUID,
    what: CaseAct,
    form: Mapping[str, str],
    key: str,
    version: int,
) -> Answer:
    """Do an act on the version that the person saw; another case in it is named by its query code or id.
    Raises Invalid at `/other` for a name of no case."""
    if "other" in what.fields:
        form = {**form, "other": await _named_case(services, account, form.get("other", "").strip())}
    path = f"/v1/cases/{case_id}/{what.path}".rstrip("/")
    return await services.ask(account, "intake", what.method, path, what.body(form), key=key, version=version)


async def _named_case(services: Services, account: Account, named: str) -> str:
    if not QUERY_CODE.fullmatch(named):
        try:
            return str(UUID(named))
        except ValueError:
            fault = ("no_query_code", "应为八位查询码") if named else ("required",)
            raise Invalid(errors=[FieldError("/other", *fault)]) from None
    answer = await services.ask(account, "intake", "GET", "/v1/cases", query={"query_code": named.upper()})
    if not answer.body["items"]:
        raise Invalid(errors=[FieldError("/other", "unknown_case", "没有此查询码的事项")])
    return str(answer.body["items"][0]["case_id"])


async def search(services: Services, account: Account, sought: str, after: str | None) -> Found:
    """Cases by query code, by phone or its last four digits, else by words of what was said; however wide
    it was typed."""
    sought = unicodedata.normalize("NFKC", sought).strip()
    if not sought:
        raise Invalid(errors=[FieldError("/sought", "required")])
    wanted: dict[str, Any] = {"q": sought}
    if QUERY_CODE.fullmatch(sought):
        wanted = {"query_code": sought.upper()}
    elif PHONE.fullmatch(sought):
        wanted = {"phone": sought}
    if after:
        wanted["after"] = after
    answer = await services.ask(account, "intake", "POST", "/v1/cases/search", wanted)
    return Found(answer.body["items"], answer.body["next"])


async def known(services: Services, account: Account, phone: str) -> Found:
    """What a caller brought before, newest first, by the whole number: plain facts, no score of a person."""
    answer = await services.ask(account, "intake", "POST", "/v1/cases/search", {"phone": phone})
    return Found(answer.body["items"], answer.body["next"])


async def suggested(services: Services, account: Account, draft: Mapping[str, Any]) -> Mapping[str, Any]:
    """What intake suggests for what was typed so far."""
    answer = await services.ask(account, "intake", "POST", "/v1/suggestions", draft)
    told: Mapping[str, Any] = answer.body
    return told


async def written_notice(services: Services, account: Account, case_id: UUID) -> Mapping[str, Any]:
    """The notice of what intake decided."""
    answer = await services.ask(account, "intake", "GET", f"/v1/cases/{case_id}/notice")
    told: Mapping[str, Any] = answer.body
    return told


async def attached(services: Services, account: Account, case_id: UUID) -> Sequence[Mapping[str, Any]] | None:
    """The files of a case; None for who may not know of them, or while intake is away."""
    answer = await _if_there(services, account, "intake", _files(case_id))
    return answer.body["items"] if answer else None


async def noted(services: Services, account: Account, case_id: UUID) -> Found | None:
    """The first free texts that acts left on a case; None for who may not read them, or while intake is
    away."""
    path = f"/v1/cases/{case_id}/notes"
    answer = await _if_there(services, account, "intake", path, {"limit": "100"})
    return Found(answer.body["items"], answer.body["next"]) if answer else None


async def attach(services: Services, account: Account, case_id: UUID, file: Upload, key: str) -> None:
    """Send a file for a case; sent again with the same key it is there once."""
    await services.send_file(account, _files(case_id), file, key)


async def fetch(services: Services, account: Account, case_id: UUID, attachment_id: UUID) -> Download:
    """A released file of a case."""
    return await services.fetch_file(account, f"{_files(case_id)}/{attachment_id}")


async def let_out(services: Services, account: Account, case_id: UUID, attachment_id: UUID, key: str) -> None:
    """Let a file out of quarantine."""
    path = f"{_files(case_id)}/{attachment_id}/release"
    await services.ask(account, "intake", "POST", path, key=key)


def _files(case_id: UUID) -> str:
    return f"/v1/cases/{case_id}/attachments"


async def open_file(services: Services, account: Account, case_id: UUID) -> File:
    """A case from all services at once. Raises NotFound or Forbidden as intake does; a later service that has
    nothing yet, or is away, leaves its part out."""
    intake, mediation, attempts, messages = await asyncio.gather(
        services.ask(account, "intake", "GET", f"/v1/cases/{case_id}"),
        _if_there(services, account, "mediation", f"/v1/cases/{case_id}"),
        _if_there(services, account, "routing", f"/v1/cases/{case_id}/assignments"),
        _if_there(services, account, "notify", "/v1/messages", {"case_id": str(case_id), "limit": "100"}),
    )
    return File(
        intake.body,
        intake.version,
        mediation.body if mediation else None,
        attempts.body["items"] if attempts else None,
        messages.body["items"] if messages else None,
    )


async def _if_there(
    services: Services, account: Account, service: Service, path: str, query: Mapping[str, str] | None = None
) -> Answer | None:
    try:
        return await services.ask(account, service, "GET", path, query=query)
    except NotFound:
        return Answer({"items": []}) if service == "routing" else None
    except Refusal:
        return None
