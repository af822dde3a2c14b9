"""A bucket of an S3 store as a place for runs.

A file is one PUT: whole or not there. Objects cannot grow, so a journal is a folder of batches: `events.jsonl` lies in
`events/<time>-<word>.jsonl`. A batch is written at once at first, then after ever longer times (a twentieth of the age of the
launch), and at the end of the lock, so a long launch leaves some hundred of them. A killed launch loses the last batch.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from w2s.places.base import Place
from w2s.places.bucket import PlaceError, RangeReader, connected, named_problems
from w2s.places.lease import check_leases, is_leased, lease
from w2s.places.url import Url

if TYPE_CHECKING:
    from obstore.store import S3Store

__all__ = ["Objects", "bucket_of"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_AT_ONCE = 16
_LEAST_SECONDS, _SHARE = 1.0, 0.05
_ONE_PUT = 1 << 30


@dataclass
class _Journal:
    """Lines that wait for their batch."""

    lines: list[str] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)
    written: float = float("-inf")

    @property
    def due(self) -> bool:
        """Whether the waiting lines should be written now."""
        now = time.monotonic()
        return now - self.written >= max(_LEAST_SECONDS, _SHARE * (now - self.begun))


class Objects(Place[Url]):
    """The objects of one bucket. Every write asks first whether this process has lost the lease of the run."""

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self._journals: dict[Url, _Journal] = {}
        self._guard = threading.Lock()

    def prepare(self, folder: Url) -> None:
        """Do nothing: there are no folders, and no half-written files."""

    def each(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Call a function for every item, several at a time."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(function, items))

    def files(self, folder: Url, prefix: str = "", suffix: str = "") -> list[Url]:
        """List objects directly below a name."""
        import obstore

        with named_problems(folder):
            found = obstore.list_with_delimiter(self._store, folder.key)["objects"]
        names = [str(item["path"]).rpartition("/")[2] for item in found]
        return [
            folder / name
            for name in sorted(names)
            if name.startswith(prefix) and name.endswith(suffix) and not name.startswith(".")
        ]

    def exists(self, name: Url) -> bool:
        """Tell whether there is an object of this name."""
        import obstore

        try:
            with named_problems(name):
                obstore.head(self._store, name.key)
        except FileNotFoundError:
            return False
        return True

    def is_folder(self, name: Url) -> bool:
        """Tell whether any object lies below this name."""
        import obstore

        with named_problems(name):
            return any(batch for batch in obstore.list(self._store, f"{name.key}/", chunk_size=1))

    def below(self, name: Url) -> list[Url]:
        """List all objects below a name, at any depth."""
        import obstore

        with named_problems(name):
            return sorted(
                Url(name.scheme, name.bucket, str(item["path"]))
                for batch in obstore.list(self._store, f"{name.key}/")
                for item in batch
            )

    def read(self, name: Url) -> bytes:
        """Read an object."""
        import obstore

        with named_problems(name):
            return bytes(obstore.get(self._store, name.key).bytes())

    def source(self, name: Url) -> pa.NativeFile:
        """Open an object for Arrow, which reads the parts of it that it needs."""
        return pa.PythonFile(RangeReader(self._store, name.key, name), mode="r")

    def write(self, name: Url, content: bytes | memoryview) -> None:
        """Write an object with one PUT."""
        import obstore

        check_leases(name)
        with named_problems(name):
            obstore.put(self._store, name.key, bytes(content), use_multipart=len(content) > _ONE_PUT)

    def remove(self, name: Url) -> None:
        """Remove an object that may be gone."""
        import obstore

        check_leases(name)
        with contextlib.suppress(FileNotFoundError), named_problems(name):
            obstore.delete(self._store, name.key)

    def move(self, name: Url, to: Url) -> None:
        """Copy an object to another name, then remove it."""
        import obstore

        check_leases(name)
        with named_problems(name):
            obstore.copy(self._store, name.key, to.key)
        self.remove(name)

    def modified(self, name: Url) -> float:
        """Return the store's time of the last write."""
        import obstore

        with named_problems(name):
            return float(obstore.head(self._store, name.key)["last_modified"].timestamp())

    def append(self, name: Url, line: str) -> None:
        """Add a line to the batch that waits, and write the batch when it is due."""
        check_leases(name)
        with self._guard:
            journal = self._journals.setdefault(name, _Journal())
            journal.lines.append(line)
            if journal.due:
                self._flush(name, journal)

    def lines(self, name: Url) -> list[str]:
        """Return the lines of all batches, after those of a journal in one object, which a copied run may have."""
        with self._guard:
            if name in self._journals:
                self._flush(name, self._journals[name])
        batches = [*([name] if self.exists(name) else []), *self.files(_batches(name), suffix=".jsonl")]
        return [line for content in self.each(self.read, batches) for line in content.decode(errors="replace").splitlines()]

    @contextlib.contextmanager
    def lock(self, name: Url, waiting: Callable[[], object] | None = None) -> Iterator[None]:
        """Hold a lease; at its end, write what the journals beside it have waiting."""
        with lease(self._store, name, waiting):
            try:
                yield
            finally:
                # What a journal loses here is no row; and after the lease is lost, nothing more may be written.
                with self._guard, contextlib.suppress(PlaceError):
                    for journal in [known for known in self._journals if known.parent == name.parent]:
                        self._flush(journal, self._journals.pop(journal))

    def is_locked(self, name: Url) -> bool:
        """Tell whether a lease seems to be held."""
        return is_leased(self._store, name)

    def _flush(self, name: Url, journal: _Journal) -> None:
        """Write the waiting lines of a journal as one batch."""
        if journal.lines:
            batch = _batches(name) / f"{time.time_ns():020d}-{secrets.token_hex(4)}.jsonl"
            self.write(batch, "".join(f"{line}\n" for line in journal.lines).encode())
            journal.lines.clear()
            journal.written = time.monotonic()


def _batches(name: Url) -> Url:
    """Return the folder of a journal's batches."""
    return name.with_name(name.stem)


def bucket_of(url: Url) -> Objects:
    """Return the bucket of a URL; one for each bucket, endpoint and key that the environment names."""
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_REGION", "AWS_DEFAULT_REGION")
    return _opened(url.bucket, tuple(os.environ.get(name, "") for name in names))


@functools.lru_cache(maxsize=16)
def _opened(bucket: str, _environment: Any) -> Objects:
    return Objects(connected(bucket))
