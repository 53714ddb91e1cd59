"""Objects outside the database, in a local folder or in what speaks S3. What comes here is sealed already."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from libs.files.parts import parts
from libs.runtime.logging import fault
from libs.web.errors import Unavailable

if TYPE_CHECKING:
    from obstore.store import S3Config

_AT_ONCE: Final = 1_000
_READ: Final = 2**20

log = structlog.get_logger()


class Missing(Unavailable):
    """The place is there, and no object of that name in it."""


class Objects:
    """Named bytes. Every method raises `Unavailable` when the place is away."""

    def __init__(self, store: ObjectStore, folder: Path | None = None) -> None:
        """`folder`: where `store` has its files, if it is this machine's."""
        self._store = store
        self._folder = folder

    @classmethod
    def in_folder(cls, folder: Path) -> "Objects":
        """In a folder, readable by its owner alone; it is made when missing."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(LocalStore(folder), folder)

    @classmethod
    def in_bucket(
        cls, address: str, endpoint: str | None, region: str | None, key_id: str | None, secret: str | None
    ) -> "Objects":
        """At `s3://bucket/prefix` of `endpoint`. What is None is as the environment says (`AWS_…`)."""
        parts = urlsplit(address)
        wanted = {"region": region, "access_key_id": key_id, "secret_access_key": secret}
        given = {name: value for name, value in wanted.items() if value is not None}
        return cls(
            S3Store(
                parts.netloc,
                prefix=parts.path.strip("/") or None,
                client_options={"allow_http": (endpoint or "").startswith("http:"), "timeout": "30s"},
                retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=30)},
                endpoint=endpoint,
                config=cast("S3Config", given),
            )
        )

    async def put(self, name: str, content: bytes | bytearray) -> None:
        """Keep the content; once this returns it survives a power cut."""
        with _reached():
            await obstore.put_async(self._store, name, content)
            if self._folder is not None:
                await asyncio.to_thread(_to_disk, self._folder / name, self._folder)

    async def read(self, name: str, size: int) -> AsyncIterator[bytes]:
        """The content in pieces of `size` bytes, the last one shorter. Raises Missing too."""
        with _reached():
            try:
                found = await obstore.get_async(self._store, name)
            except FileNotFoundError:
                raise Missing("the object is not there", retry_after=5) from None
            async for part in parts(found.stream(min_chunk_size=_READ), size):
                yield part

    async def drop(self, names: Sequence[str]) -> None:
        """Delete them; one that is not there is no error."""
        for name in names:
            with _reached(), suppress(FileNotFoundError):
                await obstore.delete_async(self._store, name)

    async def older(self, age: timedelta) -> AsyncIterator[list[str]]:
        """The names of all objects that are older, some at a time; what a crash left of unfinished writing
        is deleted on the way."""
        if self._folder is not None:
            await asyncio.to_thread(_sweep, self._folder, age)
        before = datetime.now(UTC) - age
        with _reached():
            async for found in obstore.list(self._store, chunk_size=_AT_ONCE):
                yield [one["path"] for one in found if one["last_modified"] < before]


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        log.error("objects_away", **fault(error))
        raise Unavailable("the place of files is away", retry_after=5) from None


def _to_disk(file: Path, upto: Path) -> None:
    """The store renames a file into place without waiting for the disk."""
    for path in (file, *file.parents):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        if path == upto:
            return


def _sweep(folder: Path, age: timedelta) -> None:
    """Delete old files that the store writes to before it renames them: it does not list them itself."""
    before = time.time() - age.total_seconds()
    for path in folder.rglob("*#*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                path.unlink()
