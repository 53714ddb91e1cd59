"""Addresses of databases on one server."""

from urllib.parse import urlsplit, urlunsplit


def of_database(server: str, database: str) -> str:
    """The DSN of `database` on the server that `server` points to (any database of it)."""
    parts = urlsplit(server)
    text = urlunsplit((parts.scheme, parts.netloc, f"/{database}", parts.query, ""))
    # urlunsplit drops the empty host of `postgresql:///name?host=/socket`, which drivers need.
    return text if "://" in text else text.replace(":", "://", 1)
