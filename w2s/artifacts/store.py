"""Where finished artifacts lie: one folder per key, published whole, computed by one process at a time.

    STORE/<2 digits>/<key>/artifact.json    what it is: function, version, arguments, inputs, seconds, digests of its files
    STORE/<2 digits>/<key>/...              its files (safetensors, Arrow, JSON)
    STORE/scratch/<key>/                    what an unfinished call keeps for its next attempt (checkpoints), and how far it is
    STORE/damaged/<key>-<digits>/           values that were not as they were written, until `remove_unused`
    STORE/leases/<key>                      held while a process computes
    STORE/runs/<hash>.json                  which keys a run uses
    STORE/leases/runs                       held while a run is noted, and while what no run uses is removed

A lease is a lock of the operating system, freed when its holder ends in whatever way, so there are no stale ones to break.
"""

from __future__ import annotations

import errno
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
from w2s.artifacts.manifest import MANIFEST, ManifestError, check_value, is_key, read_manifest, write_manifest
from w2s.artifacts.steps import Steps, read_steps
from w2s.errors import FieldError, first_line
from w2s.files.durable import publish
from w2s.files.lock import hold, try_hold
from w2s.files.regular import read_regular
from w2s.places.known import place_of
from w2s.places.url import Where, where_of

__all__ = ["ArtifactError", "Store", "Work", "parse_note", "run_note", "silent"]

_RUNS = "runs"
_MOST = 1 << 26


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
        """Tell whether the value is there, whole: its files are compared with their digests, once in a process."""
        try:
            check_value(self.place(call))
        except (OSError, ManifestError):
            return False
        return True

    def get(self, call: Call) -> Path:
        """Return the folder of a finished value; raise :class:`ArtifactError` when there is none, or it is damaged."""
        try:
            check_value(self.place(call))
        except OSError:
            raise ArtifactError(f"{call!r} is not in {self.path}") from None
        except ManifestError as error:
            raise ArtifactError(f"{call!r} in {self.path} is damaged: {error}; a launch makes it again") from None
        return self.place(call)

    def manifest(self, call: Call) -> dict[str, Any]:
        """Return the record of a finished value."""
        return read_manifest(self.get(call))

    def steps(self, key: str) -> Steps | None:
        """Say how far the call of a key is, where it is being made and tells."""
        return read_steps(self.path / "scratch" / key)

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
                self._set_aside(call, note)
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
        """Return the keys in use, by run folder, for the runs that still exist.

        Raises :class:`ArtifactError` for a note that is damaged, since nobody knows what its run uses, and for a run that
        cannot be reached, since nobody knows whether it is gone.
        """
        found = {}
        for note in sorted((self.path / _RUNS).glob("*.json")):
            run, keys = _read_note(note)
            if _exists(run, note):
                found[run] = keys
        return found

    def keys(self) -> Iterator[str]:
        """Yield the keys of all finished values."""
        for manifest in self.path.glob(f"??/*/{MANIFEST}"):
            if is_key(manifest.parent.name):
                yield manifest.parent.name

    def manifests(self) -> Iterator[dict[str, Any]]:
        """Yield the record of every finished value, with its ``key``; of one whose record is damaged, ``key`` and ``fault``."""
        for key in self.keys():
            try:
                yield read_manifest(self.path / key[:2] / key) | {"key": key}
            except (OSError, ManifestError) as error:
                yield {"key": key, "fault": str(error)}

    def remove_unused(self, keep: Collection[str] = ()) -> tuple[int, int]:
        """Remove finished values and scratch that no existing run uses and whose key is not in ``keep``.

        Returns how many values were removed, and their bytes. Values that are being computed stay. A launch that wants to
        register waits until this is done.
        """
        with hold(self._lease(_RUNS)):
            used = set(keep).union(*self.in_use().values())
            places = [*self.path.glob("??/*"), *self.path.glob("scratch/*"), *self.path.glob("damaged/*")]
            removed = [self._remove(folder, used) for folder in places]
        return sum(count for count, _ in removed), sum(size for _, size in removed)

    def _remove(self, folder: Path, used: Collection[str]) -> tuple[int, int]:
        """Remove the folder of a value, or what a killed process left, unless it is used.

        Returns how many values were removed, and their bytes.
        """
        left = folder.name.startswith(".") or folder.parent.name == "damaged"  # by a process that was killed, or set aside
        key = folder.name.lstrip(".").partition("-")[0] if left else folder.name
        if not is_key(key) or folder.is_symlink() or not folder.is_dir() or (key in used and not left):
            return 0, 0  # in use, or nothing that a store makes
        with try_hold(self._lease(key)) as held:
            if not held:
                return 0, 0
            size = sum(item.stat().st_size for item in _files(folder))
            # Renamed first: what is half removed, should this process be killed, must not pass for a value.
            gone = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
            folder.replace(gone)
            shutil.rmtree(gone)
        return int(not left and folder.parent.name != "scratch"), size

    def _set_aside(self, call: Call, note: Callable[[str], None]) -> None:
        """Move what lies at the place of a call and is no whole value out of the way."""
        place = self.place(call)
        if not place.is_symlink() and not (place / MANIFEST).exists():
            return  # never finished
        try:
            check_value(place)
        except ManifestError as error:
            found = str(error)
        except OSError as error:
            found = f"{error.filename or place}: {error.strerror or error}"
        else:
            return  # readable again by now
        aside = self.path / "damaged" / f"{call.key}-{secrets.token_hex(4)}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        place.replace(aside)
        note(f"{call!r} cannot be used ({found}) and is set aside in {aside}; it is made again")

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
            "flops": call.flops,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "python": platform.python_version(),
            "machine": platform.machine(),
        }
        write_manifest(folder, content)

    def _lease(self, key: str) -> Path:
        """Return the lock file of a key."""
        return self.path / "leases" / key


def run_note(run: Where, keys: Iterable[str]) -> tuple[str, bytes]:
    """Return name and content of the file in which a store keeps what a run uses."""
    name = hashlib.blake2b(str(run.resolve()).encode(), digest_size=8).hexdigest()
    return f"{name}.json", json.dumps({"run": str(run.resolve()), "keys": sorted(set(keys))}).encode()


def parse_note(content: bytes, name: object) -> tuple[str, set[str]]:
    """Return run and keys of such a file. Raises :class:`ArtifactError` for anything else than what a store wrote."""
    try:
        found = json.loads(content)
        run, keys = found["run"], found["keys"]
        if isinstance(run, str) and isinstance(keys, list) and all(isinstance(key, str) for key in keys):
            return run, set(keys)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise ArtifactError(
        f"{name}, which says what a run uses, is damaged; launch that run again, or remove this file if the run is gone"
    )


def _read_note(note: Path) -> tuple[str, set[str]]:
    try:
        content = read_regular(note, _MOST)
    except (OSError, ValueError):
        content = b""
    return parse_note(content, note)


def _exists(run: str, note: object) -> bool:
    """Tell whether a run is there; raise :class:`ArtifactError` where that cannot be told: no right to look, no answer."""
    try:
        place = where_of(run)
    except FieldError:
        return False  # nothing that a run can be called
    try:
        return place_of(place).exists(place / "grid.yaml")
    except (OSError, FieldError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            return False
        reason = f"cannot tell whether the run {run} still exists, whose artifacts are here: {first_line(error)}"
        raise ArtifactError(f"{reason}; remove {note} if it is gone") from None
    except ValueError:
        return False  # a name with a null character


def _files(folder: Path) -> list[Path]:
    return sorted(item for item in folder.rglob("*") if item.is_file())
