"""What a citizen's SMS means. Nothing is dropped: what is no rating and no stop word goes to a person."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.notify.domain.case import Message

Meaning = Literal["rating", "stop", "dispute", "unclear"]

STOP_WORD = "T"
RATING_WORDS = {1: "满意", 2: "基本满意", 3: "不满意"}
DISPUTE_WORDS = ("异议", "不同意", "不服", "没解决", "没有解决", "未解决")
ASKS_FOR_RATING = "N17"


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply by its meaning; `rating` 1 satisfied, 2 mostly, 3 not."""

    meaning: Meaning
    rating: int | None = None


def asking(messages: Iterable[Message]) -> Message | None:
    """The message that a reply answers: the last one that reached the provider, if it asks for a rating."""
    went_out = [m for m in messages if m.party == "applicant" and m.attempts and m.state != "failed"]
    last = max(went_out, key=lambda m: (m.planned_at, m.id), default=None)
    return last if last is not None and last.template == ASKS_FOR_RATING else None


def meaning(text: str, *, rating_asked: bool) -> Reply:
    """What the text means, after a question for a rating or without one; full-width characters are plain."""
    plain = unicodedata.normalize("NFKC", text).strip().strip("。.!！,， ").upper()
    if plain == STOP_WORD:
        return Reply("stop")
    if rating_asked:
        for rating, words in RATING_WORDS.items():
            if plain in (str(rating), words, f"{rating}{words}"):
                return Reply("rating", rating)
        if any(word in plain for word in DISPUTE_WORDS):
            return Reply("dispute")
    return Reply("unclear")


@dataclass(frozen=True, slots=True)
class Sent:
    """The last message that went out to a number about one case."""

    case_id: UUID
    district: str
    template: str
    planned_at: datetime
    answered: bool


def addressee(candidates: Iterable[Sent]) -> Sent | None:
    """The case that a reply belongs to: the newest that asked for a rating and got none, else the newest."""
    return max(
        candidates,
        key=lambda sent: (sent.template == ASKS_FOR_RATING and not sent.answered, sent.planned_at),
        default=None,
    )
