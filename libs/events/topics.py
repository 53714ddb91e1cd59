"""The topics of the house, as `topics.yaml` declares them; set-up, AsyncAPI and tests read them here."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

FILE = Path(__file__).parents[2] / "topics.yaml"

Service = Literal["intake", "routing", "mediation", "notify", "console"]
SERVICES: tuple[Service, ...] = get_args(Service)
Group = Annotated[str, Field(pattern=r"^(intake|routing|mediation|notify|console)\.[a-z]+(-[a-z]+)*$")]
Cleanup = Literal["delete", "compact", "compact,delete"]
Hours = Annotated[int, Field(gt=0)]

HORIZON_HOURS = 30 * 24
"""The one horizon for every topic with case data (G13)."""


class Topic(BaseModel):
    """One topic: who writes it, which groups read it, how long records stay."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str
    owner: Service | Literal["each"]
    holds: Literal["events", "state", "heads", "dead_letters"]
    key: str
    partitions: Annotated[int, Field(ge=1, le=64)]
    cleanup: Cleanup = "delete"
    retention_hours: Hours = HORIZON_HOURS
    segment_hours: Hours | None = None
    max_compaction_lag_hours: Hours | None = None
    tombstone_hours: Hours | None = None
    readers: tuple[Group, ...] = ()

    @model_validator(mode="after")
    def _state_is_compacted(self) -> Self:
        if (self.holds == "state") != ("compact" in self.cleanup):
            raise ValueError("state stands on compacted topics, and nothing else does (G12)")
        return self

    @model_validator(mode="after")
    def _case_data_goes(self) -> Self:
        if self.holds != "heads" and self.retention_hours > HORIZON_HOURS:
            raise ValueError("no case data stays longer than the horizon (G13)")
        return self

    @property
    def owners(self) -> tuple[Service, ...]:
        """The services that write it."""
        return SERVICES if self.owner == "each" else (self.owner,)

    def config(self) -> dict[str, str]:
        """The topic's settings at the broker, beside those of `Topics.replicas`."""
        settings: dict[str, str] = {"cleanup.policy": self.cleanup}
        if "delete" in self.cleanup:
            settings["retention.ms"] = _ms(self.retention_hours)
        optional = {
            "segment.ms": self.segment_hours,
            "max.compaction.lag.ms": self.max_compaction_lag_hours,
            "delete.retention.ms": self.tombstone_hours,
        }
        return settings | {name: _ms(hours) for name, hours in optional.items() if hours is not None}


class Durability(BaseModel):
    """How many brokers must hold a record before it counts as written (G24)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    replication_factor: Annotated[int, Field(ge=1)]
    min_insync_replicas: Annotated[int, Field(ge=1)]


class Topics(BaseModel):
    """The whole file: declared topics, and a dead-letter topic for each group that reads one of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    durability: Durability
    topics: Mapping[str, Topic]

    @cached_property
    def all(self) -> Mapping[str, Topic]:
        """Declared topics and dead-letter topics by logical name."""
        return {**self.topics, **dict(self._dead_letters())}

    @cached_property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """The topics that each consumer group reads."""
        names = dict.fromkeys(group for topic in self.topics.values() for group in topic.readers)
        return {
            group: tuple(name for name, topic in self.topics.items() if group in topic.readers)
            for group in names
        }

    def replicas(self, brokers: int) -> Durability:
        """What a cluster of that many brokers can give: one broker keeps one copy, not none."""
        copies = min(self.durability.replication_factor, brokers)
        in_sync = min(self.durability.min_insync_replicas, max(1, copies - 1))
        return Durability(replication_factor=copies, min_insync_replicas=in_sync)

    def _dead_letters(self) -> Iterator[tuple[str, Topic]]:
        for group, sources in self.groups.items():
            yield (
                f"{group}.dlt",
                Topic.model_validate(
                    {
                        "about": f"what {group} could not handle, with the reason in its headers",
                        "owner": group.partition(".")[0],
                        "holds": "dead_letters",
                        "key": self.topics[sources[0]].key,
                        "partitions": 1,
                    }
                ),
            )


def load(file: Path = FILE) -> Topics:
    """Reads and checks the file; a pydantic `ValidationError` names what is wrong in it."""
    return Topics.model_validate(yaml.safe_load(file.read_text("utf-8")))


def _ms(hours: int) -> str:
    return str(hours * 3_600_000)
