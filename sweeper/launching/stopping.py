"""A launch that is ended from elsewhere: by a file in its run folder, which it looks for.

No process is looked up and none is killed by number: the launch ends itself, as at SIGTERM, and the same launch resumes. So
it makes no difference on which machine of a shared folder, or of a bucket, the wish is spoken.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from sweeper.errors import RunError, StoreError
from sweeper.folder.run_folder import RunFolder
from w2s.places.url import Where

__all__ = ["ask_to_stop", "stoppable"]

_FILE = ".stop"
_LOOK_SECONDS, _LOOK_SECONDS_FAR = 1.0, 15.0
"""How often a launch looks: in a folder, in an object store."""


@contextlib.contextmanager
def stoppable(folder: RunFolder) -> Iterator[None]:
    """End the launch inside as SIGTERM would, once somebody asks for it; the caller holds the folder's lock.

    A wish that an earlier launch has not seen is forgotten. In another thread than the main one signals are not heard, and
    nothing is looked for.
    """
    _forget(folder)
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ended, ending = threading.Event(), threading.Lock()
    looking = threading.Thread(target=_look, args=(folder, ended, ending), name="w2s-stop", daemon=True)
    looking.start()
    try:
        yield
    finally:
        with ending:  # no signal is sent once the caller may have left its handlers
            ended.set()


def ask_to_stop(run: Where | str, seconds: float) -> bool:
    """Ask the launch that holds a run folder to end, wait for that at most so long, and tell whether it has ended.

    Raises :class:`RunError` where no launch is at work.
    """
    folder = RunFolder.existing(run)
    if not folder.is_locked():
        raise RunError(f"no launch is at work in {run}")
    folder.write(folder.path / _FILE, b"end this launch\n")
    last = time.monotonic() + seconds
    while folder.is_locked():
        if time.monotonic() >= last:
            return False
        time.sleep(0.1)
    _forget(folder)
    return True


def _look(folder: RunFolder, ended: threading.Event, ending: threading.Lock) -> None:
    """Look for the file until the launch has ended, or the wish is there."""
    pause = _LOOK_SECONDS if isinstance(folder.path, Path) else _LOOK_SECONDS_FAR
    while not ended.wait(pause):
        with contextlib.suppress(OSError):  # a place that cannot be seen now: look again
            if folder.place.exists(folder.path / _FILE):
                _forget(folder)
                with contextlib.suppress(StoreError):
                    folder.event("stop")
                with ending:
                    if not ended.is_set() and (main := threading.main_thread().ident) is not None:
                        signal.pthread_kill(main, signal.SIGTERM)
                return


def _forget(folder: RunFolder) -> None:
    with contextlib.suppress(OSError):
        folder.place.remove(folder.path / _FILE)
