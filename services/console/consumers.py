"""What the console listens to: every event of a case becomes a line on the board."""

from collections.abc import Sequence

from libs.messaging.consumer import ApplyEvents, Projection

TOPICS = ("intake.case.v1", "routing.assignment.v1", "mediation.case.v1", "notify.message.v1")


def consumers(apply: ApplyEvents) -> Sequence[Projection]:
    """One group for all case topics; their order among each other means nothing (G8)."""
    return (Projection(name="console.cases", topics=TOPICS, apply=apply),)
