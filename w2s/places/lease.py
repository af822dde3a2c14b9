"""A lock in an object store: an object that says who holds it, written on conditions, and renewed while its holder lives.

A system's lock is freed when its holder ends; an object stays. So a lease has to be renewed, and one that nobody renews may be
taken. Nobody compares clocks of two machines: who waits watches the object, and takes it over when it has not changed for the
whole time of a lease. A holder that was killed on the same machine is recognised at once, by its process number and start time.

Every content is written once only (it holds a random word), so an unchanged entity tag means an unchanged lease. A write whose
answer was lost is recognised by reading.
"""

from __future__ import annotations

import _thread
import contextlib
import errno
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2s.files.lock import LockError, locks_are_off
from w2s.places.bucket import PlaceError, named_problems
from w2s.places.url import Url

if TYPE_CHECKING:
    from obstore.store import S3Store

__all__ = ["SECONDS", "check_leases", "is_leased", "lease"]

SECONDS = 30.0
"""How long a lease holds without being renewed; ``W2S_LEASE_SECONDS`` sets another time."""
_HELD: dict[Url, _Lease] = {}


@dataclass(frozen=True)
class _Seen:
    """What stands in the object, and its entity tag."""

    content: dict[str, Any]
    tag: str

    @property
    def free(self) -> bool:
        """Whether nobody holds it: given back, or its holder ended on this machine."""
        holder = self.content.get("holder")
        return not isinstance(holder, dict) or _is_gone(holder)


@contextlib.contextmanager
def lease(store: S3Store, name: Url, waiting: Callable[[], object] | None = None) -> Iterator[None]:
    """Hold a lease while the context lasts; where another process has it, call ``waiting()`` once and wait until it is free.

    It is lost when this process was stopped or cut off for longer than a lease holds, and another took over. Then
    :func:`check_leases` raises, and a holder in the main thread is interrupted. Raises :class:`LockError` where the store knows
    no conditional writes, unless ``W2S_LOCKS=none``, and :class:`PlaceError` where it does not answer.
    """
    held = _Lease(store, name)
    try:
        held.acquire(waiting)
    except LockError:
        if not locks_are_off():
            raise
        yield
        return
    _HELD[name] = held
    try:
        with held.renewed():
            yield
    finally:
        del _HELD[name]
        held.give_back()


def check_leases(name: Url) -> None:
    """Raise :class:`PlaceError` where this process had a lease over this name, and has lost it."""
    for lock, held in list(_HELD.items()):  # another thread may take or give back a lease
        if name.bucket == lock.bucket and _covers(lock.key, name.key):
            held.check()


def _covers(lock: str, name: str) -> bool:
    """Tell whether a lease is over a name: over what lies in its folder; in a folder ``leases``, over what is called as it is.

    A store of artifacts has a lease for each key: STORE/leases/KEY is over STORE/../KEY/..., STORE/leases/runs over STORE/runs.
    """
    *above, own = lock.split("/")
    around = above[:-1] if above[-1:] == ["leases"] else above
    parts = name.split("/")
    inside = len(parts) > len(around) and parts[: len(around)] == around
    return inside and (around == above or own in parts[len(around) :])


def is_leased(store: S3Store, name: Url) -> bool:
    """Tell whether a process seems to hold a lease: by this machine's clock, so only for people."""
    seen = _read(store, name)
    return seen is not None and not seen.free and time.time() < float(seen.content.get("until", 0.0))


def _seconds() -> float:
    written = os.environ.get("W2S_LEASE_SECONDS") or SECONDS
    try:
        seconds = float(written)
    except ValueError:
        seconds = 0.0
    if not 1.0 <= seconds <= 3600.0:
        raise PlaceError(errno.EINVAL, f"W2S_LEASE_SECONDS: {written!r} is no number of seconds from 1 to 3600")
    return seconds


