"""`heshi channel key`: issue, list and revoke portals' API keys at intake, which issues and checks them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.doors import Doors
from ops.stack.errors import StackError

KEYS = "/v1/channels"


async def issue(
    name: str, scopes: Sequence[str], lifetime: timedelta | None, district: str
) -> tuple[str, str]:
    """A new key: its id and the key itself, which nobody can show again."""
    expires_at = (datetime.now(UTC) + lifetime).isoformat() if lifetime else None
    async with Doors("intake", "admin", district) as intake:
        body = {"scopes": list(scopes), "expires_at": expires_at}
        made = await intake.call("POST", f"{KEYS}/{name}/keys", body)
    return made["key_id"], made["key"]


async def listed(district: str) -> list[dict[str, Any]]:
    """The district's keys, revoked ones among them, without their secrets."""
    async with Doors("intake", "admin", district) as intake:
        return [row async for row in intake.items(KEYS)]


async def revoke(key_id: str, district: str) -> str:
    """Take a key back; the portal that had it."""
    async with Doors("intake", "admin", district) as intake:
        async for row in intake.items(KEYS):
            if row["key_id"] == key_id:
                await intake.call("DELETE", f"{KEYS}/{row['channel']}/keys/{key_id}")
                return str(row["channel"])
    raise StackError(f"No portal of district {district} has a key {key_id}: see `heshi channel key list`.")


def in_words(row: dict[str, Any]) -> str:
    """A key on one line."""
    state = (
        "revoked" if row["revoked_at"] else "expires " + row["expires_at"] if row["expires_at"] else "live"
    )
    used = row["last_used_at"] or "never"
    return f"{row['key_id']} {row['shown']}… {','.join(row['scopes'])} {state} used {used}"
