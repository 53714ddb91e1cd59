"""The record of `intake.dossier.v1`: what a citizen told, sealed for each service that needs it (G14)."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from libs.events.base import Count, District, Record

Compartment = Literal["contact", "story", "needs"]
Reader = Literal["routing", "mediation", "notify"]
Jwe = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*){4}$")]
"""A JWE in compact serialisation: nothing that is not sealed fits in."""


class DossierSealed(Record):
    """One case's dossier: per compartment one JWE for each service that may open it.

    `version` rises with each change and is not gapless. The tombstone of the key erases the record; a case of
    kind REP never has one (XF22 art 30).
    """

    TYPE: ClassVar[str] = "dossier.sealed"
    TOPIC: ClassVar[str] = "intake.dossier.v1"

    case_id: UUID
    district: District
    version: Count
    compartments: Mapping[Compartment, Mapping[Reader, Jwe]]