class _Lease:
    """One lease, from the process that holds it or wants to."""

    def __init__(self, store: S3Store, name: Url) -> None:
        self.store, self.name, self.seconds = store, name, _seconds()
        self.holder = {"word": secrets.token_hex(8), **_this_process()}
        self.tag = ""
        self.renewed_at = 0.0
        self.lost = False
        self._guard = threading.Lock()
        self._end = threading.Event()

    def acquire(self, waiting: Callable[[], object] | None) -> None:
        """Wait until the lease is free, or has not been renewed for its whole time, and take it."""
        watched, since, told = "", time.monotonic(), False
        while True:
            seen = _read(self.store, self.name)
            if seen is None or seen.free or (seen.tag == watched and time.monotonic() - since > self.seconds):
                if self._write(None if seen is None else seen.tag):
                    break
                continue
            if seen.tag != watched:
                watched, since = seen.tag, time.monotonic()
            if waiting is not None and not told:
                waiting()
                told = True
            time.sleep(min(1.0, self.seconds / 10))
        if self._put("create", self._content()) is not None:
            raise LockError(
                errno.ENOLCK,
                "its store ignores conditions (If-None-Match), which keep two launches apart; use another one, or set "
                "W2S_LOCKS=none and start one launch at a time",
            )

    @contextlib.contextmanager
    def renewed(self) -> Iterator[None]:
        """Keep the lease by renewing it in a thread while the context lasts."""
        mine = threading.current_thread() is threading.main_thread()
        thread = threading.Thread(target=self._keep, args=(mine,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._end.set()
            thread.join(timeout=self.seconds)

    def _keep(self, interrupts: bool) -> None:
        while not self._end.wait(self.seconds / 3):
            with contextlib.suppress(PlaceError):
                self.renew()
            if self.lost and not self._end.is_set():
                if interrupts:
                    _thread.interrupt_main()
                return

    def renew(self) -> None:
        """Write the lease again; note that it is lost where another process has it. Raises :class:`PlaceError`."""
        with self._guard:
            if not self.lost and not self._write(self.tag):
                self.lost = True

    def check(self) -> None:
        """Raise :class:`PlaceError` where the lease is lost; one that is about to end is renewed first."""
        if not self.lost and time.monotonic() - self.renewed_at > self.seconds / 2:
            self.renew()
        if self.lost:
            raise PlaceError(
                errno.ESTALE, "another launch has taken over, since this one did not renew its lease", str(self.name)
            )

    def give_back(self) -> None:
        """Write that nobody holds the lease. What cannot be written any more runs out by itself."""
        with contextlib.suppress(PlaceError), self._guard:
            if not self.lost:
                self._put(self.tag, {"word": secrets.token_hex(8)})

    def _content(self) -> dict[str, Any]:
        return {"holder": self.holder, "until": round(time.time() + self.seconds, 3), "word": secrets.token_hex(8)}

    def _write(self, tag: str | None) -> bool:
        """Write the lease where the object still has this tag (None: where there is none); return whether it is held now."""
        start = time.monotonic()
        written = self._put("create" if tag is None else tag, self._content())
        if written is None:  # refused; or written at the first attempt, of which the answer was lost
            seen = _read(self.store, self.name)
            if seen is None or seen.content.get("holder") != self.holder:
                return False
            written = seen.tag
        self.tag, self.renewed_at = written, start
        return True

    def _put(self, condition: str, content: dict[str, Any]) -> str | None:
        """Write the object on a condition: ``create``, or the tag that it has; return its tag, None where it did not hold."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, NotSupportedError, PreconditionError

        mode: Any = "create" if condition == "create" else {"e_tag": condition}
        try:
            with named_problems(self.name):
                return obstore.put(self.store, self.name.key, json.dumps(content).encode(), mode=mode)["e_tag"]
        except (AlreadyExistsError, PreconditionError, FileNotFoundError):
            return None
        except NotSupportedError:
            raise LockError(errno.ENOLCK, "its store has no conditional writes; set W2S_LOCKS=none") from None


def _read(store: S3Store, name: Url) -> _Seen | None:
    import obstore

    try:
        with named_problems(name):
            found = obstore.get(store, name.key)
            written = bytes(found.bytes())
    except FileNotFoundError:
        return None
    try:
        content = json.loads(written)
    except ValueError:
        content = {}
    return _Seen(content if isinstance(content, dict) else {}, str(found.meta["e_tag"]))


def _this_process() -> dict[str, Any]:
    """Return what tells this process from every other one, on this machine and elsewhere."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "machine": _machine(), "started": _started(os.getpid())}


def _machine() -> str:
    """Name this start of this machine, and the numbering of processes that a container may have of its own."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return when a process began, in ticks since the start of the machine; empty where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (OSError, ValueError):
        return ""
    state, *rest = text.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]


def _is_gone(holder: dict[str, Any]) -> bool:
    """Tell whether a holder was a process of this machine and has ended; False where that cannot be known."""
    here, pid = _machine(), holder.get("pid")
    if not here or holder.get("machine") != here or not isinstance(pid, int):
        return False
    return _started(pid) != holder.get("started")
