"""Routing's doors: organisations, areas, and assignments."""

from typing import Final

from fastapi import APIRouter

from services.routing.api import areas, assignments, organisations
from services.routing.api.container import Container

ROUTERS: Final[tuple[APIRouter, ...]] = (organisations.router, areas.router, assignments.router)

__all__ = ["ROUTERS", "Container"]
