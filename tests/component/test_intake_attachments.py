"""Files of cases: kept sealed and in quarantine, let out, handed out, taken out; never lost, never twice."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import aiohttp
import pytest

from libs.db.pool import Database
from libs.files.scanner import Scanner
from libs.runtime.loops import Pulse
from libs.web.errors import Refusal, Unavailable
from services.console.domain.access import Account
from services.console.handlers.casework import Upload, attach, attached, fetch, let_out
from services.console.providers import HttpServices
from services.intake.handlers import attachment_worker
from services.intake.handlers.attachments import object_name
from tests.component.intake_attachments import EICAR, Files, clamd, form, free_port, handled
from tests.component.intake_door import opened
from tests.support.infrastructure import Databases
from tests.support.wait import until
from tests.unit.files.build import PLACE, SOUND, pdf, picture
from tests.unit.intake.build import DISTRICT

NAME = "欧阳春晓劳动合同.pdf"
TWO = "multipart/form-data; boundary=b"
TEXT = "欠条：今欠欧阳春晓工资三千元整".encode()


@pytest.fixture(scope="module")
async def intake(all_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Files]:
    """One for all these tests: it costs more to start than each of them."""
    database = await Database.open(all_databases.fresh("intake"), name="test-attachments", size=10)
    async with opened(database, tmp_path_factory.mktemp("intake")) as door:
        yield Files(door)
    await database.close()
    all_databases.drop()


@pytest.fixture
async def files(intake: Files) -> AsyncIterator[Files]:
    """Without a file of another test."""
    yield intake
    await intake.forget()


async def test_from_quarantine_to_the_hands_of_who_decides(files: Files) -> None:
    case_id = await files.case()
    large = pdf(b"/Filler (" + os.urandom(1_600_000).replace(b"/", b".") + b")")
    sent = await files.send(case_id, large, name=NAME, media="application/pdf")
    assert (sent.status, sent.body["state"], sent.body["size"]) == (201, "quarantined", len(large))
    assert "name" not in sent.body
    at = sent.headers["location"]
    (told,) = await files.items(case_id)
    assert told == {**sent.body, "name": "欧**.pdf"}
    assert (await files.items(case_id, "dispatcher"))[0]["name"] == NAME
    await files.case()
    waiting = (await files.door.get("/v1/cases?needs=quarantine", "supervisor")).body["items"]
    assert [one["case_id"] for one in waiting] == [case_id]
    status, body, _ = await files.fetch(at)
    assert (status, b"not_released" in body) == (409, True)
    assert (await files.act(f"{at}/release", None, "operator")).status == 403
    released = await files.act(f"{at}/release")
    assert (released.status, released.body["state"]) == (200, "released")
    assert (await files.door.get("/v1/cases?needs=quarantine")).body["items"] == []
    status, body, headers = await files.fetch(at, "dispatcher")
    assert (status, body) == (200, large)
    assert headers["content-disposition"].startswith('attachment; filename="________.pdf"; filename*=UTF-8')
    assert (headers["content-type"], headers["x-content-type-options"]) == (
        "application/octet-stream",
        "nosniff",
    )
    assert headers["content-security-policy"].startswith("sandbox")
    assert headers["cache-control"] == "no-store"
    assert (await files.fetch(at, "operator"))[0] == 403
    assert (await files.door.get(f"/v1/cases/{case_id}")).body["attachments"] == 1
    trail = (await files.door.get(f"/v1/audit?case_id={case_id}", "auditor")).body["items"]
    acts = [(one["action"], one["seen"]) for one in trail if one["action"].startswith("attachment")]
    assert sorted(acts, key=str) == [
        ("attachment.listed", "masked"),
        ("attachment.listed", "plain"),
        ("attachment.read", "plain"),
        ("attachment.received", None),
        ("attachment.released", None),
    ]


async def test_what_is_kept_is_sealed_in_its_place(files: Files) -> None:
    case_id = await files.case(applicant={"name": "欧阳春晓"})
    sent = await files.send(case_id, TEXT + b"x" * (2 * 2**20 - len(TEXT)), name="欧阳春晓.txt")
    other = await files.send(case_id, picture(), name="欧阳春晓.jpg")
    assert {sent.status, other.status} == {201}
    kept = b"".join(path.read_bytes() for path in files.objects())
    assert len(files.objects()) == 2
    assert not any(word in kept for word in (TEXT, "欧阳".encode(), PLACE.encode(), b"JFIF"))
    assert case_id.replace("-", "") not in "".join(map(str, files.objects()))
    at = sent.headers["location"]
    await files.act(f"{at}/release")
    (long,) = [path for path in files.objects() if path.stat().st_size > 2**20]
    whole = long.read_bytes()
    half = len(whole) // 2  # two parts of one length
    for broken in (whole[half:] + whole[:half], bytes([whole[0] ^ 1]) + whole[1:], whole[: half - 1], b""):
        long.write_bytes(broken)
        status, body, _ = await files.fetch(at)
        assert (status, b"content_lost" in body) == (409, True)
    long.write_bytes(whole[:half])
    with pytest.raises(aiohttp.ClientPayloadError):  # it had begun: it breaks off
        await files.fetch(at)
    long.unlink()
    status, body, _ = await files.fetch(at)
    assert (status, b"content_lost" in body) == (409, True)


async def test_the_same_request_is_one_file_whatever_the_form_looks_like(files: Files) -> None:
    case_id = await files.case()
    key = {"idempotency-key": "one-file"}
    first, again = [await files.send(case_id, name="a.jpg", headers=key) for _ in range(2)]
    assert (again.status, again.body, again.headers["idempotent-replayed"]) == (201, first.body, "true")
    assert len(await files.items(case_id)) == 1
    changed = await files.send(case_id, TEXT, headers=key)
    assert (changed.status, changed.body["code"]) == (422, "idempotency_key_reused")
    caretaker = files.caretaker()
    assert await caretaker.sweep(timedelta(hours=1)) == 0
    assert await caretaker.sweep(timedelta()) == 2  # what the repetitions left
    (kept,) = files.objects()
    assert kept.name == UUID(first.body["attachment_id"]).hex


async def test_what_is_no_file_of_ours_is_refused_with_its_reason_and_nothing_is_kept(files: Files) -> None:
    case_id = await files.case()
    at = f"/v1/cases/{case_id}/attachments"

    async def told(content: bytes, name: str = "", media: str = "") -> tuple[int, str, list[tuple[str, str]]]:
        answer = await files.send(case_id, content, name=name, media=media)
        faults = [(fault["pointer"], fault["code"]) for fault in answer.body.get("errors", [])]
        return answer.status, answer.body["code"], faults

    assert await told(b"") == (422, "bad_file", [("/file", "empty")])
    assert await told(b"MZ" + bytes(90), "a.pdf") == (422, "bad_file", [("/file", "unknown_type")])
    assert await told(SOUND["image/png"], "a.jpg") == (422, "invalid", [("/file/name", "wrong_extension")])
    assert await told(picture(), "a.jpg", "text/html") == (
        422,
        "invalid",
        [("/file/media_type", "wrong_media_type")],
    )
    assert (await told(bytes(20 * 2**20 + 1)))[:2] == (413, "too_large")
    for body, kind, status in (
        (*form(picture(), field="other"), 422),
        (b'--b\r\ncontent-disposition: form-data; name="file"\r\n\r\nx\r\n' * 2 + b"--b--\r\n", TWO, 422),
        (form(picture())[0], "multipart/form-data; boundary=another", 400),
        (form(picture())[0][:-20], "multipart/form-data; boundary=b9", 400),
        (b"", "multipart/form-data; boundary=b", 400),
        (b"x", "multipart/form-data", 400),
        (b"{}", "application/json", 415),
    ):
        answer = await files.door.ask("PUT", at, body, headers={"content-type": kind})
        assert answer.status == status, answer.body
    body, kind = form(picture())
    without = await files.door.ask("PUT", at, body, headers={"content-type": kind, "idempotency-key": ""})
    assert (without.status, without.body["code"]) == (400, "idempotency_key_missing")
    elsewhere = await files.send("019c2b6e-7001-7001-8001-000000000001")
    assert elsewhere.status == 404
    assert await files.items(case_id) == []
    assert files.objects() == []


async def test_one_upload_at_a_time_for_each_and_few_for_all(files: Files) -> None:
    case_id = await files.case()

    go_on, url = asyncio.Event(), f"/v1/cases/{case_id}/attachments"
    body, kind = form(picture())

    async def upload(user: str) -> int:
        async def pieces() -> AsyncIterator[bytes]:
            yield body[:200]
            await go_on.wait()
            yield body[200:]

        token = files.door.token(user=user)
        headers = {"authorization": f"Bearer {token}", "idempotency-key": user, "content-type": kind}
        async with files.door.session.put(url, data=pieces(), headers=headers) as answer:
            return answer.status

    first, second = asyncio.create_task(upload("one")), asyncio.create_task(upload("two"))

    async def both_began() -> bool:
        return len(files.door.desk.files.turns._busy) == 2

    await until(both_began, every=0.01)
    assert await upload("one") == 429
    assert await upload("three") == 503
    go_on.set()
    assert (await first, await second) == (201, 201)
    assert await upload("three") == 201


async def test_a_scanner_lets_out_what_is_clean_and_nothing_else_does(files: Files) -> None:
    case_id = await files.case()
    async with clamd() as found, handled(files.door, "scanner"):
        clean = await files.send(case_id, TEXT)
        assert (await files.act(f"{clean.headers['location']}/release")).body["code"] == "scanner_decides"
        away = files.caretaker(Scanner(f"127.0.0.1:{free_port()}", 5))
        with pytest.raises(Unavailable):
            await away.scan()
        assert not await away.scan()  # it is tried again after a while
        assert (await files.items(case_id))[0]["state"] == "quarantined"
        caretaker = files.caretaker(Scanner(f"127.0.0.1:{found.port}", 0.3))
        for unclear in (b"stream: size limit exceeded ERROR\n", b"?", b"", b"never"):
            await files.door.database.execute("update attachment set next_scan = now()")
            found.answer = unclear
            with pytest.raises(Unavailable):
                await caretaker.scan()
        found.answer = None
        await files.door.database.execute("update attachment set next_scan = now()")
        assert await caretaker.scan()
        assert found.scanned[-1] == TEXT
        infected = await files.send(case_id, EICAR)
        assert await caretaker.scan()
        assert not await caretaker.scan()
        assert [(one["state"], one["reason"]) for one in await files.items(case_id)] == [
            ("released", None),
            ("rejected", "INFECTED"),
        ]
        assert (await files.fetch(clean.headers["location"]))[:2] == (200, TEXT)
        status, body, _ = await files.fetch(infected.headers["location"])
        assert (status, b"INFECTED" in body) == (409, True)
        young = object_name(files.door.desk.new_id())
        await files.door.desk.files.objects.put(young, b"its row is on its way")
        running, pulse = await files.send(case_id, TEXT), Pulse(lambda: None)
        loop = asyncio.create_task(caretaker.run(pulse))

        async def all_done() -> bool:
            return (await files.items(case_id))[2]["state"] == "released" and len(files.objects()) == 3

        await until(all_done)
        pulse.stop()
        await loop
        assert (files.folder / young).exists()
        assert running.body["state"] == "quarantined"
        lost = UUID((await files.send(case_id, TEXT)).body["attachment_id"])
        (files.folder / object_name(lost)).unlink()
        assert await caretaker.scan()  # it holds up no other
        assert (await files.items(case_id))[3]["state"] == "quarantined"
    async with handled(files.door, "none"):
        assert (await files.send(case_id, TEXT)).body["state"] == "released"


async def test_a_crash_between_object_and_row_leaves_nothing_behind(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = await files.case()

    async def ends(*_: object) -> None:
        raise ConnectionError("the process ends here")

    with monkeypatch.context() as crash:
        crash.setattr("services.intake.handlers.attachments.act", ends)
        assert (await files.send(case_id)).status == 503
    assert len(files.objects()) == 1
    (files.folder / "ab").mkdir(exist_ok=True)
    (files.folder / "ab" / "half#1").write_bytes(b"half written")
    (files.folder / "not-ours").write_bytes(b"of somebody else")
    kept = await files.send(case_id)
    caretaker = files.caretaker()
    assert await caretaker.sweep(attachment_worker.ABANDONED) == 0
    assert await caretaker.sweep(timedelta()) == 1
    assert {path.name for path in files.objects()} == {UUID(kept.body["attachment_id"]).hex, "not-ours"}


async def test_a_file_that_is_taken_out_is_gone_for_good(files: Files) -> None:
    case_id = await files.case()
    at = (await files.send(case_id, name=NAME.replace("pdf", "jpg"))).headers["location"]
    assert (await files.act(f"{at}/removal", {"reason_code": "WRONG_CASE"}, "operator")).status == 403
    assert (await files.act(f"{at}/removal", {"reason_code": "?"})).status == 422
    gone = await files.act(f"{at}/removal", {"reason_code": "WRONG_CASE"})
    assert (gone.status, gone.body["state"], gone.body["reason"]) == (200, "removed", "WRONG_CASE")
    (told,) = await files.items(case_id, "supervisor")
    assert (told["name"], told["state"]) == (None, "removed")
    assert await files.caretaker().delete()
    assert not await files.caretaker().delete()
    assert files.objects() == []
    assert (await files.fetch(at))[0] == 409
    assert (await files.door.get(f"/v1/cases/{case_id}")).body["attachments"] == 0


async def test_a_portal_sends_and_lists_files_of_its_own_cases_alone(files: Files) -> None:
    key = (await files.door.post("/v1/channels/site/keys", {}, "admin")).body["key"]
    other = (await files.door.post("/v1/channels/other/keys", {}, "admin")).body["key"]
    theirs = await files.case()
    mine, foreign = {"authorization": f"Bearer {key}"}, {"authorization": f"Bearer {other}"}
    own = (
        (await files.door.register(channel="web", headers=mine))
        if False
        else await files.door.post("/v1/cases", {"channel": "web", "narrative": "门前路灯不亮"}, headers=mine)
    )
    case_id = own.body["case_id"]
    assert (await files.send(case_id, name="路灯.jpg", headers=mine)).status == 201
    (told,) = await files.items(case_id, headers=mine)
    assert (told["state"], told["name"]) == ("quarantined", "路**.jpg")
    at = f"/v1/cases/{case_id}/attachments"
    for path in (at, f"/v1/cases/{theirs}/attachments"):
        assert (await files.door.get(path, headers=foreign)).status == 404
    assert (await files.send(case_id, headers=foreign)).status == 404
    assert (await files.send(theirs, headers=mine)).status == 404
    assert (await files.door.get(f"{at}/{told['attachment_id']}", headers=mine)).status == 403
    assert len(await files.items(case_id)) == 1


async def test_files_of_an_accusation_and_of_another_district_are_not_there(files: Files) -> None:
    secret = await files.case("sealed_officer", kind="REP")
    sent = await files.send(secret, None, "sealed_officer")
    assert sent.status == 201
    at = sent.headers["location"]
    for role in ("operator", "supervisor"):
        assert (await files.send(secret, None, role)).status == 404
        assert (await files.door.get(f"/v1/cases/{secret}/attachments", role)).status == 404
        assert (await files.fetch(at, "supervisor"))[0] == 404
    assert (await files.act(f"{at}/release", None, "supervisor")).status == 404
    assert (await files.act(f"{at}/release", None, "sealed_officer")).status == 200
    assert (await files.fetch(at, "sealed_officer"))[0] == 200
    case_id = await files.case()
    own = (await files.send(case_id)).headers["location"]
    await files.act(f"{own}/release")
    swapped = own.replace(case_id, await files.case())
    assert (await files.fetch(swapped))[0] == 404
    elsewhere = await files.door.get(own, "supervisor", districts=("990102",))
    assert elsewhere.status == 404


async def test_the_console_sends_and_fetches_as_a_persons_client(files: Files) -> None:
    case_id = await files.case()
    urls = {"intake": str(files.door.session._base_url).rstrip("/")}
    staff = frozenset({"dispatcher", "supervisor"})
    services = HttpServices(urls, files.door.keys, staff, "demo", files.door.clock.now)
    person = Account("wang", "王", staff, frozenset({DISTRICT}), None, "")
    try:
        await attach(services, person, UUID(case_id), Upload('甲"乙\r\n.pdf', "application/pdf", pdf()), "k")
        (told,) = await attached(services, person, UUID(case_id)) or ()
        assert (told["name"], told["state"]) == ("甲_乙.pdf", "quarantined")
        at = UUID(told["attachment_id"])
        with pytest.raises(Refusal) as refused:
            await fetch(services, person, UUID(case_id), at)
        assert refused.value.code == "not_released"
        await let_out(services, person, UUID(case_id), at, "let-out")
        file = await fetch(services, person, UUID(case_id), at)
        assert file.headers["content-disposition"].endswith("filename*=UTF-8''%E7%94%B2_%E4%B9%99.pdf")
        assert b"".join([piece async for piece in file.pieces]) == pdf()
    finally:
        await services.close()
