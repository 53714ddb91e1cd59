"""Mediation's doors: `partner` for organisations, `staff` and `tasks` for the district."""

from typing import Final

from fastapi import APIRouter

from services.mediation.api import partner, staff, tasks
from services.mediation.api.container import Container

ROUTERS: Final[tuple[APIRouter, ...]] = (partner.router, staff.router, tasks.router)

__all__ = ["ROUTERS", "Container"]
