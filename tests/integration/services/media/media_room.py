"""The media room on a test's platform, with its blobs in a real directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.integration.services.embedded_platform import EmbeddedPlatform
from xinyu.base.config import MediaSettings, PreviewSettings
from xinyu.outward.fetch import Outward
from xinyu.storage.cache import MemoryCache
from xinyu.storage.local_blobs import LocalBlobs
from xinyu.wire.v1 import media_rpc
from xinyu_services.media.door import UploadDoor
from xinyu_services.media.previews import Previews
from xinyu_services.media.rpc import MediaServicer
from xinyu_services.media.service import MediaService
from xinyu_services.media.store import MediaStore


class MediaRoom:
    """Built as the composition root builds it. `door` is that of one HTTP gateway; `wall_s` is what time the files of
    the store think it is. `close` ends its threads."""

    def __init__(self, platform: EmbeddedPlatform, directory: Path, **settings: Any) -> None:
        self.directory = directory / "media"
        self.directory.mkdir()
        self.settings = MediaSettings(**settings)
        self.blobs = LocalBlobs(self.directory)
        self.wall_s = 0.0
        self.service = MediaService(
            platform.database,
            MediaStore(platform.dialect),
            self.blobs,
            platform.clock,
            self.settings,
            lambda: self.wall_s,
        )
        self.cache = MemoryCache(platform.clock)
        self.previews = PreviewSettings(enabled=True, timeout_s=20, per_minute=20)
        # Another rule than the product's: the pages of a test are on this machine.
        self.outward = Outward("XinYu test", is_allowed=lambda _address: True, any_port=True)
        previews = Previews(self.outward, self.cache, platform.clock, self.previews)
        platform.network.serve(media_rpc.METHODS, MediaServicer(self.service, previews))
        self.stub = media_rpc.MediaStub(platform.network.channel("test"))
        self.door = UploadDoor(self.stub, self.blobs, platform.clock, self.settings)

    def close(self) -> None:
        self.blobs.close()

    def files(self) -> list[str]:
        """What lies in the store, by path."""
        return sorted(str(path.relative_to(self.directory)) for path in self.directory.rglob("*") if path.is_file())
