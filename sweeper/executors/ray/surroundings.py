"""What a local Ray cluster needs from its surroundings, and which cluster the environment names. Ray is not imported here.

Ray's sockets lie in its temporary folder under a long name, and the system allows 107 bytes for the path of a socket: in a
folder such as batch systems make for a job, nothing starts. With too few open files Ray waits without end.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sweeper.errors import RunError

__all__ = [
    "FEWEST_FILES",
    "allow_files",
    "cluster_address",
    "file_limit_problem",
    "room_for_sockets",
    "temporary_folder_problem",
]

FEWEST_FILES = 256
"""Open files that a small cluster was seen to work with; it hangs with 64."""

_MANY_FILES = 4096
_LONGEST_FOLDER = 38  # 107 bytes, less /ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store
_LEAST_BYTES = 64 * 2**20
_ELSEWHERE = ("/tmp", "/var/tmp", "/dev/shm")


def cluster_address(written: str | None) -> str | None:
    """Return the address of the cluster to join: the one that is written, else ``RAY_ADDRESS``; None starts a cluster here.

    ``local`` means a cluster of its own, whatever the environment says.
    """
    address = written or os.environ.get("RAY_ADDRESS") or None
    return None if address == "local" else address


def allow_files() -> None:
    """Raise this process's limit of open files as far as it may. Raises :class:`RunError` where that is too low for Ray."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MANY_FILES if hard == resource.RLIM_INFINITY else min(_MANY_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if problem := file_limit_problem():
        raise RunError(problem)


def file_limit_problem() -> str:
    """Say why Ray would hang with the files that this process may open, or return an empty string."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(soft, hard) if resource.RLIM_INFINITY not in (soft, hard) else FEWEST_FILES
    if most >= FEWEST_FILES:
        return ""
    return (
        f"Ray needs {FEWEST_FILES} open files or more and this process may open {most}: raise the limit (ulimit -n 4096), "
        "or run with --executor processes or inline"
    )


@contextlib.contextmanager
def room_for_sockets() -> Iterator[str | None]:
    """Yield a folder for Ray's sockets and logs where its default one will not do, else None; remove it at the end.

    Raises :class:`RunError` where no folder is short enough and has room.
    """
    if not temporary_folder_problem(_default_folder()):
        yield None
        return
    for place in _ELSEWHERE:
        if not temporary_folder_problem(place):
            folder = tempfile.mkdtemp(prefix="w2s-", dir=place)
            try:
                with _as_tmpdir(folder):  # servers of the cluster make sockets of their own there
                    yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return
    raise RunError(
        f"{temporary_folder_problem(_default_folder())}; set RAY_TMPDIR to a folder with a short name and 64 MiB of room, "
        "or run with --executor processes or inline"
    )


@contextlib.contextmanager
def _as_tmpdir(folder: str) -> Iterator[None]:
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = folder
    try:
        yield
    finally:
        os.environ.pop("TMPDIR")
        if before is not None:
            os.environ["TMPDIR"] = before


def temporary_folder_problem(place: str | None = None) -> str:
    """Say why a folder (default: the one that Ray would take) cannot hold Ray's sockets, or return an empty string."""
    place = place or _default_folder()
    if len(os.fsencode(place)) > _LONGEST_FOLDER:
        return f"the temporary folder {place} has too long a name for Ray's sockets ({_LONGEST_FOLDER} bytes at most)"
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return f"the temporary folder {place} cannot be used: {error.strerror}"
    if free < _LEAST_BYTES:
        return f"the temporary folder {place} is full ({free / 2**20:.0f} MiB free)"
    return "" if os.access(place, os.W_OK | os.X_OK) else f"the temporary folder {place} cannot be written"


def _default_folder() -> str:
    """Return the folder in which Ray makes its own: as the environment says, else /tmp."""
    return str(Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp").absolute())
