"""Events of one partition as a consumer gets them, without a broker."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from libs.db.work import Delivery, Work
from libs.events.envelope import Envelope, to_headers
from libs.events.intake import CaseReminded
from libs.events.registry import encode
from libs.messaging.consumer import EventRunner
from tests.support import toy
from tests.support.chain import TOPIC, now


@dataclass
class Stream:
    """Each call of `event` is the next record; the runner makes its work, as of a record of Kafka's."""

    runner: EventRunner[toy.Counter]
    offset: int = 0

    def event(self, case_id: UUID, version: int, count: int) -> Work[toy.Counter, Any]:
        """The work that an event of the case asks for."""
        payload = CaseReminded(case_id=case_id, district=toy.DISTRICT, count=count, new_facts=False)
        envelope = Envelope(uuid7(), "case.reminded", "/services/intake", case_id, version, now(), TOPIC)
        self.offset += 1
        delivery = Delivery(
            consumer=self.runner.consumer.name,
            topic=TOPIC,
            partition=0,
            offset=self.offset,
            key=str(case_id).encode(),
            value=encode(payload),
            headers=tuple(to_headers(envelope)),
            blocks_case=self.runner.consumer.dead_blocks_case,
        )
        work = self.runner.work(delivery)
        assert work is not None
        return work
