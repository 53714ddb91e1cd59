"""What a file is, by its content alone, and what of it is kept.

No library for guessing types is asked: those at hand look at the first bytes, which anybody can write. Here a
kind is recognised by its first bytes, and then read from end to end.
"""

import io
import zipfile
from collections.abc import Callable
from typing import Final

from libs.files import documents, images, media
from libs.files.examined import Examined
from libs.files.faults import BadFile
from libs.files.limits import Limits

Check = Callable[[bytes, Limits], Examined]


def examine(content: bytes, limits: Limits) -> Examined:
    """The file, harmless as far as can be seen. Raises BadFile.

    Whether the house takes files of that media type is another question.
    """
    if not content:
        raise BadFile("empty")
    found = _check_of(content)(content, limits)
    if not found.media.startswith(documents.OFFICE) and zipfile.is_zipfile(io.BytesIO(found.content)):
        raise BadFile("polyglot")
    return found


def _image(media: str) -> Check:
    return lambda content, limits: Examined(media, images.clean(media, content, limits))


def _pdf(content: bytes, limits: Limits) -> Examined:
    documents.pdf(content)
    return Examined("application/pdf", content)


def _package(content: bytes, limits: Limits) -> Examined:
    return Examined(documents.package(content, limits), content)


def _film(content: bytes, limits: Limits) -> Examined:
    return Examined(*media.mp4(content))


def _mp3(content: bytes, limits: Limits) -> Examined:
    return Examined("audio/mpeg", media.mp3(content))


def _amr(content: bytes, limits: Limits) -> Examined:
    return Examined("audio/amr", media.amr(content))


def _text(content: bytes, limits: Limits) -> Examined:
    documents.text(content)
    return Examined("text/plain", content)


_BEGINNINGS: Final[tuple[tuple[int, bytes, Check], ...]] = (
    (0, b"\xff\xd8\xff", _image("image/jpeg")),
    (0, b"\x89PNG\r\n\x1a\n", _image("image/png")),
    (0, b"%PDF-", _pdf),
    (0, b"PK\x03\x04", _package),
    (4, b"ftyp", _film),
    (0, b"#!AMR", _amr),
    (0, b"ID3", _mp3),
)
"""Place and bytes by which a kind begins."""


def _check_of(content: bytes) -> Check:
    for place, mark, check in _BEGINNINGS:
        if content.startswith(mark, place):
            return check
    return _mp3 if media.frame_of_mp3(content, 0) else _text
