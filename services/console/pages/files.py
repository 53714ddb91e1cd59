"""The pages and what they load, read once; nothing comes from another host and no script stands in a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""The content security policy of every page: only what this service itself serves."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that a page loads; its address changes with its content, so browsers may keep it for good."""

    content: bytes
    media_type: str
    address: str


class Pages:
    """Templates and assets by file name."""

    def __init__(self) -> None:
        self.assets: Mapping[str, Asset] = {asset.address: asset for asset in map(_asset, _assets())}
        self._environment = Environment(
            loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, auto_reload=False
        )
        names = {path.name: _asset(path).address for path in _assets()}
        self._environment.globals["asset"] = lambda name: f"/assets/{names[name]}"

    def render(self, template: str, **values: Any) -> str:
        """A page as HTML; every value is escaped."""
        return self._environment.get_template(template).render(values)


def _assets() -> list[Path]:
    return sorted(path for path in HERE.iterdir() if path.suffix in _TYPES)


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    address = f"{path.stem}.{sha256(content).hexdigest()[:12]}{path.suffix}"
    return Asset(content, _TYPES[path.suffix], address)
