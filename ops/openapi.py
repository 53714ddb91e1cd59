"""The OpenAPI documents of the five services in docs/openapi, as their doors describe themselves.

python -m ops.openapi
"""

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, FastAPI

from libs.web import erasures

FOLDER: Final = Path(__file__).parents[1] / "docs" / "openapi"
SERVICES: Final = ("intake", "routing", "mediation", "notify")
"""The console's doors are pages for people; they are not described."""
_UNBOUND: Final[Any] = None
"""In place of a database: a door that is only described asks none."""


def documents() -> Iterator[tuple[Path, str]]:
    """Each document's place and text: deterministic, so that a change of a door shows as a change here."""
    for service in SERVICES:
        api = import_module(f"services.{service}.api")
        routers: list[APIRouter] = list(getattr(api, "ROUTERS", ())) or [api.router]
        app = FastAPI(title=f"Heshi {service}", version="1")
        for router in (*routers, erasures.router(_UNBOUND)):
            app.include_router(router)
        text = json.dumps(_sorted(app.openapi()), ensure_ascii=False, indent=1)
        yield FOLDER / f"{service}.json", text + "\n"


def _sorted(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {name: _sorted(node[name]) for name in sorted(node)}
    return [_sorted(part) for part in node] if isinstance(node, list) else node


def main() -> None:
    """Write what differs."""
    FOLDER.mkdir(exist_ok=True)
    for path, text in documents():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(path.relative_to(FOLDER.parents[1]))


if __name__ == "__main__":
    main()
