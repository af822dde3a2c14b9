"""Whether Ray is there, and what has to be in the environment before it is imported: its core reads that once, at import."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["has_ray", "prepare_ray_environment", "token_file"]

_made: dict[str, str] = {}


def has_ray() -> bool:
    """Tell whether Ray is installed, without importing it."""
    try:
        return importlib.util.find_spec("ray") is not None
    except (ImportError, ValueError):
        return False


def prepare_ray_environment(address: str | None) -> None:
    """Turn usage statistics off; keep a local cluster on the loopback address, behind a token that exists in memory only.

    Without a token anyone who reaches a port of the cluster could run code in it. A cluster at ``address`` has its own
    rules, and so has an environment that names ``RAY_AUTH_MODE``; neither is changed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Without this a task that asks for no GPU would still see all of them.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    # Ray's own handlers of signals would write traces on SIGTERM, and leave none behind when it shuts down: a second signal,
    # sent while it does, would end the launch in the middle.
    os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
    if address is None:
        # Ray's switch for systems without clusters. It makes 127.0.0.1 the node's address, and with it the address that every
        # server of the node listens on; an address given to ray.init is resolved to the machine's own one instead.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    if address is None and "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = _made["token"] = secrets.token_hex(32)


@contextlib.contextmanager
def token_file() -> Iterator[Path | None]:
    """Yield a file of mode 600 that holds the token made here, and remove it at the end; None where none was made.

    What a launch prints is often kept, as the log of a batch system, so the token is in no output.
    """
    token = os.environ.get("RAY_AUTH_TOKEN")
    if not token or token != _made.get("token"):
        yield None
        return
    descriptor, name = tempfile.mkstemp(prefix="w2s-ray-token-")
    try:
        os.write(descriptor, token.encode() + b"\n")
        os.close(descriptor)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
