"""A store of artifacts in a bucket, with a folder of this machine in which values are made and kept for reading.

    STORE/<2 digits>/<key>/...              as in a folder; `artifact.json` is written last and has the digest of every file
    STORE/leases/<key>                      a lease (:mod:`w2s.places.lease`)
    STORE/runs/<hash>.json                  which keys a run uses

What is fetched is compared with its digests before it gets its name here. The folder of this machine may be removed when
nothing runs; `scratch` is in it and so serves only attempts on the same machine.
"""

from __future__ import annotations

import functools
import hashlib
import json
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from w2s.artifacts.call import Call
from w2s.artifacts.store import MANIFEST, ArtifactError, Store, run_note, silent
from w2s.files.cache import cache_folder
from w2s.files.durable import publish
from w2s.places.known import place_of
from w2s.places.objects import Objects, bucket_of
from w2s.places.url import Url, Where, where_of

__all__ = ["RemoteStore", "open_store"]

_DIGESTS = "sha256"


class RemoteStore(Store):
    """Finished artifacts in a bucket, shared by runs on any machine."""

    def __init__(self, url: Url) -> None:
        name = hashlib.blake2b(str(url).encode(), digest_size=8).hexdigest()
        super().__init__(cache_folder("artifacts") / name)
        self.url = url
        self.bucket: Objects = bucket_of(url)

    @property
    def where(self) -> Where:
        """Its URL."""
        return self.url

    def has(self, call: Call) -> bool:
        """Tell whether the value is in the bucket."""
        return self._record(call) is not None

    def get(self, call: Call) -> Path:
        """Return a folder of this machine with a finished value, fetched if need be.

        Raises :class:`ArtifactError` where there is none, and where what was fetched is not what was stored.
        """
        record = self._record(call)
        if record is None:
            raise ArtifactError(f"{call!r} is not in {self.url}")
        place = self.place(call)
        if not _is_whole(place, tuple(record[_DIGESTS].items()), _written(place)):
            self._fetch(call, place, record)
        return place

    def compute(self, call: Call, note: Callable[[str], None] = silent) -> Path:
        """Make a call whose inputs are finished, unless another process does or did, and store its value."""

        def waiting() -> None:
            note(f"{call!r} is being computed by another process; waiting for it")

        with self.bucket.lock(self.url / "leases" / call.key, waiting):
            if not self.has(call):
                super().compute(call, note)
                self._send(call)
        return self.get(call)

    def register(self, run: Where, keys: Iterable[str]) -> None:
        """Record which values a run uses, see :meth:`Store.register`."""
        name, content = run_note(run, keys)
        with self.bucket.lock(self.url / "leases" / "runs"):
            self.bucket.write(self.url / "runs" / name, content)

    def in_use(self) -> dict[str, set[str]]:
        """Return the keys in use, by run, for the runs that still exist; a folder of another machine is taken to exist."""
        found = {}
        for note in self.bucket.files(self.url / "runs", suffix=".json"):
            content = json.loads(self.bucket.read(note))
            run = where_of(content["run"])
            if isinstance(run, Path) or place_of(run).exists(run / "grid.yaml"):
                found[content["run"]] = set(content["keys"])
        return found

    def keys(self) -> Iterator[str]:
        """Yield the keys of all finished values."""
        for name in self._manifests():
            yield name.parent.name

    def manifests(self) -> Iterator[dict[str, Any]]:
        """Yield the record of every finished value, with its ``key``."""
        names = self._manifests()
        for name, content in zip(names, self.bucket.each(self.bucket.read, names), strict=True):
            yield {"key": name.parent.name, **json.loads(content)}

    def remove_unused(self, keep: Collection[str] = ()) -> tuple[int, int]:
        """Remove finished values that no existing run uses; return how many there were, and their bytes."""
        count = size = 0
        with self.bucket.lock(self.url / "leases" / "runs"):
            used = set(keep).union(*self.in_use().values())
            for name in self._manifests():
                key = name.parent.name
                lock = self.url / "leases" / key
                if key in used or self.bucket.is_locked(lock):
                    continue
                with self.bucket.lock(lock):
                    record = json.loads(self.bucket.read(name))
                    self.bucket.remove(name)  # first: without it, no reader takes the rest for a value
                    self.bucket.each(self.bucket.remove, self.bucket.below(name.parent))
                count, size = count + 1, size + sum(record["files"].values())
        return count, size

    def is_there(self) -> bool:
        """Tell whether the bucket has a store of this name."""
        return self.bucket.is_folder(self.url / "runs")

    def _manifests(self) -> list[Url]:
        return [name for name in self.bucket.below(self.url) if name.name == MANIFEST and len(name.parent.parent.name) == 2]

    def _remote(self, call: Call) -> Url:
        return self.url / call.key[:2] / call.key

    def _record(self, call: Call) -> dict[str, Any] | None:
        try:
            record = json.loads(self.bucket.read(self._remote(call) / MANIFEST))
        except (FileNotFoundError, ValueError):
            return None
        return record if _is_record(record) else None

    def _send(self, call: Call) -> None:
        """Store a value that was made here: its files, then its manifest with their digests."""
        place, remote = self.place(call), self._remote(call)
        record = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
        digests = {}
        for name in record["files"]:
            content = (place / name).read_bytes()
            digests[name] = hashlib.sha256(content).hexdigest()
            self.bucket.write(remote / name, content)
        self.bucket.write(remote / MANIFEST, json.dumps(record | {_DIGESTS: digests}, indent=1).encode())

    def _fetch(self, call: Call, place: Path, record: dict[str, Any]) -> None:
        """Download a value, compare it with its digests, and publish it in the folder of this machine."""
        folder = place.with_name(f".{call.key}-{secrets.token_hex(4)}")
        try:
            for name, digest in record[_DIGESTS].items():
                content = self._fetched(call, name)
                if hashlib.sha256(content).hexdigest() != digest:
                    raise ArtifactError(f"{call!r}: {name} in {self.url} is not what was stored; remove {self._remote(call)}")
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            (folder / MANIFEST).write_text(json.dumps(record, indent=1), encoding="utf-8")
            publish(folder, place)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _fetched(self, call: Call, name: str) -> bytes:
        try:
            return self.bucket.read(self._remote(call) / name)
        except FileNotFoundError:
            raise ArtifactError(f"{call!r}: {name} is not in {self.url}; remove {self._remote(call)}") from None


def open_store(where: Where) -> Store:
    """Open a store of artifacts: a folder, or one in a bucket."""
    return Store(where) if isinstance(where, Path) else RemoteStore(where)


def _is_record(record: Any) -> bool:
    """Tell whether this is the manifest of a stored value, with names that stay below its own."""
    if not isinstance(record, dict):
        return False
    files, digests = record.get("files"), record.get(_DIGESTS)
    if not isinstance(files, dict) or not isinstance(digests, dict) or set(files) != set(digests):
        return False
    return all(name and ".." not in PurePosixPath(name).parts and not name.startswith("/") for name in digests)


def _written(place: Path) -> int:
    try:
        return (place / MANIFEST).stat().st_mtime_ns
    except OSError:
        return 0


@functools.lru_cache(maxsize=4096)
def _is_whole(place: Path, digests: tuple[tuple[str, str], ...], written: int) -> bool:
    """Tell whether the files of a value here have these digests; looked at once in a process."""
    try:
        return written > 0 and all(hashlib.sha256((place / name).read_bytes()).hexdigest() == found for name, found in digests)
    except OSError:
        return False
