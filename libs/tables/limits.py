"""How much a table may hold before it is refused."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Rows without the headings, columns, and characters of one row of a CSV file, quotes included.

    Of an XLSX file: bytes of all parts unpacked, their number, how many times its packed size a part may be
    (beyond a megabyte), and XML elements of all parts.
    """

    rows: int = 50_000
    columns: int = 64
    row_characters: int = 131_072
    unpacked: int = 128 * 2**20
    parts: int = 200
    ratio: int = 200
    elements: int = 10_000_000
