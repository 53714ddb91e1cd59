"""The console's doors: `gate` signs in and out, `board` shows the cases, `entry`, `casework` and
`attachments` act; `errors` tells people what went wrong."""

from fastapi import APIRouter

from services.console.api import attachments, board, casework, entry, gate
from services.console.api.common import Container, Cookies
from services.console.api.errors import with_error_pages

ROUTERS: tuple[APIRouter, ...] = (
    gate.router,
    board.router,
    entry.router,
    casework.router,
    attachments.router,
)

__all__ = ["ROUTERS", "Container", "Cookies", "with_error_pages"]
