"""Why a file cannot be read as a table."""

from libs.web.errors import FieldError, Refusal, Title


class BadTable(Refusal):
    """The file is no table that can be read, or beyond a limit; nothing of it was taken.

    Its one error says why, and where as the spreadsheet program counts (`/rows/3/columns/2`).
    """

    STATUS, CODE, TITLE = 422, "bad_table", Title("表格无法读取", "The table cannot be read")

    def __init__(self, why: str, row: int | None = None, column: int | None = None) -> None:
        pointer = ("" if row is None else f"/rows/{row}") + ("" if column is None else f"/columns/{column}")
        super().__init__(errors=[FieldError(pointer, why)])
