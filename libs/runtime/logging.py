"""JSON lines on stdout that cannot hold personal data.

Three rules make that so: a field is logged only if it stands in `FIELDS`; an event is a constant word,
never a sentence; of an exception its type and place are kept, never its message (messages quote SQL
parameters and input). What breaks a rule is dropped and counted in `heshi_log_fields_dropped_total`.
"""

import logging
import re
import sys
import traceback
from collections.abc import Callable
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import orjson
import structlog

from libs.runtime import telemetry

FIELDS = frozenset(
    # what every line has, and faults
    "event level timestamp service role trace_id logger message dropped"
    " error error_type error_at error_cause sqlstate reason fault attempt"
    # whose work: ids and codes
    " case_id event_id other_id message_id dead_letter_id key_id org_id district actor_kind use_case rule"
    " import_id attachment_id code kind track state template party channel type version flag action"
    # doors
    " method route status topic partition offset consumer group key_version provider"
    # loops, numbers, times
    " loop part step pool port host count size row rows lag seconds duration_ms budget_s age_s due_at due_on"
    " as_of batch bucket year provisional mode".split()
)

LONGEST = 200
"""Characters of one value; the rest is cut."""

_EVENT = re.compile(r"[a-z][a-z0-9_.]{0,63}")
_TYPE_NAME = re.compile(r"[A-Za-z_][\w.]*")
_SPOKEN = ("uvicorn", "aiokafka")
"""Libraries whose finished messages name hosts, topics and partitions only."""

_PLAIN = (str, int, float, bool, UUID, datetime, date, Enum)
_HOUSE = ("libs", "services", "ops")
_ROOT = Path(__file__).parents[2]


def fault(error: BaseException) -> dict[str, str]:
    """An exception as fields: its type, its place in the house, its SQLSTATE and cause; never its message."""
    fields = {"error_type": _type(error), "error_at": _place(error)}
    if state := getattr(error, "sqlstate", None):
        fields["sqlstate"] = str(state)
    cause = error.__cause__ or error.__context__
    if cause is not None:
        fields["error_cause"] = f"{_type(cause)} at {_place(cause)}"
    return fields


def _type(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _place(error: BaseException) -> str:
    """File, line and function of the innermost frame in the house, else of the innermost frame."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        path = Path(frame.filename)
        if path.is_relative_to(_ROOT) and path.relative_to(_ROOT).parts[0] in _HOUSE:
            return f"{path.relative_to(_ROOT)}:{frame.lineno} in {frame.name}"
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name}" if frames else "?"


def _value(value: object) -> Any:
    """The value as it may stand in a line, or None for what has no place there."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return value[:LONGEST]
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, list | tuple | set | frozenset) and all(isinstance(part, _PLAIN) for part in value):
        return [_value(part) for part in list(value)[:20]]
    return None


class _AllowList:
    """The processor that keeps the three rules; last before rendering."""

    def __init__(self, dropped: Callable[[int], None]) -> None:
        self._dropped = dropped

    def __call__(self, _: Any, __: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
        kept = {
            name: plain
            for name, value in fields.items()
            if name in FIELDS and (value is None or (plain := _value(value)) is not None)
        }
        if not _TYPE_NAME.fullmatch(str(kept.get("error", "none"))):
            del kept["error"]  # a message in place of a type's name
        if not _EVENT.fullmatch(str(fields.get("event", ""))):
            kept["event"] = "event_without_name"
        lost = len(fields) - len(kept) + (kept["event"] == "event_without_name")
        if lost:
            kept["dropped"] = lost
            self._dropped(lost)
        return kept


def _fault_fields(_: Any, __: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
    given = fields.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        fields.update(fault(error))
    return fields


def _trace_field(_: Any, __: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if here := telemetry.trace_id():
        fields["trace_id"] = here
    return fields


class _Bridge(logging.Handler):
    """Carries the log records of libraries over, under the same rules."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno,
            "library_log",
            logger=record.name,
            message=_said(record).partition("\n")[0],
            exc_info=record.exc_info,
        )


def _said(record: logging.LogRecord) -> str:
    if record.name.startswith(_SPOKEN):
        try:
            return record.getMessage()
        except (TypeError, ValueError):  # its arguments do not fit its words
            return _template(record)
    return _template(record)


def _template(record: logging.LogRecord) -> str:
    """The fixed words of a message: not its arguments, and nothing from the first quotation or bracket on."""
    return re.split(r"[<({\['\"\n]", str(record.msg), maxsplit=1)[0].strip()


def configure(
    service: str,
    role: str = "all",
    *,
    level: int = logging.INFO,
    stream: BinaryIO | None = None,
    dropped: Callable[[int], None] = lambda count: None,
) -> None:
    """Set up logging for this process, for the standard library's loggers too.

    `dropped` hears how many fields a line lost (a metric).
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _trace_field,
            _fault_fields,
            _Named(service, role),
            _AllowList(dropped),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(stream or sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers[:] = [_Bridge()]
    root.setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "aiokafka", "asyncio"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(logging.WARNING)


class _Named:
    """Adds which process speaks."""

    def __init__(self, service: str, role: str) -> None:
        self._names = {"service": service, "role": role}

    def __call__(self, _: Any, __: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
        fields.update(self._names)
        return fields
