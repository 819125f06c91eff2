"""Previews of links: a page that a user names is fetched, and what its head says is answered.

The server asks, so that the page learns of no reader; where it may ask is the rule of `xinyu.outward`. What was found
is kept in the cache for an hour, that nothing was found for a minute, and both are answered to whoever asks next.
Whoever asks is told only that there is no preview: not why, or he could look around behind the server's wall.

Bounds: `AT_ONCE` pages at a time, others wait within the deadline; so many a minute and user; 512 KiB a page. Scanning
one is a few milliseconds of work, in a thread.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final

import msgspec
import structlog
from yarl import URL

from xinyu.base.clock import Clock
from xinyu.base.config import PreviewSettings
from xinyu.base.errors import NO_PREVIEW, NOT_FOUND, OVERLOADED, TOO_MANY, XinYuError
from xinyu.outward.fetch import FetchError, Outward
from xinyu.storage.cache import Cache
from xinyu_services.media.page_head import read_head

log = structlog.get_logger(__name__)

USER_AGENT: Final = "XinYu-Preview/1.0 (link previews; fetches the page alone, once an hour)"
AT_ONCE: Final = 16
KEPT_S: Final = 3600
NOTHING_KEPT_S: Final = 60
MAX_PAGE_BYTES: Final = 512 * 1024
HTML: Final = ("text/html", "application/xhtml+xml")
WINDOW_S: Final = 60


class Preview(msgspec.Struct, frozen=True):
    """Texts as the page has them, one line each; `url` where it was found; `image` "" = none that may be shown."""

    url: str
    title: str
    description: str
    image: str
    site_name: str


class Previews:
    def __init__(self, outward: Outward, cache: Cache, clock: Clock, settings: PreviewSettings) -> None:
        self._outward = outward
        self._cache = cache
        self._clock = clock
        self._settings = settings
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def load(self, user_id: int, url: str) -> Preview:
        """Raises NOT_FOUND (previews are off), NO_PREVIEW, TOO_MANY, OVERLOADED."""
        if not self._settings.enabled:
            raise XinYuError(NOT_FOUND)
        await self._count(user_id)
        key = f"preview:{hashlib.sha256(url.encode()).hexdigest()}"
        kept = await self._cache.get(key)
        if kept is None:
            found = await self._found(url)
            kept = msgspec.json.encode(found)
            await self._cache.put(key, kept, NOTHING_KEPT_S if found is None else KEPT_S)
        preview = msgspec.json.decode(kept, type=Preview | None)
        if preview is None:
            raise XinYuError(NO_PREVIEW)
        return preview

    async def _count(self, user_id: int) -> None:
        number, passed_ms = divmod(self._clock.now_ms(), WINDOW_S * 1000)
        if await self._cache.increment(f"previews:{user_id}:{number}", WINDOW_S) > self._settings.per_minute:
            raise XinYuError(TOO_MANY, retry_after_ms=WINDOW_S * 1000 - passed_ms)

    async def _found(self, url: str) -> Preview | None:
        turn = False
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                turn = await self._turns.acquire()
                return await self._fetched(url)
        except TimeoutError:
            if not turn:
                raise XinYuError(OVERLOADED) from None
            problem = "no answer in time"
        except FetchError as error:
            problem = str(error)
        finally:
            if turn:
                self._turns.release()
        log.info("no_preview", host=_host(url), problem=problem)
        return None

    async def _fetched(self, url: str) -> Preview | None:
        page = await self._outward.get(
            url,
            accept=", ".join(HTML),
            content_types=HTML,
            max_bytes=MAX_PAGE_BYTES,
            timeout_s=self._settings.timeout_s,
        )
        head = await asyncio.to_thread(read_head, page.content, page.content_type)
        if not head.title:
            return None
        # What is after # stays what the user wrote, and goes to no server.
        return Preview(page.url, head.title, head.description, await self._image(page.url, head.image), head.site_name)

    async def _image(self, page_url: str, image: str) -> str:
        """Readers' devices will fetch it: only what is encrypted, and nothing in their own networks."""
        if not image:
            return ""
        try:
            url = str(URL(page_url).join(URL(image)))
        except ValueError:
            return ""
        return url if url.startswith("https://") and await self._outward.is_reachable(url) else ""


def _host(url: str) -> str:
    """For the log, which is nobody's diary: the rest of an address is the user's own."""
    try:
        return (URL(url[:2048]).host or "")[:253]
    except ValueError:
        return ""
