"""Files of a case: who may send, see, fetch, let out and take out; what becomes of each."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from libs.db.work import Actor, Moment
from libs.files.checking import examine
from libs.files.faults import BadFile
from libs.web.errors import Forbidden, ForbiddenAction, Invalid, NotFound
from services.intake.domain.attaching import (
    Attach,
    HandOut,
    LetOut,
    ListFiles,
    NotReleased,
    Scanned,
    ScannerDecides,
    TakeOut,
    TooManyAttachments,
    attach,
    hand_out,
    let_out,
    list_files,
    scanned,
    take_out,
)
from services.intake.domain.attachment import Attachment, State, masked_name
from services.intake.domain.case import Case
from services.intake.domain.erasing import Held
from tests.unit.files.build import DOCX, SOUND
from tests.unit.intake.build import DATA, DISTRICT, NOW, accepted, kept, known, moment, new_id, registered

STAFF = ("operator", "dispatcher", "supervisor", "duty_officer")


def file(state: State = "quarantined", reason: str | None = None) -> Attachment:
    sealed = b"name and key" if state in ("quarantined", "released") else None
    return Attachment(new_id(), "image/jpeg", 1_000, state, NOW, "staff:somebody", sealed, reason)


def case(*files: Attachment, **fields: Any) -> Case:
    return replace(accepted(**fields), attachments=files)


def portal(*scopes: str, name: str = "site") -> Moment:
    actor = Actor(
        "channel", "site.k1", districts=frozenset({DISTRICT}), portal=name, scopes=frozenset(scopes)
    )
    return replace(moment(), actor=actor)


SERVICE = replace(moment(), actor=Actor("service", "intake"))


def test_a_file_comes_into_quarantine_and_is_told_without_its_name() -> None:
    sent = file()
    decision = attach(case(), Attach(known(), sent), moment())
    assert kept(decision).attachments == (sent,)
    assert (decision.status, decision.reply["state"]) == (201, "quarantined")
    assert decision.location == f"/v1/cases/{decision.reply['case_id']}/attachments/{sent.attachment_id}"
    assert "name" not in decision.reply
    (entry,) = decision.audit
    assert (entry.action, entry.detail["state"]) == ("attachment.received", "quarantined")
    assert decision.events == ()


@pytest.mark.parametrize("stage", ["refused", "merged", "withdrawn"])
def test_a_matter_that_is_over_takes_no_file(stage: str) -> None:
    over = replace(case(), stage=stage)
    with pytest.raises(ForbiddenAction) as refused:
        attach(over, Attach(known(), file()), moment())
    assert refused.value.extra["state"] == stage


def test_nor_does_a_closed_one() -> None:
    with pytest.raises(ForbiddenAction) as refused:
        attach(replace(case(), closed_at=NOW), Attach(known(), file()), moment())
    assert refused.value.extra["state"] == "closed"


def test_a_case_has_so_many_files_and_what_is_gone_does_not_count() -> None:
    most = known().attachments.most
    full = case(*(file() for _ in range(most)))
    with pytest.raises(TooManyAttachments) as refused:
        attach(full, Attach(known(), file()), moment())
    assert refused.value.extra == {"most": most}
    roomy = replace(full, attachments=(*full.attachments[1:], file("rejected", "INFECTED")))
    assert len(kept(attach(roomy, Attach(known(), file()), moment())).attachments) == most + 1


def test_a_portal_sends_files_for_its_own_cases_with_a_key_that_registers() -> None:
    own = replace(case(), portal="site")
    assert attach(own, Attach(known(), file()), portal("web")).status == 201
    with pytest.raises(Forbidden):
        attach(own, Attach(known(), file()), portal("read"))
    with pytest.raises(NotFound):
        attach(own, Attach(known(), file()), portal("web", name="other"))
    assert list_files(own, ListFiles(known()), portal("read")).reply["named"] is False
    with pytest.raises(Forbidden):
        hand_out(replace(own, attachments=(file("released"),)), HandOut(known(), new_id()), portal("read"))


@pytest.mark.parametrize(
    ("role", "flags", "named"),
    [
        ("operator", [], False),
        ("dispatcher", [], True),
        ("supervisor", [], True),
        ("dispatcher", ["CONFIDENTIAL"], False),
        ("duty_officer", ["CONFIDENTIAL"], True),
    ],
)
def test_who_may_read_a_file_sees_its_name(role: str, flags: list[str], named: bool) -> None:
    assert known().flags.hide_contact(["CONFIDENTIAL"])
    released = file("released")
    one = case(released).with_facts(flags=tuple(flags))
    listed = list_files(one, ListFiles(known()), moment(role))
    assert (len(listed.reply["items"]), listed.reply["named"]) == (1, named)
    assert listed.audit[0].detail["names"] == ("plain" if named else "masked")
    if named:
        decision = hand_out(one, HandOut(known(), released.attachment_id), moment(role))
        assert [(entry.action, entry.detail) for entry in decision.audit] == [
            ("attachment.read", {"attachment": str(released.attachment_id)})
        ]
    else:
        with pytest.raises(Forbidden):
            hand_out(one, HandOut(known(), released.attachment_id), moment(role))


@pytest.mark.parametrize(
    ("state", "reason"), [("quarantined", None), ("rejected", "INFECTED"), ("removed", "WRONG_CASE")]
)
def test_only_a_released_file_is_handed_out_and_who_asks_is_told_why_not(
    state: State, reason: str | None
) -> None:
    one = file(state, reason)
    with pytest.raises(NotReleased) as refused:
        hand_out(case(one), HandOut(known(), one.attachment_id), moment("supervisor"))
    assert refused.value.extra == {"state": state, "reason": reason}


Try = Callable[[Case, Attachment, str], object]
ACTS: dict[str, Try] = {
    "attach": lambda case, one, role: attach(case, Attach(known(), file()), moment(role)),
    "list": lambda case, one, role: list_files(case, ListFiles(known()), moment(role)),
    "fetch": lambda case, one, role: hand_out(case, HandOut(known(), one.attachment_id), moment(role)),
    "release": lambda case, one, role: let_out(case, LetOut(one.attachment_id, False), moment(role)),
    "remove": lambda case, one, role: take_out(
        case, TakeOut(known(), one.attachment_id, "UNLAWFUL"), moment(role)
    ),
}


@pytest.mark.parametrize("act", ACTS)
def test_files_of_an_accusation_are_the_sealed_officers_alone(act: str) -> None:
    one = file("quarantined" if act == "release" else "released")
    sealed = replace(registered(kind="REP", roles=("sealed_officer",)), attachments=(one,))
    for role in STAFF:
        with pytest.raises(NotFound):
            ACTS[act](sealed, one, role)
    assert ACTS[act](sealed, one, "sealed_officer")


@pytest.mark.parametrize("act", ACTS)
def test_an_erased_case_has_no_files(act: str) -> None:
    one = file()
    with pytest.raises(NotFound):
        ACTS[act](replace(case(one), stage="erased"), one, "supervisor")


@pytest.mark.parametrize("role", ["supervisor", "duty_officer"])
def test_a_supervisor_lets_a_file_out_where_no_scanner_does(role: str) -> None:
    one = file()
    after = kept(let_out(case(one), LetOut(one.attachment_id, scanned=False), moment(role)))
    (released,) = after.attachments
    assert (released.state, released.settled_at, released.kept) == ("released", NOW, True)
    with pytest.raises(ForbiddenAction):
        let_out(after, LetOut(one.attachment_id, scanned=False), moment(role))
    with pytest.raises(ScannerDecides):
        let_out(case(one), LetOut(one.attachment_id, scanned=True), moment(role))


@pytest.mark.parametrize("act", ["release", "remove"])
@pytest.mark.parametrize("role", ["operator", "dispatcher"])
def test_others_neither_let_out_nor_take_out(act: str, role: str) -> None:
    one = file()
    with pytest.raises(Forbidden):
        ACTS[act](case(one), one, role)


@pytest.mark.parametrize("state", ["quarantined", "released"])
def test_a_file_is_taken_out_for_a_reason_and_its_name_and_key_go_with_it(state: State) -> None:
    one, other = file(state), file()
    command = TakeOut(known(), one.attachment_id, "WRONG_CASE")
    after = kept(take_out(case(one, other), command, moment("supervisor")))
    gone = after.attachments[0]
    assert (gone.state, gone.reason, gone.sealed) == ("removed", "WRONG_CASE", None)
    assert after.attachments[1] == other
    with pytest.raises(ForbiddenAction):
        take_out(after, command, moment("supervisor"))
    with pytest.raises(Invalid):
        take_out(case(one), TakeOut(known(), one.attachment_id, "BECAUSE"), moment("supervisor"))
    with pytest.raises(NotFound):
        take_out(case(one), TakeOut(known(), new_id(), "WRONG_CASE"), moment("supervisor"))


def test_nothing_is_taken_out_of_a_case_that_is_held() -> None:
    one = file()
    held = replace(case(one), holds=("COURT",))
    with pytest.raises(Held) as refused:
        take_out(held, TakeOut(known(), one.attachment_id, "WRONG_CASE"), moment("supervisor"))
    assert refused.value.extra == {"holds": ["COURT"]}


def test_the_scanner_lets_out_what_is_clean_and_destroys_what_is_not() -> None:
    one, other = file(), file()
    clean = kept(scanned(case(one, other), Scanned(one.attachment_id, infected=False), SERVICE))
    assert [file.state for file in clean.attachments] == ["released", "quarantined"]
    found = scanned(clean, Scanned(other.attachment_id, infected=True), SERVICE)
    rejected = kept(found).attachments[1]
    assert (rejected.state, rejected.reason, rejected.sealed) == ("rejected", "INFECTED", None)
    assert [entry.action for entry in found.audit] == ["attachment.rejected"]


def test_what_was_settled_before_the_scan_came_back_stays_so() -> None:
    gone = file("removed", "WRONG_CASE")
    late = scanned(case(gone), Scanned(gone.attachment_id, infected=False), SERVICE)
    assert (late.ignored, late.case, late.audit) == ("settled", case(gone), ())
    assert scanned(None, Scanned(new_id(), infected=False), SERVICE).ignored == "settled"


# --- which files are taken ----------------------------------------------------------------------------------

RULES = known().attachments


def test_every_kind_that_the_data_names_can_be_checked_and_is_bounded_by_the_door() -> None:
    assert RULES.types.keys() == SOUND.keys()
    assert all(0 < kind.max_bytes <= 20 * 2**20 for kind in RULES.types.values())
    assert {media: examine(content, RULES.limits).media for media, content in SOUND.items()} == {
        media: media for media in SOUND
    }


@pytest.mark.parametrize(
    ("media", "name", "declared"),
    [
        ("image/jpeg", "工资条.JPG", "image/jpeg"),
        ("image/jpeg", "工资条", ""),
        ("image/jpeg", "", "application/octet-stream"),
        ("image/jpeg", "a.jpeg", "image/jpg"),
        ("audio/mp4", "录音.m4a", "audio/x-m4a"),
        (DOCX, "申请书.docx", DOCX),
    ],
)
def test_a_name_and_a_type_that_agree_with_the_content(media: str, name: str, declared: str) -> None:
    assert RULES.check(media, 100, name, declared) == name


@pytest.mark.parametrize(
    ("name", "declared", "pointer", "code"),
    [
        ("a.png", "image/jpeg", "/file/name", "wrong_extension"),
        ("a.jpg.exe", "image/jpeg", "/file/name", "wrong_extension"),
        ("a.\u202egpj.exe", "image/jpeg", "/file/name", "wrong_extension"),
        ("a.html", "", "/file/name", "wrong_extension"),
        ("a.jpg", "text/html", "/file/media_type", "wrong_media_type"),
        ("a.jpg", "image/png", "/file/media_type", "wrong_media_type"),
    ],
)
def test_a_name_or_a_type_that_says_otherwise(name: str, declared: str, pointer: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        RULES.check("image/jpeg", 100, name, declared)
    assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [(pointer, code)]


@pytest.mark.parametrize(
    ("media", "size", "code"),
    [("text/plain", 2 * 2**20 + 1, "file_too_large"), ("image/gif", 10, "unknown_type")],
)
def test_a_kind_that_is_too_large_or_not_taken(media: str, size: int, code: str) -> None:
    with pytest.raises(BadFile) as refused:
        RULES.check(media, size, "", "")
    assert refused.value.why == code


@pytest.mark.parametrize(
    ("name", "masked"),
    [("周小川劳动合同.pdf", "周**.pdf"), ("合同", "合**"), (".pdf", "**.pdf"), ("a.b.docx", "a**.docx")],
)
def test_a_masked_name(name: str, masked: str) -> None:
    assert masked_name(name) == masked


def test_reasons_of_a_removal_are_told_in_both_languages() -> None:
    rows = json.loads((DATA / "reasons.json").read_text("utf-8"))["attachment_removed"]
    assert all(row["zh"] and row["en"] for row in rows)
    assert {row["code"] for row in rows} == RULES.removal_reasons
