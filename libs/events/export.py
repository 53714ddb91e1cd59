"""Writes what is derived from the payload classes and `topics.yaml`: JSON Schemas and the AsyncAPI document.

Run `python -m libs.events.export` after a change of either; a test compares the committed files with the
code. Golden samples (`samples/`) are not derived: each is a value as it was once written, readable for ever.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from libs.events.asyncapi import document
from libs.events.base import Record
from libs.events.envelope import schema_id
from libs.events.registry import REGISTRY, STATES

ROOT = Path(__file__).parents[2]
SCHEMAS = Path(__file__).with_name("schemas")
SAMPLES = Path(__file__).with_name("samples")
ASYNCAPI = ROOT / "docs" / "asyncapi.json"


def schema(cls: type[Record]) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a record as readers see it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": schema_id(cls.TOPIC, cls.TYPE, cls.VERSION),
        **cls.model_json_schema(),
    }


def files() -> Iterator[tuple[Path, str]]:
    """Every derived file with its content."""
    for cls in (*REGISTRY.classes, *STATES):
        yield SCHEMAS / cls.TOPIC / f"{cls.TYPE}.v{cls.VERSION}.json", _text(schema(cls))
    yield ASYNCAPI, _text(document())


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def main() -> None:
    """Writes the files that differ and names them."""
    for path, content in files():
        if not path.exists() or path.read_text("utf-8") != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, "utf-8")
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
