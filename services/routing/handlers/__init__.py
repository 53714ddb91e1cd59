"""The use cases of routing: this table is the service's contents page.

Of cases (through the batch shell, `cases.py`) here; of organisations and areas in `registry.py`.
"""

from typing import Final

from libs.db.work import UseCase
from services.routing.handlers import cases

PROPOSE: Final = UseCase("propose", cases.propose)
NEEDS_ARRIVED: Final = UseCase("needs_arrived", cases.needs_arrived)
RECORD_FACTS: Final = UseCase("record_facts", cases.record_facts)
WITHDRAW: Final = UseCase("withdraw", cases.withdraw)
RECORD_ANSWER: Final = UseCase("record_answer", cases.record_answer)
TRY_NEXT: Final = UseCase("try_next", cases.try_next)
CLOSE: Final = UseCase("close", cases.close)
CHOOSE_BY_HAND: Final = UseCase("choose_by_hand", cases.choose_by_hand)

SEEKING: Final = frozenset(case.name for case in (PROPOSE, NEEDS_ARRIVED, TRY_NEXT, CHOOSE_BY_HAND))
"""Those that may choose an organisation, and so need the board and the loads to themselves."""
