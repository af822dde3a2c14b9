"""Whether a Ray cluster is at an address, found out in seconds: Ray itself tries for minutes and then ends the process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from sweeper.errors import RunError

__all__ = ["check_address"]

_SECONDS = 5.0
"""How long a server may take to accept a connection, and to say that it speaks gRPC."""
_LONGEST = 30.0
"""How long a gRPC server may take to answer as Ray's head node does; on a busy machine importing Ray alone takes seconds."""
_WITHOUT = "to run without Ray: --executor processes or --executor inline"
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS = 4
_ASK = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1])"


def check_address(address: str) -> None:
    """Raise :class:`RunError`, in one line, where ``address`` is no place of a Ray cluster or nothing there answers as one."""
    if "://" in address and not address.startswith("ray://"):
        raise RunError(
            f"{address} is no address of a Ray cluster (that of its dashboard, for ray job submit?); "
            "write HOST:PORT of the head node, or ray://HOST:PORT"
        )
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():  # names such as auto, which Ray knows
        return
    try:
        speaks = _speaks_http2(host.strip("[]"), int(port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RunError(f"Ray could not reach or start {address}: nothing answers there ({reason}); {_WITHOUT}") from None
    if not speaks or (not address.startswith("ray://") and not _answers(address)):
        raise RunError(
            f"Ray could not reach or start {address}: what answers there is no Ray cluster; write HOST:PORT of its head node"
        )


def _speaks_http2(host: str, port: int) -> bool:
    """Tell whether a server begins as gRPC servers do, with a frame of settings. Raises OSError where none listens."""
    if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
        socket.create_connection((host, port), timeout=_SECONDS).close()
        return True
    with socket.create_connection((host, port), timeout=_SECONDS) as connection:
        answer = b""
        try:
            connection.sendall(_PREFACE)
            while len(answer) < 9 and (more := connection.recv(9 - len(answer))):
                answer += more
        except OSError:
            return False
    return len(answer) == 9 and answer[3] == _SETTINGS


def _answers(address: str) -> bool:
    """Ask for the identity of the cluster in another process, which can be ended; only one that never answers is no cluster."""
    command = [sys.executable, "-c", _ASK, address]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LONGEST, check=False)
    except subprocess.TimeoutExpired:
        return False
    return True
