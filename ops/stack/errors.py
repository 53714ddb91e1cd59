"""The one error a person who runs Heshi sees: a sentence that says what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager


class StackError(Exception):
    """Something about this machine keeps Heshi from running; one sentence that ends in what to do."""


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn an operating system's refusal while doing `what` into a sentence; every other error passes."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StackError(f"The disk is full ({what}): free some space and start again.") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            place = error.filename or "the folder"
            raise StackError(
                f"{place} may not be written ({what}): change its owner or set HESHI_HOME."
            ) from error
        raise
