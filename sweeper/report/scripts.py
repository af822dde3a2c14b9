"""Scripts that the page carries inside itself: Vega, Vega-Lite and their embedding from a package, and the page's own.

The Vega bundle is that of `vl-convert-python`. Making it takes about three seconds, so it is kept in the user's cache folder.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib.metadata import version
from pathlib import Path

from w2s.files.cache import cache_folder
from w2s.files.durable import whole

__all__ = ["csp_hash", "own_script", "vega_bundle"]


@functools.cache
def vega_bundle() -> str:
    """Return the JavaScript of Vega, Vega-Lite and Vega-Embed as one module, 0.9 MB, which asks no network for anything.

    The kept file ends with its own digest: a damaged one is made again.
    """
    path = cache_folder("vega", f"bundle-{version('vl-convert-python')}.js")
    if kept := _kept(path):
        return kept
    import vl_convert

    text = str(vl_convert.javascript_bundle())  # type: ignore[call-arg]  # its stub does not know that the snippet has a default
    try:
        with whole(path) as temporary:
            temporary.write_text(f"{text}\n//{_digest(text)}", encoding="utf-8", newline="")
    except OSError:
        pass  # a folder that cannot be written costs time, never a report
    return text


def own_script(name: str) -> str:
    """Read a script of the page's own from ``templates/``."""
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def csp_hash(text: str) -> str:
    """Compute the word that lets one inline script or style through a Content-Security-Policy: ``'sha256-...'`` of its text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _kept(path: Path) -> str:
    try:
        text, _, digest = path.read_text(encoding="utf-8").rpartition("\n//")
    except (OSError, ValueError):
        return ""
    return text if text and digest == _digest(text) else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
