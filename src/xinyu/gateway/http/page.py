"""The page: files of one directory, read once at start and served from memory, so that no path can leave it.

A name that is not in the table does not exist; Python files and hidden files never are. Answers carry an entity tag and
`no-cache`, so a browser asks again each time and gets 304 while nothing has changed (RFC 9110, section 13).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}

# The page talks to the WebSocket gateway, which is another origin; pictures come from wherever a message says.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; connect-src 'self' ws: wss: http: https:; img-src 'self' data: blob: http: https:; "
    "media-src 'self' blob: http: https:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    content_type: str
    entity_tag: str


class Page:
    """Files below `root`, by their path from it; `/` is index.html."""

    def __init__(self, root: Path | None) -> None:
        self._files: dict[str, _File] = {}
        for path in sorted(root.rglob("*")) if root is not None else ():
            name = path.relative_to(root).as_posix() if root is not None else ""
            content_type = _TYPES.get(path.suffix)
            if content_type is None or any(part.startswith((".", "_")) for part in name.split("/")):
                continue
            if path.is_file():
                body = path.read_bytes()
                self._files["/" + name] = _File(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
        if "/index.html" in self._files:
            self._files["/"] = self._files["/index.html"]

    def __contains__(self, path: str) -> bool:
        return path in self._files

    def answer(self, path: str, if_none_match: str) -> web.Response:
        """Raises KeyError for a path that is not in it."""
        file = self._files[path]
        headers = {
            "Content-Type": file.content_type,
            "ETag": file.entity_tag,
            "Cache-Control": "no-cache",
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "Referrer-Policy": "no-referrer",
        }
        tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
        if file.entity_tag in tags or if_none_match.strip() == "*":
            del headers["Content-Type"]
            return web.Response(status=304, headers=headers)
        return web.Response(body=file.body, headers=headers)
