"""Names of the form ``hub:NAME@REVISION``, and the files of the hub that they stand for.

A revision is always written, so that what a run reads cannot change under it. Imports ``huggingface_hub`` (extra ``llm``) only
when the hub is asked. Imported by tasks and by models.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

from w2s.errors import first_line
from w2s.files.datafile import DataFileError

__all__ = ["hub_commit", "is_hub_name", "snapshot", "split_hub_name"]

_PREFIX = "hub:"


def is_hub_name(name: str) -> bool:
    """Tell whether a name is one of the hub."""
    return name.startswith(_PREFIX)


def split_hub_name(name: str, content: str) -> tuple[str, str]:
    """Split ``hub:NAME@REVISION`` into name and revision; ``content`` says what is undefined without a revision.

    Raises :class:`DataFileError` where either is missing.
    """
    place, _, revision = name.removeprefix(_PREFIX).partition("@")
    if not place or not revision:
        raise DataFileError(f"{name!r}: write hub:NAME@REVISION, so that the {content} cannot change under a run")
    return place, revision


def snapshot(name: str, patterns: list[str]) -> Path:
    """Download the files of a model that match ``patterns``; return their folder. Raises :class:`DataFileError`."""
    place, revision = split_hub_name(name, "weights")
    import huggingface_hub

    try:
        return Path(huggingface_hub.snapshot_download(place, revision=revision, allow_patterns=patterns))
    except Exception as error:
        raise _unanswered("model ", name, error) from None


@functools.lru_cache(maxsize=64)
def hub_commit(name: str) -> str:
    """Return the commit that a data set's revision stands for: from the hub, or from its local cache when offline.

    Raises :class:`DataFileError` when neither knows it.
    """
    place, revision = split_hub_name(name, "rows")
    import huggingface_hub

    try:
        if os.environ.get("HF_HUB_OFFLINE", "0") in ("1", "ON", "YES", "TRUE"):
            found = huggingface_hub.snapshot_download(place, repo_type="dataset", revision=revision, local_files_only=True)
            return Path(found).name
        return str(huggingface_hub.dataset_info(place, revision=revision).sha)
    except Exception as error:
        raise _unanswered("", name, error) from None


def _unanswered(what: str, name: str, error: Exception) -> DataFileError:
    return DataFileError(f"{what}{name}: the hub does not answer for it: {first_line(error)}")
