"""The SMS that citizens got, by the gateway's ledger, and which message of which case each of them is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from libs.events.registry import event_types

UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Sms:
    """One entry of the ledger. `template` is `?` where no message of notify says so; then `case_id` is
    unknown too."""

    at: str
    phone: str
    text: str
    template: str = UNKNOWN
    case_id: str | None = None
    trigger: str | None = None
    trigger_version: int = 0

    def concerns(self, case_id: str, phone: str | None) -> bool:
        """Whether it belongs to the case; one that nobody accounts for belongs to whoever got it."""
        if self.case_id is None:
            return phone is not None and self.phone.endswith(phone)
        return self.case_id == case_id

    def among_first(self, intake: int, mediation: int) -> bool:
        """Whether what triggered it had happened when the case stood at these versions."""
        if self.trigger in event_types("intake.case.v1"):
            return self.trigger_version <= intake
        return self.trigger is None or self.trigger_version <= mediation


def received(messages: Iterable[Mapping[str, Any]], ledger: Iterable[Mapping[str, Any]]) -> list[Sms]:
    """The ledger's entries in their order, each with the message that reads like it; none counts twice."""
    unmatched = list(messages)
    found: list[Sms] = []
    for entry in ledger:
        about: dict[str, Any] = {}
        if message := next((told for told in unmatched if told["text"] == entry["text"]), None):
            unmatched.remove(message)
            about = {name: message[name] for name in ("template", "case_id", "trigger", "trigger_version")}
        found.append(Sms(entry["at"], entry["to"], entry["text"], **about))
    return found
