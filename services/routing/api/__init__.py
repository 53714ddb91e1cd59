"""Routing's doors: organisations, areas, and assignments."""

from typing import Final

from fastapi import APIRouter

from services.routing.api.areas import router as areas
from services.routing.api.assignments import router as assignments
from services.routing.api.container import Container
from services.routing.api.organisations import router as organisations

ROUTERS: Final[tuple[APIRouter, ...]] = (organisations, areas, assignments)

__all__ = ["ROUTERS", "Container"]
