"""Strangers' files are looked at in a process of their own.

What decodes them is written in C, and has been tricked before. Here it has no key, no connection and no file
to write, bounded memory and time, and takes nobody along when it fails.

    python -m libs.files.apart      reads limits and a file, writes what became of it
"""

import asyncio
import json
import os
import resource
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, Final

from libs.files.examined import Examined
from libs.files.faults import BadFile
from libs.files.limits import Limits

MEMORY: Final = 2**30
"""Bytes that the process may address."""
SECONDS: Final = 20
"""Of a processor that it may use; after twice as long it is ended, whatever it does."""

_PIECE: Final = 2**16
_ROOT: Final = Path(__file__).parents[2]
_INHERITED: Final = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH")


async def examined(content: bytes, limits: Limits) -> Examined:
    """As `checking.examine`. Raises BadFile, also for a file at which the process fails."""
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, cwd=_ROOT, env=environment
    )
    try:
        async with asyncio.timeout(2 * SECONDS):
            said, kept = await _asked(process, json.dumps(asdict(limits)).encode() + b"\n", content)
    except TimeoutError:
        raise BadFile("unreadable") from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode != 0 or not said:
        raise BadFile("unreadable")
    answer = json.loads(said)
    if "why" in answer:
        raise BadFile(answer["why"])
    return Examined(answer["media"], content if answer["unchanged"] else kept)


async def _asked(process: Process, head: bytes, content: bytes) -> tuple[bytes, bytes]:
    """What the process says and the file that it gives back; nothing is held twice on the way."""
    given, told = process.stdin, process.stdout
    if given is None or told is None:
        raise TypeError("both are pipes")
    with suppress(ConnectionError):  # it ended before it had read all: its silence tells
        given.write(head)
        for n in range(0, len(content), _PIECE):
            given.write(content[n : n + _PIECE])
            await given.drain()
        given.write_eof()
    said, kept = await told.readline(), await told.read()
    await process.wait()
    return said, kept


def main(given: BinaryIO, told: BinaryIO) -> None:
    """Examine the one file that is given. What decodes it is loaded in this process alone."""
    from libs.files.checking import examine

    _bound()
    limits = Limits(**json.loads(given.readline()))
    content = given.read()
    try:
        found = examine(content, limits)
    except BadFile as fault:
        told.write(json.dumps({"why": fault.why}).encode() + b"\n")
        return
    unchanged = found.content == content
    told.write(json.dumps({"media": found.media, "unchanged": unchanged}).encode() + b"\n")
    if not unchanged:
        told.write(found.content)


def _bound() -> None:
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
