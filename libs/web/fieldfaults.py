"""A validator's faults in our words. No framework in here: rows of a table are validated like bodies."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from pydantic_core.core_schema import ErrorType

from libs.web import fieldtexts
from libs.web.errors import FieldError

Language = Literal["zh", "en"]

LONGEST_POINTER = 200

_BUILT_IN = frozenset(get_args(ErrorType))


def pointer(place: Iterable[str | int]) -> str:
    """A JSON pointer (RFC 6901), cut to `LONGEST_POINTER` characters."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in place)[:LONGEST_POINTER]


def twice(names: Iterable[str]) -> str | None:
    """The first of the names that was there before."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def field_error(error: Mapping[str, Any], spoken: Language) -> FieldError:
    """A validator's fault in our words. Places in the body count from its root; those outside keep their
    first word (`/query/limit`, `/path/case_id`, `/header/if-match`). A service's own rule may name another
    code, `told_as`, whose text says better what would be right.
    """
    place = error["loc"][1:] if error["loc"][:1] == ("body",) else error["loc"]
    code: str = error["type"]
    context = error.get("ctx", {})
    if code in ("value_error", "assertion_error"):
        detail = fieldtexts.worded(str(context.get("error", "")), spoken) or fieldtexts.text(code, spoken)
    elif fieldtexts.known(code) or code in _BUILT_IN:
        detail = fieldtexts.text(context.get("told_as", code), spoken, context)
    else:
        detail = error["msg"]  # a service's own PydanticCustomError
    return FieldError(pointer(place), code, detail)
