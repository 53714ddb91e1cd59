"""One file in a form (RFC 7578), held in memory: a framework's own way spools it to disk in plain."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from libs.web.body import BODY, accepts, uploaded
from libs.web.errors import FieldError, Invalid, TooLarge
from libs.web.refusals import BadRequest

FORM: Final = "multipart/form-data"
FIELD: Final = "file"
LARGEST: Final = 20 * 2**20
"""Bytes of a file."""
LONGEST: Final = 120.0
"""Seconds in which a file has come in: it takes one of few turns."""
ENVELOPE: Final = 16 * 1024
"""Bytes that a form may have around its file."""


def accepts_file(max_bytes: int) -> dict[str, Any]:
    """`openapi_extra` of a route that takes one file of so many bytes: read it by `one_file`."""
    rule = accepts(FORM, max_bytes=max_bytes + ENVELOPE)
    file = {"type": "string", "format": "binary"}
    schema = {"type": "object", "properties": {FIELD: file}, "required": [FIELD]}
    rule["requestBody"] = {"required": True, "content": {FORM: {"schema": schema}}}
    return rule


@dataclass(frozen=True, slots=True)
class Sent:
    """A file as it came: the name and media type that the sender gives it, either may be empty; and the
    fields beside it."""

    name: str
    media: str
    content: bytes
    beside: Mapping[str, str]


async def one_file(request: Request, max_bytes: int, seconds: float, beside: Collection[str] = ()) -> Sent:
    """The form's one file, and those of the fields `beside` it that were sent. The idempotency key is bound
    to the file, not to the form's boundary, which is another each time.

    Raises `TooLarge`, 400 for what is no form, 408 after `seconds`, `Invalid` for other fields.
    """
    options = parse_options_header(request.headers.get("content-type", ""))[1]
    form = _Form(max_bytes, beside)
    try:
        parser = MultipartParser(options.get(b"boundary", b""), form.callbacks())
        async for piece in uploaded(request, seconds):
            parser.write(piece)
    except FormParserError:
        raise BadRequest("no sound form") from None
    if not form.whole:
        raise BadRequest("the form has no end")
    if form.files != 1:
        raise Invalid(errors=[FieldError(f"/{FIELD}", "one_file")])
    texts = {name: bytes(text).decode("utf-8", "replace") for name, text in form.texts.items()}
    sent = Sent(form.name, form.media, bytes(form.content), texts)
    told = "\n".join((sent.name, sent.media, sha256(sent.content).hexdigest()))
    request.scope[BODY] = told.encode(errors="surrogatepass")
    return sent


class _Form:
    """Takes what the parser finds."""

    def __init__(self, max_bytes: int, beside: Collection[str]) -> None:
        self.name = self.media = ""
        self.content = bytearray()
        self.texts: dict[str, bytearray] = {}
        self.files = 0
        self.whole = False
        self._max_bytes = max_bytes
        self._beside = beside
        self._into = self.content
        self._headers: dict[str, bytes] = {}
        self._header = bytearray()
        self._value = bytearray()

    def callbacks(self) -> Any:
        """As the parser asks for them."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._named,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._headers.clear()

    def _end_header(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _named(self) -> None:
        options = parse_options_header(self._headers.get("content-disposition", b""))[1]
        field = options.get(b"name", b"").decode("utf-8", "replace")
        if field in self._beside:
            self._into = self.texts.setdefault(field, bytearray())
            return
        if field != FIELD:
            raise Invalid(errors=[FieldError("", "extra_forbidden", f"the file's field is `{FIELD}`")])
        self._into = self.content
        self.files += 1
        if self.files > 1:
            raise Invalid(errors=[FieldError(f"/{FIELD}", "one_file")])
        self.name = options.get(b"filename", b"").decode("utf-8", "replace")
        media = parse_options_header(self._headers.get("content-type", b""))[0]
        self.media = media.decode("latin-1").lower()

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._into += data[start:end]
        if len(self.content) > self._max_bytes:
            raise TooLarge(f"at most {self._max_bytes} bytes")

    def _end(self) -> None:
        self.whole = True
