"""What services say of faults and refusals can be told in both languages."""

import ast
from collections.abc import Iterator
from pathlib import Path

from libs.web import errors, fieldtexts, refusals

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("services", "libs/clocks", "libs/tables")
REFUSALS = {
    name
    for module in (errors, refusals)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, errors.Refusal)
}
NO_WORDS = {"service_code", "service_request_id", "jurisdiction_id"}
"""Names of parameters, the same in every language."""


def said(source: str) -> Iterator[str]:
    """By what the faults and refusals in the source are told: a detail, of a fault without one its code."""
    for call in ast.walk(ast.parse(source)):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            continue
        match call.func.id, call.args:
            case "FieldError", [*_, told]:
                pass
            case "CountingError" | "PydanticCustomError", [told, *_]:
                pass
            case name, [told, *_] if name in REFUSALS:
                pass
            case _:
                continue
        if isinstance(told, ast.Constant):
            yield told.value


def test_every_fault_and_refusal_of_a_service_has_words_in_both_languages() -> None:
    untold = {
        (file.name, word)
        for folder in FOLDERS
        for file in (ROOT / folder).rglob("*.py")
        for word in said(file.read_text("utf-8"))
        if word.isascii() and not fieldtexts.known(word) and word not in NO_WORDS
    }
    assert untold == set()
