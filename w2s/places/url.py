"""Names of places: a path of this machine, or a URL. Both can be joined and have a name and a parent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from w2s.errors import FieldError, nearest
from w2s.files.paths import expand_variables, user_path

__all__ = ["SCHEMES", "Url", "Where", "base_of", "user_place", "where_of"]

SCHEMES = ("s3",)
"""Schemes of URLs that are known."""
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(/?)")


@dataclass(frozen=True, order=True)
class Url:
    """A name in an object store; it has what of a :class:`Path` is about names, and nothing that looks at files."""

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}"

    def __truediv__(self, name: str) -> Url:
        return self._with(PurePosixPath(self.key) / name)

    @property
    def name(self) -> str:
        """The last word."""
        return PurePosixPath(self.key).name

    @property
    def stem(self) -> str:
        """The last word without its ending."""
        return PurePosixPath(self.key).stem

    @property
    def parent(self) -> Url:
        """The name without its last word."""
        return self._with(PurePosixPath(self.key).parent)

    def with_name(self, name: str) -> Url:
        """Replace the last word."""
        return self._with(PurePosixPath(self.key).with_name(name))

    def resolve(self) -> Url:
        """Return itself: a URL depends on no working folder."""
        return self

    def _with(self, key: PurePosixPath) -> Url:
        return Url(self.scheme, self.bucket, "" if str(key) == "." else str(key))


Where = Path | Url
"""A name of a file or folder of a run."""


def where_of(written: Where | str) -> Where:
    """Read the name of a place. Raises :class:`w2s.errors.FieldError` for an empty one and for a URL of an unknown scheme.

    A path that was made of a URL has lost a slash, and is refused too, so that no folder ``s3:`` is ever made.
    """
    if isinstance(written, Url):
        return written
    text = str(written)
    found = _SCHEME.match(text)
    if found is None:
        if not text.strip() or "\0" in text:
            raise FieldError(f"{text!r} is no name of a folder")
        return Path(written)
    scheme, two = found[1].lower(), bool(found[2])
    if scheme not in SCHEMES or not two:
        known = f"known: {', '.join(f'{name}://' for name in SCHEMES)}"
        raise FieldError(f"{text!r} is not a local folder, and no URL that is known{nearest(scheme, SCHEMES)}; {known}")
    bucket, _, key = text[found.end() :].partition("/")
    words = [word for word in key.split("/") if word]
    if not _BUCKET.fullmatch(bucket) or not words or any(word in (".", "..") for word in words) or not text.isprintable():
        raise FieldError(f"{text!r} names no folder in a bucket; write {scheme}://BUCKET/FOLDER")
    return Url(scheme, bucket, "/".join(words))


def user_place(written: str, base: Path) -> Where:
    """Read the name of a place as a person writes it in a grid: with ``~`` and variables, and relative to ``base``.

    Raises :class:`w2s.errors.FieldError`.
    """
    where = where_of(expand_variables(written))
    return where if isinstance(where, Url) else user_path(written, base)


def base_of(where: Where) -> Path:
    """Return the folder of this machine from which relative paths in the files of a run start: the run itself, or the root."""
    return where if isinstance(where, Path) else Path("/")
