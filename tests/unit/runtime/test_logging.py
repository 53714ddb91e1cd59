"""A log line cannot hold personal data, whoever writes it."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any
from uuid import UUID

import orjson
import pytest
import structlog

from libs.runtime.logging import LONGEST, configure, fault
from libs.runtime.telemetry import span

PHONE = "13800000001"


@pytest.fixture
def lost() -> list[int]:
    return []


@pytest.fixture
def lines(lost: list[int]) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    level, shown = root.level, warnings.showwarning
    stream = io.BytesIO()
    configure("intake", "api", stream=stream, dropped=lost.append)
    yield lambda: [orjson.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)
    warnings.showwarning = shown
    structlog.reset_defaults()


Lines = Callable[[], list[dict[str, Any]]]


def test_a_line_is_json_with_who_when_and_what(lines: Lines) -> None:
    case = UUID(int=7)
    structlog.get_logger().info("case_registered", case_id=case, size=3)
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "case_registered",
        "level": "info",
        "service": "intake",
        "role": "api",
        "case_id": str(case),
        "size": 3,
    }


def test_a_field_that_is_not_on_the_list_is_dropped_and_counted(lines: Lines, lost: list[int]) -> None:
    structlog.get_logger().info("case_registered", phone=PHONE, narrative="楼上漏水", size=1)
    (line,) = lines()
    assert line["dropped"] == 2
    assert lost == [2]
    assert PHONE not in str(line)
    assert "漏水" not in str(line)


def test_a_sentence_in_place_of_an_event_is_dropped(lines: Lines, lost: list[int]) -> None:
    structlog.get_logger().warning(f"citizen {PHONE} called")
    (line,) = lines()
    assert line["event"] == "event_without_name"
    assert PHONE not in str(line)
    assert lost == [1]


def test_structures_are_dropped_and_long_texts_cut(lines: Lines) -> None:
    structlog.get_logger().info("seen", reason="x" * 1_000, state={"phone": PHONE}, code=["A", "B"])
    (line,) = lines()
    assert len(line["reason"]) == LONGEST
    assert "state" not in line
    assert line["code"] == ["A", "B"]


def test_a_message_in_the_field_of_a_type_is_dropped(lines: Lines) -> None:
    structlog.get_logger().info("batch_halved", error="TimeoutError")
    structlog.get_logger().info("batch_halved", error=f"no row for {PHONE}")
    first, second = lines()
    assert first["error"] == "TimeoutError"
    assert "error" not in second


def test_codes_are_written_by_their_value(lines: Lines) -> None:
    class Fault(Enum):
        DATA = "data"

    structlog.get_logger().info("seen", fault=Fault.DATA)
    assert lines()[0]["fault"] == "data"


def test_bound_fields_obey_the_list_too(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(topic="intake.case.v1", name="张三"):
        structlog.get_logger().info("seen")
    (line,) = lines()
    assert line["topic"] == "intake.case.v1"
    assert "name" not in line


def test_a_line_inside_a_span_names_its_trace(lines: Lines) -> None:
    with span("request") as here:
        structlog.get_logger().info("seen")
    assert lines()[0]["trace_id"] == here.trace.trace_id


def test_an_exception_leaves_its_type_and_place_but_no_message(lines: Lines) -> None:
    try:
        raise ValueError(f"duplicate phone {PHONE}")
    except ValueError:
        structlog.get_logger().exception("batch_failed")
    (line,) = lines()
    assert line["error_type"] == "ValueError"
    assert "test_logging.py" in line["error_at"]
    assert PHONE not in str(line)


def test_a_fault_names_sqlstate_cause_and_the_place_in_the_house() -> None:
    class UniqueViolation(Exception):
        sqlstate = "23505"

    try:
        try:
            int("x")
        except ValueError as cause:
            raise UniqueViolation(f"Key (phone)=({PHONE})") from cause
    except UniqueViolation as error:
        fields = fault(error)
    assert fields["sqlstate"] == "23505"
    assert fields["error_type"].endswith("UniqueViolation")
    assert fields["error_cause"].startswith("ValueError at ")
    assert PHONE not in str(fields)


def test_a_fault_is_placed_in_our_own_code_where_it_passed_through_it() -> None:
    from libs.web.paging import encode

    with pytest.raises(TypeError) as caught:
        encode("cases", object())  # type: ignore[arg-type]
    assert fault(caught.value)["error_at"].startswith("libs/web/paging.py:")


def test_a_librarys_arguments_and_reprs_stay_out(lines: Lines) -> None:
    library = logging.getLogger("somelibrary")
    library.error("bad value %s for column", PHONE)
    library.error(f"Task failed <Task name='x' exception=ValueError('{PHONE}')>")
    first, second = lines()
    assert first["message"] == "bad value %s for column"
    assert second["message"] == "Task failed"
    assert first["logger"] == "somelibrary"
    assert PHONE not in str(lines())


def test_the_kafka_clients_words_are_kept_to_their_first_line(lines: Lines) -> None:
    logging.getLogger("aiokafka.consumer").warning(
        "Heartbeat failed for group %s\nmore", "routing.intake-case"
    )
    (line,) = lines()
    assert line["message"] == "Heartbeat failed for group routing.intake-case"


def test_a_librarys_exception_keeps_the_same_silence(lines: Lines) -> None:
    try:
        raise KeyError(PHONE)
    except KeyError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved")
    (line,) = lines()
    assert line["error_type"] == "KeyError"
    assert PHONE not in str(line)


def test_a_message_that_does_not_fit_its_arguments_is_told_without_them(lines: Lines) -> None:
    record = logging.LogRecord("uvicorn.error", logging.ERROR, __file__, 1, "%s and %s", (PHONE,), None)
    (bridge,) = (h for h in logging.getLogger().handlers if type(h).__module__ == "libs.runtime.logging")
    bridge.handle(record)
    assert [line["message"] for line in lines()] == ["%s and %s"]
