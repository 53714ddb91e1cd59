"""Notify's doors: messages and templates for people, receipts and citizens' SMS for the gateway."""

from typing import Final

from fastapi import APIRouter

from services.notify.api import kannel, messages, templates
from services.notify.api.container import Container

ROUTERS: Final[tuple[APIRouter, ...]] = (messages.router, templates.router, kannel.router)

__all__ = ["ROUTERS", "Container"]
