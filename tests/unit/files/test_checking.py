"""What strangers send: taken for what it is, made harmless, or refused with a reason that has a text."""

import io
import zipfile
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from libs.files.checking import examine
from libs.files.examined import Examined
from libs.files.faults import BadFile
from libs.files.limits import Limits
from libs.web import fieldtexts
from tests.unit.files.build import (
    DOCX,
    PLACE,
    SOUND,
    XLSX,
    amr,
    box,
    document,
    film,
    mp3,
    package,
    pdf,
    picture,
)

LIMITS = Limits()


def why(content: bytes, limits: Limits = LIMITS) -> str:
    """The code of the refusal, which a person can read in both languages."""
    with pytest.raises(BadFile) as refused:
        examine(content, limits)
    (fault,) = refused.value.errors
    assert (fault.pointer, fieldtexts.known(fault.code)) == ("/file", True), fault
    return fault.code


@pytest.mark.parametrize("media", SOUND)
def test_each_kind_is_known_by_its_content_and_stays_what_it_is(media: str) -> None:
    found = examine(SOUND[media], LIMITS)
    assert found.media == media
    again = examine(found.content, LIMITS)
    assert again == found or (again.media == media == "image/jpeg")  # which is decoded each time


@pytest.mark.parametrize("media", [DOCX, XLSX, "application/pdf", "text/plain", "audio/amr"])
def test_documents_are_kept_byte_by_byte(media: str) -> None:
    assert examine(SOUND[media], LIMITS).content == SOUND[media]


@pytest.mark.parametrize("media", ["image/jpeg", "image/png", "video/mp4", "audio/mp4", "audio/mpeg"])
def test_what_tells_of_place_and_device_stays_behind(media: str) -> None:
    assert PLACE.encode() in SOUND[media]
    kept = examine(SOUND[media], LIMITS).content
    assert PLACE.encode() not in kept
    if media.startswith("image"):
        with Image.open(io.BytesIO(kept)) as image:
            assert dict(image.getexif()) == {}
            assert {"exif", "comment", "icc_profile", "photoshop", "xmp"}.isdisjoint(image.info)


@pytest.mark.parametrize(
    ("turned", "size", "left_top"),
    [(1, (40, 20), "red"), (3, (40, 20), "blue"), (6, (20, 40), "red"), (8, (20, 40), "blue")],
)
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_picture_stands_upright_without_its_exif(
    form: str, turned: int, size: tuple[int, int], left_top: str
) -> None:
    with Image.open(io.BytesIO(examine(picture(form, turned=turned), LIMITS).content)) as image:
        assert image.size == size
        pixel = image.convert("RGB").getpixel((1, 1))
    assert isinstance(pixel, tuple)
    assert ("red" if pixel[0] > pixel[2] else "blue") == left_top


def test_a_jpeg_keeps_its_quality() -> None:
    with Image.open(io.BytesIO(SOUND["image/jpeg"])) as sent:
        tables = sent.quantization  # type: ignore[attr-defined]
    with Image.open(io.BytesIO(examine(SOUND["image/jpeg"], LIMITS).content)) as kept:
        assert kept.quantization == tables  # type: ignore[attr-defined]


def test_a_png_keeps_what_shines_through() -> None:
    written = io.BytesIO()
    Image.new("P", (4, 4)).save(written, "PNG", transparency=0)
    with Image.open(io.BytesIO(examine(written.getvalue(), LIMITS).content)) as kept:
        assert kept.info["transparency"] == 0


ZIP = package({"a.txt": "x"})
SCRIPT = b"<script>alert(1)</script>"


@pytest.mark.parametrize("behind", [ZIP, SCRIPT, b"MZ" + bytes(64)])
@pytest.mark.parametrize("media", ["image/jpeg", "image/png"])
def test_what_hangs_behind_a_picture_is_gone(media: str, behind: bytes) -> None:
    kept = examine(SOUND[media] + behind, LIMITS)
    assert (kept.media, behind in kept.content) == (media, False)


@pytest.mark.parametrize("media", [media for media in SOUND if media[:5] not in ("image", "audio")])
def test_what_is_an_archive_too_is_refused(media: str) -> None:
    assert why(SOUND[media] + ZIP) in {"polyglot", "trailing_data", "damaged", "unknown_type", "archive"}


