"""A browser for tests of pages: Chromium without a window, and what it says of a page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}

TOO_WIDE = """() => {
  const box = (e) => `${e.tagName.toLowerCase()}.${e.getAttribute('class') ?? ''} "${e.textContent.slice(0, 40)}"`;
  const scrolls = (e) => e && (e.closest('pre, .many, .skip, .tip') !== null);
  const page = document.documentElement;
  const found = page.scrollWidth > page.clientWidth ? [`page ${page.scrollWidth} > ${page.clientWidth}`] : [];
  for (const e of document.body.querySelectorAll('*')) {
    if (e.closest('svg, select, script, style') || scrolls(e) || !e.getClientRects().length) continue;
    const style = getComputedStyle(e), place = e.getBoundingClientRect();
    if (place.right > page.clientWidth + 1 || place.left < -1) found.push(`outside: ${box(e)} ${place.left} to ${place.right}`);
    if (style.display !== 'inline' && e.clientWidth && e.scrollWidth > e.clientWidth + 1)
      found.push(`overflowing: ${box(e)} ${e.scrollWidth} > ${e.clientWidth}`);
  }
  for (const e of document.querySelectorAll('svg, canvas')) {
    const inside = e.getBoundingClientRect(), outside = e.closest('.chart').getBoundingClientRect();
    if (inside.right > outside.right + 1) found.push(`chart ${inside.right} > ${outside.right}`);
  }
  for (const e of document.querySelectorAll('.chart svg text')) {
    const inside = e.getBoundingClientRect(), outside = e.closest('.chart').getBoundingClientRect();
    if (e.textContent && (inside.right > outside.right + 2 || inside.left < outside.left - 2))
      found.push(`clipped: ${e.textContent} ${inside.left} to ${inside.right} of ${outside.left} to ${outside.right}`);
  }
  return found.slice(0, 12);
}"""
"""What sticks out of its box. Grid files and tables of more than eight columns may scroll in theirs."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright; the test is skipped where one of them is not installed."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@contextmanager
def opened(browser: Any, path: Path, size: str = "desktop", **options: Any) -> Iterator[tuple[Any, list[str]]]:
    """Open a page from its file; also gives the list that fills with what the console says and with requests to elsewhere."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, offline=True, **options)
    shown, said = context.new_page(), []
    shown.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    shown.on("pageerror", lambda error: said.append(f"error: {error}"))
    shown.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    shown.on(
        "request", lambda request: None if request.url.startswith(("file:", "data:", "blob:")) else said.append(request.url)
    )
    shown.goto(path.resolve().as_uri())
    if options.get("java_script_enabled", True) and shown.locator("#explorer").count():
        shown.wait_for_selector(".chart[data-drawn]")
    yield shown, said
    context.close()


def axe_faults(shown: Any) -> list[str]:
    """Serious and critical findings of axe on a page."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(shown).response["violations"]
    return [
        f"{fault['id']}: {fault['nodes'][0]['html'][:200]}" for fault in found if fault["impact"] in ("serious", "critical")
    ]
