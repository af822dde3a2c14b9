"""Load models of transformers without its progress bars and reports."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

__all__ = ["quiet"]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the progress bars and load reports of the libraries off the terminal."""
    import transformers

    level, bars = transformers.logging.get_verbosity(), os.environ.get("HF_HUB_DISABLE_PROGRESS_BARS")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(level)
        if bars is None:
            os.environ.pop("HF_HUB_DISABLE_PROGRESS_BARS", None)
