"""A store of artifacts in a bucket, with a folder of this machine in which values are made and kept for reading.

    STORE/<2 digits>/<key>/...              as in a folder, and `artifact.json` is written last
    STORE/leases/<key>                      a lease (:mod:`w2s.places.lease`)
    STORE/runs/<hash>.json                  which keys a run uses

What is fetched is compared with its digests before it gets its name here. The folder of this machine may be removed when
nothing runs; `scratch` is in it and so serves only attempts on the same machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2s.artifacts.call import Call
from w2s.artifacts.manifest import MANIFEST, ManifestError, check_value, parse_manifest, read_manifest
from w2s.artifacts.store import ArtifactError, Store, parse_note, run_note, silent
from w2s.files.cache import cache_folder
from w2s.files.durable import publish
from w2s.files.lock import hold
from w2s.places.known import place_of
from w2s.places.url import Url, Where, where_of

if TYPE_CHECKING:
    from w2s.places.objects import Objects

__all__ = ["RemoteStore", "open_store"]


class RemoteStore(Store):
    """Finished artifacts in a bucket, shared by runs on any machine."""

    def __init__(self, url: Url) -> None:
        from w2s.places.objects import bucket_of

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
        return self._manifest(call) is not None

    def get(self, call: Call) -> Path:
        """Return a folder of this machine with a finished value, fetched if need be.

        Raises :class:`ArtifactError` where there is none, and where what was fetched is not what was stored.
        """
        manifest = self._manifest(call)
        if manifest is None:
            raise ArtifactError(f"{call!r} is not in {self.url}")
        place = self.place(call)
        if not _is_whole(place, manifest):
            with hold(self._lease(call.key)):  # of the processes of this machine one fetches
                if not _is_whole(place, manifest):
                    self._fetch(call, place, manifest)
        return place

    def compute(self, call: Call, note: Callable[[str], None] = silent) -> Path:
        """Make a call whose inputs are finished, unless another process does or did, and store its value."""

        def waiting() -> None:
            note(f"{call!r} is being computed by another process; waiting for it")

        with self.bucket.lock(self.url / "leases" / call.key, waiting):
            if not self.has(call):
                if not Store.has(self, call):  # it is here where an earlier attempt could not store it
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
            run, keys = parse_note(self.bucket.read(note), note)
            place = where_of(run)
            if isinstance(place, Path) or place_of(place).exists(place / "grid.yaml"):
                found[run] = keys
        return found

    def keys(self) -> Iterator[str]:
        """Yield the keys of all finished values."""
        for name in self._manifests():
            yield name.parent.name

    def manifests(self) -> Iterator[dict[str, Any]]:
        """Yield the record of every finished value, see :meth:`Store.manifests`."""
        names = self._manifests()
        for name, content in zip(names, self.bucket.each(self.bucket.read, names), strict=True):
            try:
                yield parse_manifest(content) | {"key": name.parent.name}
            except ManifestError as error:
                yield {"key": name.parent.name, "fault": str(error)}

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
                    content = self.bucket.read(name)
                    self.bucket.remove(name)  # first: without it, no reader takes the rest for a value
                    self.bucket.each(self.bucket.remove, self.bucket.below(name.parent))
                with contextlib.suppress(ManifestError):
                    size += sum(parse_manifest(content)["files"].values())
                count += 1
        return count, size

    def is_there(self) -> bool:
        """Tell whether the bucket has a store of this name."""
        return self.bucket.is_folder(self.url / "runs")

    def _manifests(self) -> list[Url]:
        return [name for name in self.bucket.below(self.url) if name.name == MANIFEST and len(name.parent.parent.name) == 2]

    def _remote(self, call: Call) -> Url:
        return self.url / call.key[:2] / call.key

    def _manifest(self, call: Call) -> bytes | None:
        """Read the record of a value; None where there is none that is whole."""
        try:
            content = self.bucket.read(self._remote(call) / MANIFEST)
            parse_manifest(content)
        except (FileNotFoundError, ManifestError):
            return None
        return content

    def _send(self, call: Call) -> None:
        """Store a value that was made here: its files, then its record."""
        place, remote = self.place(call), self._remote(call)
        for name in read_manifest(place)["files"]:
            self.bucket.write(remote / name, (place / name).read_bytes())
        self.bucket.write(remote / MANIFEST, (place / MANIFEST).read_bytes())

    def _fetch(self, call: Call, place: Path, manifest: bytes) -> None:
        """Download a value, compare it with its record, and publish it in the folder of this machine."""
        folder = place.with_name(f".{call.key}-{secrets.token_hex(4)}")
        try:
            for name in parse_manifest(manifest)["files"]:
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self._fetched(call, name))
            folder.mkdir(parents=True, exist_ok=True)
            (folder / MANIFEST).write_bytes(manifest)
            check_value(folder)
            publish(folder, place)
        except ManifestError as error:
            raise ArtifactError(f"{call!r} in {self.url} is damaged: {error}; remove {self._remote(call)}") from None
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


def _is_whole(place: Path, manifest: bytes) -> bool:
    """Tell whether the folder of this machine has the value with this record."""
    try:
        check_value(place)
        return (place / MANIFEST).read_bytes() == manifest
    except (OSError, ManifestError):
        return False
