"""Where finished artifacts lie: one folder per key, published whole, computed by one process at a time.

    STORE/<2 digits>/<key>/artifact.json    what it is: function, version, arguments, inputs, seconds, libraries
    STORE/<2 digits>/<key>/...              its files (safetensors, Arrow, JSON)
    STORE/scratch/<key>/                    what an unfinished call keeps for its next attempt (checkpoints)
    STORE/leases/<key>                      held while a process computes
    STORE/runs/<hash>.json                  which keys a run uses
    STORE/leases/runs                       held while a run is noted, and while what no run uses is removed

A lease is a lock of the operating system, freed when its holder ends in whatever way, so there are no stale ones to break.
"""

from __future__ import annotations

import hashlib
import json
import platform
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from w2s.artifacts.call import Call
from w2s.artifacts.graph import in_order
from w2s.files.durable import publish
from w2s.files.lock import hold, try_hold
from w2s.places.known import place_of
from w2s.places.url import Where, where_of

__all__ = ["MANIFEST", "ArtifactError", "Store", "Work", "run_note", "silent"]

MANIFEST = "artifact.json"
"""The record of a finished value, written last."""
_RUNS = "runs"


class ArtifactError(RuntimeError):
    """A call that failed, or a value that is not in the store; the message names the call."""


def silent(_text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Work:
    """What an artifact function is given besides its arguments.

    ``folder`` is empty and becomes the value; ``scratch`` outlives a killed attempt and goes when the value is published;
    ``note`` tells a person something.
    """

    folder: Path
    scratch: Path
    note: Callable[[str], None] = field(default=silent)


class Store:
    """Finished artifacts on a file system, shared by runs."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def where(self) -> Where:
        """The name by which others find it."""
        return self.path

    def is_there(self) -> bool:
        """Tell whether this is a store that runs have used."""
        return (self.path / _RUNS).is_dir()

    def place(self, call: Call) -> Path:
        """Return the folder where the value of a call is, or will be."""
        return self.path / call.key[:2] / call.key

    def has(self, call: Call) -> bool:
        """Tell whether the value is there, whole."""
        place = self.place(call)
        try:
            files = json.loads((place / MANIFEST).read_text(encoding="utf-8"))["files"]
            return all((place / name).stat().st_size == size for name, size in files.items())
        except (OSError, ValueError, KeyError):
            return False

    def get(self, call: Call) -> Path:
        """Return the folder of a finished value; raise :class:`ArtifactError` when there is none."""
        if not self.has(call):
            raise ArtifactError(f"{call!r} is not in {self.path}")
        return self.place(call)

    def manifest(self, call: Call) -> dict[str, Any]:
        """Return the record of a finished value."""
        return dict(json.loads((self.get(call) / MANIFEST).read_text(encoding="utf-8")))

    def missing(self, calls: Iterable[Call]) -> list[Call]:
        """List the calls still to be made, inputs first. A call that only finished values need is left out."""
        return in_order(calls, self.has)

    def compute(self, call: Call, note: Callable[[str], None] = silent) -> Path:
        """Make a call whose inputs are finished, unless another process does or did; return the folder of its value.

        Waits while another process holds the call's lease. Raises whatever the function raises; then nothing is published, and
        ``scratch`` stays for the next attempt.
        """
        with hold(self._lease(call.key), lambda: note(f"{call!r} is being computed by another process; waiting for it")):
            if not self.has(call):
                self._run(call, note)
        return self.place(call)

    def ensure(self, call: Call, note: Callable[[str], None] = silent) -> Path:
        """Make a call and everything it needs, one after another, in this process."""
        for needed in self.missing([call]):
            self.compute(needed, note)
        return self.get(call)

    def register(self, run: Where, keys: Iterable[str]) -> None:
        """Record which values a run uses, so that :meth:`in_use` knows them; a later record of the same run replaces it.

        A running :meth:`remove_unused` is waited for, and later ones know the run: a value that exists after this call stays.
        """
        place = self.path / _RUNS
        place.mkdir(parents=True, exist_ok=True)
        name, content = run_note(run, keys)
        partial = place / f".{name}-{secrets.token_hex(4)}"
        partial.write_bytes(content)
        with hold(self._lease(_RUNS)):
            partial.replace(place / name)

    def in_use(self) -> dict[str, set[str]]:
        """Return the keys in use, by run folder, for the runs that still exist."""
        found = {}
        for note in sorted((self.path / _RUNS).glob("*.json")):
            content = json.loads(note.read_text(encoding="utf-8"))
            run = where_of(content["run"])
            if place_of(run).exists(run / "grid.yaml"):
                found[content["run"]] = set(content["keys"])
        return found

    def keys(self) -> Iterator[str]:
        """Yield the keys of all finished values."""
        for manifest in self.path.glob(f"??/*/{MANIFEST}"):
            yield manifest.parent.name

    def manifests(self) -> Iterator[dict[str, Any]]:
        """Yield the record of every finished value, with its ``key``."""
        for manifest in self.path.glob(f"??/*/{MANIFEST}"):
            yield {"key": manifest.parent.name, **json.loads(manifest.read_text(encoding="utf-8"))}

    def remove_unused(self, keep: Collection[str] = ()) -> tuple[int, int]:
        """Remove finished values and scratch that no existing run uses and whose key is not in ``keep``.

        Returns how many values were removed, and their bytes. Values that are being computed stay. A launch that wants to
        register waits until this is done.
        """
        with hold(self._lease(_RUNS)):
            used = set(keep).union(*self.in_use().values())
            removed = [self._remove(folder, used) for folder in [*self.path.glob("??/*"), *self.path.glob("scratch/*")]]
        return sum(count for count, _ in removed), sum(size for _, size in removed)

    def _remove(self, folder: Path, used: Collection[str]) -> tuple[int, int]:
        """Remove the folder of a value, or what a killed process left, unless it is used.

        Returns how many values were removed, and their bytes.
        """
        left = folder.name.startswith(".")  # by a process that was killed
        key = folder.name[1:].partition("-")[0] if left else folder.name
        if not folder.is_dir() or (key in used and not left):
            return 0, 0
        with try_hold(self._lease(key)) as held:
            if not held:
                return 0, 0
            size = sum(item.stat().st_size for item in _files(folder))
            # Renamed first: what is half removed, should this process be killed, must not pass for a value.
            gone = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
            folder.replace(gone)
            shutil.rmtree(gone)
        return int(not left and folder.parent.name != "scratch"), size

    def _run(self, call: Call, note: Callable[[str], None]) -> None:
        place = self.place(call)
        place.parent.mkdir(parents=True, exist_ok=True)
        for leftover in place.parent.glob(f".{call.key}-*"):
            shutil.rmtree(leftover)
        folder = place.with_name(f".{call.key}-{secrets.token_hex(4)}")
        scratch = self.path / "scratch" / call.key
        folder.mkdir()
        scratch.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        try:
            call.artifact.function(Work(folder, scratch, note), **call.with_folders(self.get))
            self._seal(call, folder, time.perf_counter() - start)
            publish(folder, place)  # where something is there already, it has no whole manifest: no value
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(scratch, ignore_errors=True)

    def _seal(self, call: Call, folder: Path, seconds: float) -> None:
        """Write the manifest of a finished value."""
        content = {
            "function": call.artifact.name,
            "version": call.artifact.version,
            "arguments": call.described,
            "inputs": [needed.key for needed in call.inputs],
            "seconds": round(seconds, 3),
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "python": platform.python_version(),
            "machine": platform.machine(),
            "files": {
                str(item.relative_to(folder)): item.stat().st_size for item in sorted(folder.rglob("*")) if item.is_file()
            },
        }
        (folder / MANIFEST).write_text(json.dumps(content, indent=1), encoding="utf-8")

    def _lease(self, key: str) -> Path:
        """Return the lock file of a key."""
        return self.path / "leases" / key


def run_note(run: Where, keys: Iterable[str]) -> tuple[str, bytes]:
    """Return name and content of the file in which a store keeps what a run uses."""
    name = hashlib.blake2b(str(run.resolve()).encode(), digest_size=8).hexdigest()
    return f"{name}.json", json.dumps({"run": str(run.resolve()), "keys": sorted(set(keys))}).encode()


def _files(folder: Path) -> list[Path]:
    return sorted(item for item in folder.rglob("*") if item.is_file())
