"""The console's doors: `gate` signs in and out, `board` shows the cases, `entry` and `casework` act."""

from fastapi import APIRouter

from services.console.api import board, casework, entry, gate
from services.console.api.common import Container, Cookies

ROUTERS: tuple[APIRouter, ...] = (gate.router, board.router, entry.router, casework.router)

__all__ = ["ROUTERS", "Container", "Cookies"]
