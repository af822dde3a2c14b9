"""For tests of object stores: moto's server in a process of its own, and a proxy in front of it that fails some calls."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from workbench import PROVENANCE

from w2s.places.known import place_of, source_of
from w2s.places.url import Url, where_of

HOST, BUCKET = "127.0.0.1", "sweeps"
SERVER = """
import logging, sys, threading
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
logging.disable()
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.port, flush=True)
sys.stdin.read()
"""
"""One request at a time, so that a condition and its write are one step; ends when its standard input is closed."""


def credentials(endpoint: str) -> dict[str, str]:
    """The environment of somebody who may use the server."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "only-for-tests",
        "AWS_REGION": "us-east-1",
    }


@contextlib.contextmanager
def served() -> Iterator[str]:
    """Run a server with an empty bucket; yield its endpoint. Skip where obstore or moto are missing."""
    pytest.importorskip("obstore", reason="object stores need obstore")
    pytest.importorskip("moto", reason="object stores are tested against moto's server")
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdin is not None
        port = int(process.stdout.readline())
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("PUT", f"/{BUCKET}")
        assert connection.getresponse().status == 200
        connection.close()
        yield f"http://{HOST}:{port}"
    finally:
        process.stdin.close()
        process.wait(timeout=30)
        process.stdout.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FlakyProxy

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.next_fault()
        if fault == "refused":
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if fault == "closed":
            self.close_connection = True
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in self.server.dropped}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if fault == "answer lost":
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length", "date", "server"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _forward  # noqa: N815

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


class FlakyProxy(ThreadingHTTPServer):
    """A proxy that fails every n-th call: 503, a closed connection, or an answer that gets lost after the work is done."""

    daemon_threads = True
    faults: tuple[str, ...] = ("refused", "closed", "answer lost")
    dropped: tuple[str, ...] = ()
    """Headers that do not get through."""

    def __init__(self, endpoint: str, every: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.every = int(endpoint.rpartition(":")[2]), every
        self.calls = self.failed = 0
        self._guard = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.server_port}"

    def next_fault(self) -> str | None:
        with self._guard:
            self.calls += 1
            if self.calls % self.every:
                return None
            self.failed += 1
            return self.faults[self.failed % len(self.faults)]

    def handle_error(self, *_arguments: Any) -> None:
        """Say nothing: a client that was cut off closes its side, too."""


@contextlib.contextmanager
def flaky(endpoint: str, every: int = 20) -> Iterator[FlakyProxy]:
    """Run a proxy in front of a server."""
    with FlakyProxy(endpoint, every) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


def bucket_table(run: Url) -> pa.Table:
    """Rows of a run in a bucket, as :func:`workbench.table` gives those of a folder."""
    files = place_of(run).files(run / "results", suffix=".parquet")
    tables = [pq.read_table(source_of(file)).replace_schema_metadata() for file in files]
    whole = pa.concat_tables(table for table in tables if len(table))  # the part without rows declares dictionaries
    return whole.drop_columns(list(PROVENANCE)).sort_by("cell_id")


def bucket_parts(run: Url) -> list[str]:
    """Names of the parts with rows of a run in a bucket."""
    return [file.name for file in place_of(run).files(run / "results", "part-") if "schema" not in file.name]


def url(text: str) -> Url:
    """A URL of which the test knows that it is one."""
    where = where_of(text)
    assert isinstance(where, Url)
    return where
