"""Why a file is not taken."""

from typing import Final

from libs.web.errors import FieldError, Refusal, Title

PLACE: Final = "/file"


class BadFile(Refusal):
    """The file is of no kind that is taken, damaged, or could be read as something else; none of it is kept.

    Its one error says why.
    """

    STATUS, CODE, TITLE = 422, "bad_file", Title("该文件不能接收", "The file cannot be taken")

    def __init__(self, why: str) -> None:
        super().__init__(errors=[FieldError(PLACE, why)])
        self.why = why
