"""Kannel's sendsms over HTTP (its user guide, "Using the HTTP Interface to Send SMS Messages")."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from urllib.parse import quote, urlencode

import aiohttp

from services.notify.domain.sending import Answer, Result
from services.notify.handlers.callbacks import Callbacks
from services.notify.handlers.sender import Sms

DELIVERED, UNDELIVERED, REFUSED_BY_CARRIER = 1, 2, 16
DLR_MASK: Final = DELIVERED | UNDELIVERED | REFUSED_BY_CARRIER
TAKEN: Final = ("0:", "3:")
"""Kannel's "Accepted for delivery" and "Queued for later delivery"."""

TEST_NUMBERS: Final = ("+861380000", "0000")
"""Numbers of the sample data: a real provider never hears of them."""

RESULTS: Final = {
    400: Result.REJECTED,
    401: Result.REFUSED_US,
    402: Result.REFUSED_US,
    404: Result.REFUSED_US,
    405: Result.REFUSED_US,
    407: Result.REFUSED_US,
    408: Result.RETRYABLE,
    413: Result.REJECTED,
    422: Result.REJECTED,
    429: Result.THROTTLED,
    500: Result.RETRYABLE,
    502: Result.INDETERMINATE,
    503: Result.RETRYABLE,
    504: Result.INDETERMINATE,
}
"""What a status means. 502 and 504 come from something in between: behind it the SMS may have been taken."""

_LONGEST_ANSWER = 1024
_LONGEST_PAUSE_S = 3600


@dataclass(frozen=True, slots=True)
class Kannel:
    """Where the gateway is, who we are there, and where it brings receipts; times in seconds."""

    url: str
    username: str
    password: str = field(repr=False)
    sender: str
    receipts: str
    real: bool
    timeout_s: float = 10.0
    connect_s: float = 3.0
    # Shorter than any gateway keeps an idle connection: a call on one that it just closed would be lost.
    idle_s: float = 2.0


class KannelGateway:
    """One session for all calls. Promise: `send` answers within `timeout_s`, whatever the network does."""

    def __init__(self, kannel: Kannel, callbacks: Callbacks, calls: int) -> None:
        self._kannel, self._callbacks = kannel, callbacks
        self._common = urlencode(
            {
                "username": kannel.username,
                "password": kannel.password,
                "from": kannel.sender,
                "coding": "2",
                "charset": "UTF-8",
                "dlr-mask": str(DLR_MASK),
            }
        )
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=kannel.timeout_s, sock_connect=kannel.connect_s),
            connector=aiohttp.TCPConnector(limit=calls, keepalive_timeout=kannel.idle_s),
            auto_decompress=False,
        )

    async def send(self, sms: Sms) -> Answer:
        """Hand one SMS to the gateway; the class of what came of it."""
        if self._kannel.real and sms.phone.startswith(TEST_NUMBERS):
            return Answer(Result.REJECTED, "test_number")
        try:
            async with self._session.post(
                self._kannel.url,
                data=self._form(sms),
                headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
                allow_redirects=False,
            ) as response:
                body = await response.content.read(_LONGEST_ANSWER)
                return classify(
                    response.status, body.decode("utf-8", "replace"), response.headers.get("Retry-After")
                )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            # Refused, no such host, bad certificate: nothing of the message left this machine.
            return Answer(Result.UNREACHABLE, type(error).__name__)
        except aiohttp.InvalidURL as error:
            return Answer(Result.REFUSED_US, type(error).__name__)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Answer(Result.INDETERMINATE, type(error).__name__)

    async def close(self) -> None:
        await self._session.close()

    def _form(self, sms: Sms) -> bytes:
        query = self._callbacks.receipt_query(sms.message_id, sms.case_id, sms.district)
        receipts = f"{self._kannel.receipts}?{query}&type=%d"
        own = f"&to={quote(sms.phone)}&text={quote(sms.text)}&dlr-url={quote(receipts, safe='')}"
        return (self._common + own).encode()


def classify(status: int, body: str, retry_after: str | None = None) -> Answer:
    """What Kannel's answer means for the message, and whether it concerns us and not the message at all."""
    code = str(status)
    if 200 <= status < 300:
        return Answer(Result.ACCEPTED if body.startswith(TAKEN) else Result.INDETERMINATE, code)
    if status == 403:
        ours = body.startswith("Authorization")  # else the number is on a list
        return Answer(Result.REFUSED_US if ours else Result.REJECTED, code)
    if status == 429:
        return Answer(Result.THROTTLED, code, _pause(retry_after))
    if status in RESULTS:
        return Answer(RESULTS[status], code)
    if 300 <= status < 400:
        return Answer(Result.REFUSED_US, code)
    return Answer(Result.REJECTED if status < 500 else Result.INDETERMINATE, code)


def _pause(retry_after: str | None) -> timedelta:
    told = int(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else 1
    return timedelta(seconds=min(max(told, 1), _LONGEST_PAUSE_S))
