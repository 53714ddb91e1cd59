"""Other cases that an answer names. Who may know of each hangs on what it is now: one that was a dispute when
it was linked may have become an accusation since."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final
from uuid import UUID

ONE: Final = ("parent", "merged_into")
SOME: Final = ("possible_duplicates", "related")
CHILDREN: Final = "children"
"""Fields that name other cases: by an id, by several, by objects with an id each."""


def named(answer: Mapping[str, Any]) -> Iterator[UUID]:
    """The ids of the other cases in an answer."""
    ids = [answer[field] for field in ONE if answer.get(field)]
    ids += [one for field in SOME for one in answer.get(field, ())]
    ids += [child["case_id"] for child in answer.get(CHILDREN, ())]
    yield from map(UUID, ids)


def naming(known: Collection[UUID], answer: Mapping[str, Any]) -> dict[str, Any]:
    """The answer as it is told to who knows of no other cases than these."""
    ids = {str(case_id) for case_id in known}
    told = dict(answer)
    told |= {field: answer[field] if answer[field] in ids else None for field in ONE if field in answer}
    told |= {field: [one for one in answer[field] if one in ids] for field in SOME if field in answer}
    if CHILDREN in answer:
        told[CHILDREN] = [child for child in answer[CHILDREN] if child["case_id"] in ids]
    return told
