"""Sound and film, walked from end to end by the lengths that their format states: what is not part of it is
refused or left out, and so are titles, makers and places. Nothing is decoded."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from libs.files.faults import BadFile

# --- MP4 (ISO/IEC 14496-12): boxes within boxes, each with its length ---------------------------------------

_BRANDS: Final = frozenset(
    (
        b"isom",
        b"iso2",
        b"iso3",
        b"iso4",
        b"iso5",
        b"iso6",
        b"mp41",
        b"mp42",
        b"avc1",
        b"M4A ",
        b"M4V ",
        b"dash",
    )
)
_PARTS: Final = frozenset((b"ftyp", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"styp"))
"""What a film consists of; whatever else stands beside it is blanked."""
_TOLD: Final = frozenset((b"udta", b"meta", b"uuid", b"free", b"skip"))
"""Boxes that tell of the film: title, device, place."""
_NESTED: Final = frozenset((b"moov", b"trak", b"moof", b"traf"))


@dataclass(frozen=True, slots=True)
class _Box:
    """A box: its type, where it begins, its content and its end."""

    type: bytes
    begin: int
    inside: int
    end: int


def mp4(content: bytes) -> tuple[str, bytes]:
    """`video/mp4`, or `audio/mp4` without a picture, and the file without what is told about it. Each box
    keeps its place, since others point there by number."""
    made = bytearray(content)
    top = list(_boxes(made, 0, len(made)))
    types = [box.type for box in top]
    if types[0] != b"ftyp" or not _BRANDS & {bytes(made[8:12]), *_compatible(made, top[0])}:
        raise BadFile("unknown_type")
    if b"moov" not in types or b"mdat" not in types:
        raise BadFile("damaged")
    for box in top:
        if box.type not in _PARTS:
            _blank(made, box)
    seen = [_blank_told(made, box) for box in top if box.type in _NESTED]
    return ("video/mp4" if any(seen) else "audio/mp4"), bytes(made)


def _boxes(content: bytearray, begin: int, end: int) -> Iterator[_Box]:
    """The boxes that fill this stretch without a gap."""
    while begin < end:
        if end - begin < 8:
            raise BadFile("trailing_data")
        length, inside = int.from_bytes(content[begin : begin + 4]), begin + 8
        if length == 1:
            length, inside = int.from_bytes(content[begin + 8 : begin + 16]), begin + 16
        elif length == 0:
            length = end - begin
        if not inside - begin <= length <= end - begin:
            raise BadFile("damaged")
        yield _Box(bytes(content[begin + 4 : begin + 8]), begin, inside, begin + length)
        begin += length


def _compatible(content: bytearray, box: _Box) -> set[bytes]:
    return {bytes(content[n : n + 4]) for n in range(box.inside + 8, min(box.end, box.inside + 128), 4)}


def _blank(content: bytearray, box: _Box) -> None:
    content[box.begin + 4 : box.begin + 8] = b"free"
    content[box.inside : box.end] = bytes(box.end - box.inside)


def _blank_told(content: bytearray, within: _Box) -> bool:
    """Blank what tells of this part; whether there is a picture in it."""
    picture = False
    for box in _boxes(content, within.inside, within.end):
        if box.type in _TOLD:
            _blank(content, box)
        elif box.type in _NESTED:
            picture |= _blank_told(content, box)
        elif box.type == b"mdia":
            handlers = (part for part in _boxes(content, box.inside, box.end) if part.type == b"hdlr")
            picture |= any(content[part.inside + 8 : part.inside + 12] == b"vide" for part in handlers)
    return picture


# --- MP3 (ISO/IEC 11172-3, 13818-3): frames, each with its length -------------------------------------------

_RATES: Final = (44_100, 48_000, 32_000)
_KILOBITS_1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KILOBITS_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_LONGEST_FRAME: Final = 1_441
_LEAST_FRAMES: Final = 2
_ID3V1: Final = 128


def mp3(content: bytes) -> bytes:
    """The frames alone, without the tags before and behind; a last frame that was cut off is left out."""
    begin = place = _after_tags(content)
    frames = 0
    while length := frame_of_mp3(content, place):
        if place + length > len(content):
            break
        place, frames = place + length, frames + 1
    rest = content[place:]
    if rest[-_ID3V1:].startswith(b"TAG"):
        rest = rest[:-_ID3V1]
    if frames < _LEAST_FRAMES:
        raise BadFile("damaged")
    if len(rest) > _LONGEST_FRAME:
        raise BadFile("trailing_data")
    return content[begin:place]


def _after_tags(content: bytes) -> int:
    """Where the sound begins: behind the ID3v2 tags."""
    place = 0
    while content[place : place + 3] == b"ID3" and len(content) >= place + 10:
        size = 0
        for byte in content[place + 6 : place + 10]:
            size = size << 7 | byte & 0x7F
        place += 10 + size + (10 if content[place + 5] & 0x10 else 0)
    return place


def frame_of_mp3(content: bytes, place: int) -> int:
    """The length of the frame that begins here, 0 where none does."""
    head = int.from_bytes(content[place : place + 4]) if len(content) >= place + 4 else 0
    version, layer, bits, rate = head >> 19 & 3, head >> 17 & 3, head >> 12 & 15, head >> 10 & 3
    if head >> 21 != 0x7FF or version == 1 or layer != 1 or bits in (0, 15) or rate == 3:
        return 0
    first = version == 3
    kilobits = (_KILOBITS_1 if first else _KILOBITS_2)[bits]
    hertz = _RATES[rate] >> (0 if first else 1 if version == 2 else 2)
    return (144_000 if first else 72_000) * kilobits // hertz + (head >> 9 & 1)


# --- AMR (RFC 4867, 5): frames, each with its mode ----------------------------------------------------------

_AMR: Final = {
    b"#!AMR\n": (12, 13, 15, 17, 19, 20, 26, 31, 5, None, None, None, None, None, None, 0),
    b"#!AMR-WB\n": (17, 23, 32, 36, 40, 46, 50, 58, 60, 5, None, None, None, None, 0, 0),
}


def amr(content: bytes) -> bytes:
    """The same sound. A last frame that was cut off is left out."""
    mark = next((mark for mark in _AMR if content.startswith(mark)), None)
    if mark is None:
        raise BadFile("unknown_type")
    ends = list(_ends_of_amr(content, len(mark), _AMR[mark]))
    if len(ends) < _LEAST_FRAMES:
        raise BadFile("damaged")
    return content[: ends[-1]]


def _ends_of_amr(content: bytes, place: int, modes: tuple[int | None, ...]) -> Iterator[int]:
    while place < len(content):
        size = modes[content[place] >> 3 & 15]
        if size is None or content[place] & 0x83:
            raise BadFile("damaged")
        place += 1 + size
        if place > len(content):
            return
        yield place
