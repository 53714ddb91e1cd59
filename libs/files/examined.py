"""What was found out about a file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Examined:
    """A file that may be kept: what it is, and its content as it may be handed on."""

    media: str
    content: bytes
