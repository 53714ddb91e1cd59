"""Texts, PDF and office documents, kept as they are where they can be nothing else."""

import io
import re
import zipfile
from typing import Final
from xml.parsers import expat

from libs.files.faults import BadFile
from libs.files.limits import Limits

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_MARKUP: Final = re.compile(
    r"<\s*(?:!doctype|html|head|body|script|svg|iframe|object|embed|meta|link|style|img|form|\?xml|\?php|%)"
    r"|^#!|javascript:",
    re.IGNORECASE,
)


def text(content: bytes) -> None:
    """Plain text in UTF-8 or GB18030. Raises BadFile, also for what a browser would run."""
    for charset in ("utf-8-sig", "gb18030"):
        try:
            said = content.decode(charset)
        except UnicodeDecodeError:
            continue
        if _CONTROLS.search(said):
            break
        if _MARKUP.search(said):
            raise BadFile("markup")
        return
    raise BadFile("unknown_type")


# --- PDF ----------------------------------------------------------------------------------------------------

_PDF: Final = re.compile(rb"%PDF-[12]\.\d")
_PDF_END: Final = re.compile(rb"%%EOF[\s\x00]*\Z")
_TAIL: Final = 1_024
_ESCAPED: Final = re.compile(rb"#([0-9A-Fa-f]{2})")
_GAP: Final = rb"[\x00\s]*+"
_REFERS: Final = rb"(\d{1,10})[\x00\s]++(\d{1,10})[\x00\s]++"
_HELD: Final = rb"(?:<<|(?<=[\x00\s])\d++[\x00\s%])"
_ACTIVE: Final = re.compile(rb"/(?:JavaScript|Launch|Rendition|EmbeddedFiles?)\b|/(?:AA|EF)" + _GAP + _HELD)
"""What runs, and files in the file. AA, acts of a page, and EF are so short that packed bytes hold them: what
they lead to has to follow."""
_REMARKED: Final = re.compile(rb"/(?:AA|EF)(?:[\x00\s]|%[^\r\n]*+)*+")
_FOLLOWS: Final = re.compile(_HELD)
_OPENING: Final = re.compile(rb"/OpenAction" + _GAP)
_REFERENCE: Final = re.compile(_REFERS + rb"R\b")
_OBJECT: Final = re.compile(rb"(?<!\d)" + _REFERS + rb"obj\b" + _GAP)
_GOES: Final = re.compile(
    rb"\[|null\b"
    rb"|<<%(gap)b(?:(?:/Type%(gap)b/Action|/S%(gap)b/GoTo|/D%(gap)b"
    rb"(?:\[[^\[\]<>()]*+\]|/[^\x00\s()<>\[\]{}/%%]++|\([^()\\]*+\)|<[^<>]*+>|%(refers)bR))%(gap)b)*+>>"
    % {b"gap": _GAP, b"refers": _REFERS}
)
"""A place in the document to begin at, or an action that goes there and does nothing else."""


def pdf(content: bytes) -> None:
    """A PDF from its first byte to its last, without files in it and what acts by itself; a link waits for a
    click. Raises BadFile.

    It is kept byte by byte: writing it anew would break a signature in it. What acts and stands in packed
    objects is not seen here; the scanner looks into those.
    """
    if not _PDF.match(content) or not _PDF_END.search(content[-_TAIL:]):
        raise BadFile("damaged")
    plain = _ESCAPED.sub(lambda escaped: bytes.fromhex(escaped[1].decode()), content)
    if b"/Encrypt" in plain:
        raise BadFile("encrypted")
    remarked = (_FOLLOWS.match(plain, found.end()) for found in _REMARKED.finditer(plain))
    if _ACTIVE.search(plain) or any(remarked) or _acts_at_opening(plain):
        raise BadFile("active_content")


def _acts_at_opening(plain: bytes) -> bool:
    """Whether the opening does more than to show some page first, or does what stands nowhere."""
    named = set()
    for found in _OPENING.finditer(plain):
        if reference := _REFERENCE.match(plain, found.end()):
            named.add(_number(reference))
        elif not _GOES.match(plain, found.end()):
            return True
    objects = [found for found in _OBJECT.finditer(plain) if _number(found) in named] if named else []
    if not all(_GOES.match(plain, found.end()) for found in objects):
        return True
    return not named.issubset(map(_number, objects)) and b"/ObjStm" not in plain  # where it may be packed


def _number(found: re.Match[bytes]) -> tuple[int, int]:
    """That of an object, with its generation."""
    return int(found[1]), int(found[2])


