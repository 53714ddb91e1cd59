"""What intake reacts to: the areas that routing publishes, and what mediation has closed."""

from collections.abc import Sequence

from libs.events.mediation import CaseClosed
from libs.events.organisation import AreaChanged
from libs.messaging.consumer import Apply, ApplyEvents, Projection, StateReader


def states(areas: Apply) -> Sequence[StateReader]:
    """The copy of the areas, by which an address is placed."""
    return (StateReader(name="intake.routing-area", topic=AreaChanged.TOPIC, apply=areas),)


def projections(closings: ApplyEvents) -> Sequence[Projection]:
    """The copy of what is closed: a closed case takes no child and no further matter in."""
    return (
        Projection(
            name="intake.mediation-case", topics=[CaseClosed.TOPIC], apply=closings, types=[CaseClosed]
        ),
    )
