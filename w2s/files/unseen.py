"""Models of the hub whose files are not here: a name that states how many weights they have is enough for a plan.

    hub:openai-community/gpt2-xl@REVISION#1.5B      1.5 billion weights, where the hub does not answer

Where the hub answers, or its files were fetched before, the stated number has no meaning: files tell their size themselves. A
model without files has an identity of its own, so nothing that is planned with it is taken for the model.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from w2s.files.datafile import DataFileError

__all__ = ["hub_folder", "is_unseen", "split_stated", "unseen_digest"]

_STATED = re.compile(r"(?P<name>[^#]+)#(?P<count>\d+(\.\d+)?)(?P<unit>[MB])")
_UNITS = {"M": 1e6, "B": 1e9}
_PLACE = Path("/nowhere/unseen-models")
"""A path below which nothing is."""


def split_stated(name: str) -> tuple[str, float | None]:
    """Split ``hub:NAME@REVISION#1.5B`` into name and number of weights; None where none is stated.

    Raises :class:`DataFileError` for a number that cannot be read.
    """
    if "#" not in name:
        return name, None
    match = _STATED.fullmatch(name)
    if match is None or not float(match["count"]):
        raise DataFileError(f"model {name}: write its number of weights as in hub:NAME@REVISION#124M or #1.5B")
    return match["name"], float(match["count"]) * _UNITS[match["unit"]]


def hub_folder(name: str, find: Callable[[str], Path]) -> Path:
    """Return the folder that ``find`` gives for the name without its stated size, or a path that is none.

    Raises what ``find`` raises where no size is stated.
    """
    plain, weights = split_stated(name)
    try:
        return find(plain)
    except DataFileError:
        if weights is None:
            raise
        return _PLACE / hashlib.sha256(plain.encode()).hexdigest()[:16]


def is_unseen(path: Path) -> bool:
    """Tell whether a path is that of a model without files."""
    return path.parent == _PLACE


def unseen_digest(name: str) -> str:
    """Hash the name of a model without files."""
    return hashlib.sha256(f"unseen model\n{name}".encode()).hexdigest()
