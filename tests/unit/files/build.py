"""Files as people send them, small: one of each kind that is taken, made here."""

import io
import struct
import zipfile
from collections.abc import Mapping

from PIL import Image
from PIL.TiffImagePlugin import IFDRational

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PLACE = "PLACE-30.2741N-120.1551E"
"""Stands in the metadata of files that are made here."""

ORIENTATION, GPS, DESCRIPTION = 0x0112, 0x8825, 0x010E


def picture(form: str = "JPEG", size: tuple[int, int] = (40, 20), turned: int | None = None) -> bytes:
    """A red left half and a blue right one, with a place in its EXIF data; `turned`: as a camera was held."""
    image = Image.new("RGB", size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    exif = Image.Exif()
    exif[DESCRIPTION] = PLACE
    exif.get_ifd(GPS)[2] = (IFDRational(30), IFDRational(16), IFDRational(27))
    if turned is not None:
        exif[ORIENTATION] = turned
    written = io.BytesIO()
    told = {"comment": PLACE.encode()} if form == "JPEG" else {}
    image.save(written, form, exif=exif, **told)
    return written.getvalue()


def pdf(inside: bytes = b"") -> bytes:
    return b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog " + inside + b" >>\nendobj\ntrailer\n<< >>\n%%EOF\n"


def box(type_: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I", 8 + len(content)) + type_ + content


def film(handler: bytes = b"vide", brand: bytes = b"isom", beside: bytes = b"") -> bytes:
    """An MP4 with a title and a place; `handler` says what its one track is."""
    track = box(b"trak", box(b"tkhd", bytes(84)), box(b"mdia", box(b"hdlr", bytes(8), handler, bytes(13))))
    told = box(b"udta", box(b"\xa9xyz", PLACE.encode()))
    moov = box(b"moov", box(b"mvhd", bytes(100)), track, told)
    return box(b"ftyp", brand, bytes(4), b"mp42") + moov + beside + box(b"mdat", b"sound and picture")


def mp3(frames: int = 4) -> bytes:
    """Frames of 128 kbit/s at 44.1 kHz, with tags before and behind."""
    told = PLACE.encode()
    size = bytes(len(told) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return (
        b"ID3\x04\x00\x00"
        + size
        + told
        + (b"\xff\xfb\x90\x00" + bytes(413)) * frames
        + b"TAG"
        + told.ljust(125)
    )


def amr(frames: int = 3) -> bytes:
    return b"#!AMR\n" + (b"\x3c" + bytes(31)) * frames


def package(parts: Mapping[str, bytes | str], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return written.getvalue()


def document(media: str = DOCX, **beside: bytes | str) -> bytes:
    """An office document; `beside` are further parts, by names in which `__` stands for `/`."""
    main = "word/document.xml" if media == DOCX else "xl/workbook.xml"
    types = f'<Types><Override PartName="/{main}" ContentType="{media}.main+xml"/></Types>'
    more = {name.replace("__", "/").replace("_dot_", "."): content for name, content in beside.items()}
    return package({"[Content_Types].xml": types, "_rels/.rels": "<Relationships/>", main: "<x/>", **more})


SOUND: Mapping[str, bytes] = {
    "image/jpeg": picture(),
    "image/png": picture("PNG"),
    "application/pdf": pdf(),
    "text/plain": "工资条：三月未发\r\n".encode(),
    DOCX: document(),
    XLSX: document(XLSX),
    "video/mp4": film(),
    "audio/mp4": film(b"soun", b"M4A "),
    "audio/mpeg": mp3(),
    "audio/amr": amr(),
}
"""One file of each kind that is taken."""
