"""What intake reacts to: the areas that routing publishes."""

from collections.abc import Sequence

from libs.events.organisation import AreaChanged
from libs.messaging.consumer import Apply, StateReader


def states(areas: Apply) -> Sequence[StateReader]:
    """The copy of the areas, by which an address is placed."""
    return (StateReader(name="intake.routing-area", topic=AreaChanged.TOPIC, apply=areas),)
