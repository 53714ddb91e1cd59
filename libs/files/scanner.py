"""ClamAV over its own protocol (INSTREAM): whether a file is infected."""

import io
from typing import Final

from aioclamd import ClamdAsyncClient, ClamdError

from libs.web.errors import Unavailable

_PIECE: Final = 2**16


class Scanner:
    """A clamd at `host:port`."""

    def __init__(self, address: str, seconds: float) -> None:
        """`seconds`: how long one file may take. Raises ValueError for what is no address."""
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError("a scanner's address is host:port")
        self._client = ClamdAsyncClient(host.strip("[]"), int(port), timeout=seconds)

    async def infected(self, content: bytes) -> str | None:
        """The name of what it found, None for a clean file.

        Raises `Unavailable` for whatever is no clear answer: away, too slow, a limit of its own, an error.
        """
        try:
            answer = await self._client.instream(_Pieces(content))
        except (ClamdError, OSError) as error:
            raise Unavailable(f"the scanner does not answer: {type(error).__name__}") from None
        status, found = (answer or {}).get("stream", ("", None))
        if status == "FOUND":
            return found or "unnamed"
        if status != "OK":
            raise Unavailable("the scanner gives no clear answer")
        return None


class _Pieces(io.BytesIO):
    """Hands out larger pieces than the client asks for: it leaves the thread for each."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(_PIECE)
