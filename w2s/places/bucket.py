"""A bucket of an S3 store: who asks (by the environment alone), where, how often it is tried again, and errors in one line."""

from __future__ import annotations

import contextlib
import errno
import io
import ipaddress
import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from w2s.errors import FieldError

if TYPE_CHECKING:
    from obstore.store import S3Store

__all__ = ["PlaceError", "RangeReader", "connected", "named_problems"]

_FIRST, _LONGEST, _TIMES = timedelta(milliseconds=100), timedelta(seconds=5), 12
"""A call that fails is tried again after 0.1 s, then after about twice as long, up to 5 s: about half a minute in all."""
_BASE = 4  # the client draws each wait from a range that ends at four times the one before: on average, it doubles
_IDENTITY = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
_IN_HEADERS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION")
_TAIL = 1 << 16  # a footer, and all of a small part


class PlaceError(OSError):
    """A bucket that refuses or does not answer; ``strerror`` is one line for people."""


def connected(bucket: str) -> S3Store:
    """Open a bucket with the credentials of the environment; nothing is asked over the network yet.

    ``AWS_ENDPOINT_URL_S3`` or ``AWS_ENDPOINT_URL`` names another store than Amazon's. Raises :class:`w2s.errors.FieldError`
    without credentials, for an endpoint without TLS that is not on this machine, and where obstore is not installed.
    """
    try:
        from obstore.store import S3Store
    except ImportError:
        raise FieldError("object stores need the package obstore: pip install 'w2s-sweep[s3]'") from None
    endpoint = _endpoint(os.environ)
    for name in _IN_HEADERS:
        if any(letter.isspace() or not letter.isprintable() for letter in os.environ.get(name, "")):
            raise FieldError(f"{name} holds white space or a letter that cannot be printed")
    if not _signs(os.environ):
        raise FieldError(
            "object stores take credentials from the environment: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
            "(or AWS_SKIP_SIGNATURE=true for a public bucket)"
        )
    return S3Store(
        bucket,
        endpoint=endpoint,
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        client_options={"allow_http": bool(endpoint and endpoint.startswith("http://"))},
        retry_config={
            "max_retries": _TIMES,
            "backoff": {"init_backoff": _FIRST, "max_backoff": _LONGEST, "base": _BASE},
            "retry_timeout": timedelta(seconds=60),
        },
    )


def _endpoint(environment: Mapping[str, str]) -> str | None:
    """Return the endpoint that the environment names; refuse one that would send data over a network in the clear."""
    url = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    if not url:
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or any(letter.isspace() or not letter.isprintable() for letter in url):
        raise FieldError("AWS_ENDPOINT_URL is no http(s) URL")
    if parts.username or parts.password:
        raise FieldError("AWS_ENDPOINT_URL holds a password; credentials go to AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if parts.scheme == "http" and not _is_loopback(host):
        raise FieldError(f"AWS_ENDPOINT_URL: {url!r} has no TLS; http:// is for a store on this machine alone, write https://")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _signs(environment: Mapping[str, str]) -> bool:
    """Tell whether the environment says who asks: without, the client would look for a machine role on the network."""
    keys = environment.get("AWS_ACCESS_KEY_ID") and environment.get("AWS_SECRET_ACCESS_KEY")
    unsigned = environment.get("AWS_SKIP_SIGNATURE", "").lower() in ("1", "true")
    return bool(keys or unsigned or any(environment.get(name) for name in _IDENTITY))


@contextlib.contextmanager
def named_problems(name: object) -> Iterator[None]:
    """Turn errors of the client into :class:`PlaceError` with one line; FileNotFoundError and failed conditions pass."""
    from obstore import exceptions

    try:
        yield
    except FileNotFoundError as problem:
        if "NoSuchBucket" in str(problem):
            raise PlaceError(errno.ENOENT, "the store has no such bucket", str(name)) from None
        raise FileNotFoundError(errno.ENOENT, "the store has no such object", str(name)) from None
    except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
        raise
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError):
        raise PlaceError(errno.EACCES, "the store refuses access with the credentials of the environment", str(name)) from None
    except (exceptions.BaseError, OSError) as problem:
        raise PlaceError(errno.EIO, _one_line(str(problem)), str(name)) from None
    except ValueError as problem:  # a name that no object can have, in a record that somebody else wrote
        raise PlaceError(errno.EINVAL, _one_line(str(problem)), str(name)) from None


def _one_line(text: str) -> str:
    """Return what the client says, without the answer's XML and its own internals."""
    if "NoSuchBucket" in text:
        return "the store has no such bucket"
    if "AccessDenied" in text or "InvalidAccessKeyId" in text or "SignatureDoesNotMatch" in text:
        return "the store refuses access with the credentials of the environment"
    first = (text.splitlines() or ["no answer"])[0].partition("<?xml")[0].rstrip(": ")
    return first if len(first) <= 300 else f"{first[:300]}..."


class RangeReader(io.RawIOBase):
    """An object as a file that can be read in parts: its end at once, the rest when it is asked for."""

    def __init__(self, store: S3Store, key: str, name: object) -> None:
        super().__init__()
        self._store, self._key, self._name = store, key, name
        self._place = 0
        with named_problems(name):
            import obstore

            self._meta = obstore.head(store, key)
            size = self._meta["size"]
            self._start = max(0, size - _TAIL)
            self._tail = self._get(self._start, size) if size else b""
        self.size = int(size)

    def _get(self, start: int, end: int) -> bytes:
        """Read bytes of the object as it was when it was opened."""
        import obstore

        options: Any = {"range": (start, end), "if_match": self._meta["e_tag"]}
        try:
            return bytes(obstore.get(self._store, self._key, options=options).bytes())
        except obstore.exceptions.PreconditionError:
            raise PlaceError(errno.EBUSY, "it was written again while it was read", str(self._name)) from None

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to another place."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        """Read bytes from here on. Raises :class:`PlaceError`."""
        end = self.size if size is None or size < 0 else min(self.size, self._place + size)
        start, self._place = self._place, max(self._place, end)
        if start >= end:
            return b""
        if start >= self._start:
            return self._tail[start - self._start : end - self._start]
        with named_problems(self._name):
            return self._get(start, end)
