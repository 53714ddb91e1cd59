"""`heshi reindex`: what finds cases by words and respondents, made anew from what is sealed."""

import asyncio
import json
from collections.abc import Sequence
from uuid import UUID

from libs.privacy.keyring import KeyMissing, Keyring
from ops.installation import Installation
from ops.stack.errors import StackError
from ops.tokens import data
from services.intake.handlers.sealing import Kept, Vault
from services.intake.store.traces import rewrite

FIRST = UUID(int=0)


def reindex() -> int:
    """Make them anew for every case, while the service runs; how many."""
    try:
        return asyncio.run(_reindex())
    except KeyMissing as missing:
        raise StackError(f"There is {missing}: put it back, or make it by `heshi keys`.") from missing


async def _reindex() -> int:
    here, done, after = Installation.current(), 0, FIRST
    common = json.loads((data() / "search.json").read_text(encoding="utf-8"))["common"]
    vault = Vault(Keyring.open(here.home.keys), frozenset(common))

    def traces_of(kept: Kept, secret: bool) -> tuple[Sequence[int], Sequence[bytes]]:
        said = vault.open(kept)
        return (
            vault.tokens(kept.district, said, secret=secret),
            vault.respondents(kept.district, said, secret=secret),
        )

    async with here.database("intake") as database:
        while (step := await rewrite(database, after, traces_of)) is not None:
            after, done = step[0], done + step[1]
    return done
