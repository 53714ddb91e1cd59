"""Intake's doors: `cases` for people at the desk, `imports` and `exports` for many cases at once."""

from typing import Final

from fastapi import APIRouter

from services.intake.api import cases, exports, imports

ROUTERS: Final[tuple[APIRouter, ...]] = (
    exports.router,
    cases.router,
    cases.drafts,
    cases.people,
    imports.router,
)
"""Exports stand first: `/v1/cases/export` is no case."""

__all__ = ["ROUTERS"]
