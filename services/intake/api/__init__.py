"""Intake's doors: `cases` for people at the desk and portals, `attachments` for their files, `imports` and
`exports` for many cases at once, `channels` for portals' keys, `retention` for what is erased by itself,
`audit` for auditors, `open311` for software that speaks it."""

from typing import Final

from fastapi import APIRouter

from services.intake.api import attachments, audit, cases, channels, exports, imports, open311, retention

ROUTERS: Final[tuple[APIRouter, ...]] = (
    exports.router,
    cases.router,
    cases.drafts,
    cases.people,
    attachments.router,
    imports.router,
    channels.router,
    retention.router,
    audit.router,
    open311.router,
)
"""Exports stand first: `/v1/cases/export` is no case."""

__all__ = ["ROUTERS"]
