"""The console's doors: `gate` signs in and out, `board` shows the cases, `entry`, `casework` and
`attachments` act."""

from fastapi import APIRouter

from services.console.api import attachments, board, casework, entry, gate
from services.console.api.common import Container, Cookies

ROUTERS: tuple[APIRouter, ...] = (
    gate.router,
    board.router,
    entry.router,
    casework.router,
    attachments.router,
)

__all__ = ["ROUTERS", "Container", "Cookies"]