def test_what_hangs_behind_a_sound_is_gone_or_refused() -> None:
    assert ZIP not in examine(mp3() + ZIP, LIMITS).content
    assert why(mp3() + ZIP * 20) == "trailing_data"
    assert why(amr() + ZIP) == "damaged"


def animated() -> bytes:
    written = io.BytesIO()
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(written, "PNG", save_all=True, append_images=frames[1:])
    return written.getvalue()


def webp() -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (4, 4)).save(written, "WEBP")
    return written.getvalue()


def encrypted() -> bytes:
    """A document whose parts say that they are encrypted, in both places where it is said."""
    made = bytearray(document())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = made.find(mark)
        while place >= 0:
            made[place + flags] |= 1
            place = made.find(mark, place + 4)
    return bytes(made)


def with_comment() -> bytes:
    written = io.BytesIO(document())
    with zipfile.ZipFile(written, "a") as archive:
        archive.comment = SCRIPT
    return written.getvalue()


def twice() -> bytes:
    written = io.BytesIO(document())
    with zipfile.ZipFile(written, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("word/document.xml", "<other/>")
    return written.getvalue()


TEMPLATE = '<Relationship Type="http://x/attachedTemplate" Target="http://x/t.dotm" TargetMode="External"/>'
LINK = '<Relationship Type="http://x/hyperlink" Target="http://x/" TargetMode="External"/>'


def settings_with(relations: bytes | str) -> bytes:
    """A document whose settings are related to something."""
    return document(word___rels__settings_dot_xml_dot_rels=relations)


EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "empty"),
    "a program": (lambda: b"MZ\x90\x00" + bytes(200), "unknown_type"),
    "an ELF program": (lambda: b"\x7fELF" + bytes(200), "unknown_type"),
    "bytes of nothing": (lambda: bytes(range(256)), "unknown_type"),
    "a page": (lambda: b"<!DOCTYPE html><html><body>x</body></html>", "markup"),
    "a drawing": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "markup"),
    "a script": (lambda: b"#!/bin/sh\nrm -r ~\n", "markup"),
    "a page in a text": (lambda: "投诉内容\n".encode() + SCRIPT, "markup"),
    "a text with a null": (lambda: b"text\x00text", "unknown_type"),
    "a text in UTF-16": (lambda: "工资".encode("utf-16"), "unknown_type"),
    "a GIF": (lambda: b"GIF89a" + bytes(30), "unknown_type"),
    "a WebP": (webp, "unknown_type"),
    "a RAR": (lambda: b"Rar!\x1a\x07\x01\x00" + bytes(40), "unknown_type"),
    "an old office file": (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "unknown_type"),
    "a torn picture": (lambda: picture(size=(400, 400))[:-2000], "damaged"),
    "a torn PNG": (lambda: SOUND["image/png"][:60], "damaged"),
    "a PNG by its name alone": (lambda: b"\x89PNG\r\n\x1a\n" + SCRIPT, "damaged"),
    "a JPEG by its name alone": (lambda: b"\xff\xd8\xff" + bytes(100), "damaged"),
    "a moving PNG": (animated, "animated"),
    "a PDF behind something": (lambda: SCRIPT + pdf(), "markup"),
    "a torn PDF": (lambda: pdf()[:-8], "damaged"),
    "a PDF before something": (lambda: pdf() + SCRIPT, "damaged"),
    "a PDF by its name alone": (lambda: b"%PDF-" + SCRIPT, "damaged"),
    "a locked PDF": (lambda: pdf(b"/Encrypt 5 0 R"), "encrypted"),
    "a PDF that acts": (lambda: pdf(b"/OpenAction << /S /JavaScript /JS (x) >>"), "active_content"),
    "a PDF that starts a program": (lambda: pdf(b"/OpenAction << /S /Launch >>"), "active_content"),
    "a PDF that acts, spelt": (lambda: pdf(b"/A<</S/J#61vaScript/JS(x)>>"), "active_content"),
    "a locked PDF, spelt": (lambda: pdf(b"/Encr#79pt 5 0 R"), "encrypted"),
    "a PDF that opens an address": (lambda: pdf(b"/OpenAction<</S/URI/URI(http://x/)>>"), "active_content"),
    "a PDF that goes and acts": (lambda: pdf(b"/OpenAction<</S/GoTo/D[1]/Next 5 0 R>>"), "active_content"),
    "a PDF with a remark": (lambda: pdf(b"/OpenAction%\n[1 0 R /Fit]"), "active_content"),
    "a PDF that acts elsewhere": (
        lambda: pdf(b"/OpenAction 05 0 R>>endobj 5 0 obj<</S/SubmitForm>>endobj <<"),
        "active_content",
    ),
    "a PDF that acts nowhere": (lambda: pdf(b"/OpenAction 5 0 R"), "active_content"),
    "a page that acts": (lambda: pdf(b"/AA <</O<</S/URI/URI(x)>>>>"), "active_content"),
    "a page that acts elsewhere": (lambda: pdf(b"/A#41%/AA\n5 0 R"), "active_content"),
    "a page that acts in a remark": (lambda: pdf(b"/AA%/AA<</O 5 0 R>>"), "active_content"),
    "a PDF with a file": (lambda: pdf(b"/Names<</EmbeddedFiles 5 0 R>>"), "active_content"),
    "a file in a PDF": (lambda: pdf(b"/Type/Embedded#46ile"), "active_content"),
    "a PDF with a file pinned on": (lambda: pdf(b"/FS<</F(a.exe)/EF<</F 5 0 R>>>>"), "active_content"),
    "a PDF with an archive": (lambda: pdf()[:-6] + ZIP + b"%%EOF\n", "polyglot"),
    "an archive": (lambda: ZIP, "archive"),
    "a presentation": (
        lambda: package({"[Content_Types].xml": "<Types/>", "ppt/presentation.xml": "<x/>"}),
        "archive",
    ),
    "a locked document": (encrypted, "encrypted"),
    "a document behind something": (lambda: b"PK\x03\x04" + bytes(60) + document(), "trailing_data"),
    "a document before something": (lambda: document() + bytes(30), "trailing_data"),
    "a document with a remark": (with_comment, "trailing_data"),
    "a part that stands twice": (twice, "damaged"),
    "a part that leads out": (lambda: document(**{"..__..__etc__passwd": "x"}), "damaged"),
    "a part at the root": (lambda: document(**{"__etc__passwd": "x"}), "damaged"),
    "an archive in a document": (lambda: document(word__embeddings__a=document(XLSX)), "nested_archive"),
    "a program in a document": (lambda: document(word__a_dot_bin=b"MZ" + bytes(60)), "nested_archive"),
    "a document with macros": (lambda: document(word__vbaProject_dot_bin=b"x"), "macros"),
    "a document that says so": (
        lambda: package({"[Content_Types].xml": "application/vnd.ms-word.document.macroEnabled.main+xml"}),
        "macros",
    ),
    "a document that fetches": (lambda: settings_with(TEMPLATE), "active_content"),
    "a document that fetches, wide": (lambda: settings_with(TEMPLATE.encode("utf-16")), "active_content"),
    "a document that fetches, spelt": (
        lambda: settings_with(TEMPLATE.replace("External", "&#69;xternal")),
        "active_content",
    ),
    "a document with macros of another name": (
        lambda: settings_with('<Relationship Type="http://x/vba&#80;roject" Target="a.bin"/>'),
        "macros",
    ),
    "a document whose relations mean something else": (
        lambda: settings_with(f"<!DOCTYPE x [<!ENTITY e 'External'>]>{TEMPLATE.replace('External', '&e;')}"),
        "damaged",
    ),
    "a document with torn relations": (lambda: settings_with(TEMPLATE[:-1]), "damaged"),
    "a document with relations in no charset": (
        lambda: settings_with(b'<?xml version="1.0" encoding="x"?><a/>'),
        "damaged",
    ),
    "a torn document": (lambda: document()[40:], "unknown_type"),
    "a film that ends early": (lambda: film()[:-4], "damaged"),
    "a film with something behind": (lambda: film() + b"xyz", "trailing_data"),
    "a film of another kind": (lambda: box(b"ftyp", b"heic", bytes(4)) + box(b"mdat"), "unknown_type"),
    "a film without its head": (lambda: box(b"ftyp", b"isom", bytes(4)) + box(b"mdat"), "damaged"),
    "a sound of one frame": (lambda: mp3(1), "damaged"),
    "tags without sound": (lambda: b"ID3\x04\x00\x00\x00\x00\x00\x04abcd", "damaged"),
    "a recording of no mode": (lambda: b"#!AMR\n" + b"\x4c" * 40, "damaged"),
    "a recording of no kind": (lambda: b"#!AMR-XX\n" + bytes(64), "unknown_type"),
    "a recording of one frame": (lambda: amr(1), "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_reason(name: str) -> None:
    make, code = REFUSED[name]
    assert why(make()) == code


def test_links_in_a_document_are_no_harm() -> None:
    assert examine(document(word___rels__document_dot_xml_dot_rels=LINK), LIMITS).media == DOCX


@pytest.mark.parametrize(
    "inside",
    [
        b"/Annots[<</Subtype/Link/A<</S/URI/URI(http://x/)>>>>]",
        b"/OpenAction[3 0 R /XYZ null null 0]",
        b"/OpenAction <</Type /Action /S /GoTo /D [3 0 R /Fit]>>",
        b"/OpenAction<</D(Seite 1)/S/GoTo>>",
        b"/OpenAction 5 0 R>>endobj\n5 0 obj\n<< /S /GoTo /D 6 0 R >>endobj\n<<",
        b"/OpenAction 5 0 R /Kept<</Type/ObjStm>>",
        b"/AA5 (/AA) /EFG 5 0 R",
    ],
)
def test_links_and_first_pages_of_a_pdf_are_no_harm(inside: bytes) -> None:
    assert examine(pdf(inside), LIMITS).media == "application/pdf"


def test_the_scanners_test_file_is_a_text_which_the_scanner_must_find() -> None:
    assert examine(EICAR, LIMITS).media == "text/plain"


def test_text_in_the_older_charset() -> None:
    content = "欠薪三个月，共计一万八千六百元".encode("gb18030")
    assert examine(content, LIMITS) == Examined("text/plain", content)


def test_a_last_frame_that_was_cut_off_is_left_out() -> None:
    assert examine(amr()[:-5], LIMITS).content == amr(2)
    sound = b"\xff\xfb\x90\x00" + bytes(413)
    assert examine(sound * 4 + sound[:-20], LIMITS).content == sound * 4


def test_boxes_beside_a_film_are_blanked_in_their_place() -> None:
    sent = film(beside=box(b"uuid", PLACE.encode()))
    kept = examine(sent, LIMITS).content
    assert len(kept) == len(sent)
    assert PLACE.encode() not in kept
    assert kept.endswith(sent[-25:])


BULKY = b"".join(Random(n).randbytes(64) + bytes(640) for n in range(1_600))
"""Somewhat more than a megabyte that packs to a tenth."""


@pytest.mark.parametrize(
    ("content", "limits", "code"),
    [
        (picture(size=(100, 100)), Limits(pixels=9_999), "too_many_pixels"),
        (document(), Limits(parts=2), "unpacks_too_large"),
        (document(word__a_dot_xml=BULKY), Limits(ratio=5), "unpacks_too_large"),
        (document(word__a_dot_xml=bytes(9_000)), Limits(unpacked=8_000), "unpacks_too_large"),
    ],
)
def test_limits(content: bytes, limits: Limits, code: str) -> None:
    assert why(content, limits) == code
    assert examine(content, LIMITS)


def test_a_picture_is_weighed_before_it_is_unpacked() -> None:
    written = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(written, "PNG")
    assert len(written.getvalue()) < 200_000
    assert why(written.getvalue()) == "too_many_pixels"


def test_a_part_that_lies_about_its_size_is_unpacked_no_further() -> None:
    made = document(word__a_dot_xml=bytes(200_000))
    lied = made.replace((200_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lied != made
    assert why(lied) == "damaged"


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A sound file with some bytes changed, cut out or put in, or two of them in one."""
    content = bytearray(draw(st.sampled_from(list(SOUND.values()))))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 40))
        content[place : place + length] = draw(st.binary(max_size=40))
    return bytes(content) + draw(st.sampled_from((b"", *SOUND.values())))


def outcome(content: bytes) -> Examined | str:
    """What becomes of a file: kept, or refused for a reason."""
    try:
        return examine(content, LIMITS)
    except BadFile as refused:
        return refused.why


@settings(max_examples=400, deadline=None)
@given(content=broken() | st.binary(max_size=300))
def test_whatever_comes_is_taken_or_refused(content: bytes) -> None:
    found = outcome(content)
    if isinstance(found, str):
        assert fieldtexts.known(found)
    else:
        assert found.media in SOUND
        assert found.media in (DOCX, XLSX) or not zipfile.is_zipfile(io.BytesIO(found.content))
