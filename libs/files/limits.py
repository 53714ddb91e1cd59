"""How much a file may hold before it is refused."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Pixels of an image; of a package (DOCX, XLSX) the number of its parts, bytes of all parts unpacked, and
    how many times its packed size a part of more than a megabyte may be."""

    pixels: int = 50_000_000
    parts: int = 2_000
    unpacked: int = 100 * 2**20
    ratio: int = 200
