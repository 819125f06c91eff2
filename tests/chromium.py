"""The system's Chromium for tests: headless, quiet, with fresh profiles. No browser is downloaded."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, BrowserContext, Playwright, async_playwright

# The address bar's drop-down has two renderers of its own in each window: most of what a window costs, and seen by
# nobody here. Of several such lists Chromium reads the last one, so those of Playwright that matter stand here, too.
WITHOUT: Final = (
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "AimEnabled",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
)
FLAGS: Final = (
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
    f"--disable-features={','.join(WITHOUT)}",
)


def executable() -> str:
    """Where the system's Chromium is. RuntimeError with what to install when it is nowhere."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        raise RuntimeError("no Chromium on PATH; on Debian: apt-get install chromium")
    return found


@asynccontextmanager
async def playwright_driver() -> AsyncIterator[Playwright]:
    async with async_playwright() as driver:
        yield driver


async def open_browser(driver: Playwright) -> Browser:
    """For contexts that share nothing but the process: starting one takes far longer than a page does."""
    return await driver.chromium.launch(executable_path=executable(), headless=True, args=list(FLAGS))


async def open_profile(driver: Playwright, directory: Path, **options: Any) -> BrowserContext:
    """A browser of its own with the profile in `directory`: nothing is shared with any other one."""
    return await driver.chromium.launch_persistent_context(
        directory, executable_path=executable(), headless=True, args=list(FLAGS), **options
    )