# --- Packages: DOCX, XLSX (ECMA-376) ------------------------------------------------------------------------

OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_KINDS: Final = {
    f"{OFFICE}.{kind}": f"{OFFICE}.{kind}.main+xml".encode()
    for kind in ("wordprocessingml.document", "spreadsheetml.sheet")
}
_CONTENTS, _RELATIONS, _PROGRAM = "[content_types].xml", ".rels", "vbaproject.bin"
_END, _PIECE, _SMALL = 22, 2**16, 2**20
_ENCRYPTED: Final = 0x41
_PACKED: Final = (
    b"PK\x03\x04", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b", b"BZh", b"\xfd7zXZ",
    b"\xd0\xcf\x11\xe0", b"MZ", b"\x7fELF",
)  # fmt: skip
"""Beginnings of archives, of files of the older office, which may hold programs, and of programs."""
_FETCHED: Final = frozenset(("attachedtemplate", "oleobject", "frame", "subdocument"))
"""What a reader's program fetches from elsewhere when it opens a document; a link waits for a click."""


def package(content: bytes, limits: Limits) -> str:
    """The media type of an office document that holds neither programs nor further archives. Raises BadFile.

    Every part is unpacked once, in pieces and to its end: the sizes that a file states may lie.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _package(archive, content, limits)
    except BadFile:
        raise
    except Exception:  # a library that reads what strangers send has many
        raise BadFile("damaged") from None


def _package(archive: zipfile.ZipFile, content: bytes, limits: Limits) -> str:
    parts = {part.filename.lower(): part for part in archive.infolist()}
    if len(archive.infolist()) > limits.parts:
        raise BadFile("unpacks_too_large")
    if any(part.flag_bits & _ENCRYPTED for part in parts.values()):
        raise BadFile("encrypted")
    if _CONTENTS not in parts:
        raise BadFile("archive")
    if content[-_END : -_END + 4] != b"PK\x05\x06" or min(part.header_offset for part in parts.values()):
        raise BadFile("trailing_data")
    if len(parts) != len(archive.infolist()) or any(_leads_out(name) for name in parts):
        raise BadFile("damaged")
    left, kind = limits.unpacked, None
    for name, part in parts.items():
        most = min(left, max(_SMALL, part.compress_size * limits.ratio))
        size, begin = _unpacked(archive, part, most)
        left -= size
        if begin.startswith(_PACKED):
            raise BadFile("nested_archive")
        if name.endswith(_PROGRAM):
            raise BadFile("macros")
        if name == _CONTENTS:
            kind = _kind(begin)
        if name.endswith(_RELATIONS):
            if size > len(begin):
                raise BadFile("active_content")
            _check_relations(begin)
    if kind is None:
        raise BadFile("archive")
    return kind


def _leads_out(name: str) -> bool:
    """Whether a program that unpacks the part would write it somewhere else."""
    return name.startswith(("/", "\\")) or ":" in name or ".." in re.split(r"[/\\]", name)


def _unpacked(archive: zipfile.ZipFile, part: zipfile.ZipInfo, most: int) -> tuple[int, bytes]:
    """The true size of a part, and its first megabyte."""
    size, begin = 0, bytearray()
    with archive.open(part) as content:
        while piece := content.read(_PIECE):
            size += len(piece)
            if size > most:
                raise BadFile("unpacks_too_large")
            begin += piece[: _SMALL - len(begin)]
    return size, bytes(begin)


def _kind(contents: bytes) -> str | None:
    """What the package says that it is."""
    if b"macroEnabled" in contents or b"vbaProject" in contents:
        raise BadFile("macros")
    return next((media for media, mark in _KINDS.items() if mark in contents), None)


def _check_relations(content: bytes) -> None:
    """That nothing which a part of the package is related to acts. Raises BadFile."""
    for relation in _elements(content):
        kind = relation.get("Type", "").rpartition("/")[2].lower()
        if kind == "vbaproject":
            raise BadFile("macros")
        if kind in _FETCHED and relation.get("TargetMode", "").strip().lower() == "external":
            raise BadFile("active_content")


def _elements(content: bytes) -> list[dict[str, str]]:
    """The attributes of each element, as any program reads them, whatever the charset and however the letters
    are written. Raises BadFile for what is not well formed, and for a DTD, which could say more."""
    found: list[dict[str, str]] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda _, attributes: found.append(attributes)
    parser.StartDoctypeDeclHandler = _no_dtd
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError):  # the latter of charsets
        raise BadFile("damaged") from None
    return found


def _no_dtd(*_: object) -> None:
    raise BadFile("damaged")
