"""Result folders of other code bases as tables: one row per weak-to-strong run, and predictions where they were saved.

Only JSON and Arrow files are read. The pickles of those code bases (``results.pkl``, ``*.pt``, ``*.bin``) are never opened:
loading a pickle runs whatever code it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from w2s.importers.eleuther import read_eleuther
from w2s.importers.files import FolderError, Imported
from w2s.importers.openai import read_openai

__all__ = ["IMPORTERS", "FolderError", "Imported"]

IMPORTERS: Mapping[str, Callable[[Path, Sequence[Path]], Imported]] = {"openai-w2s": read_openai, "eleuther": read_eleuther}
"""Readers of a result folder, and of further folders with weak models and ceilings, by the name of the code base."""
