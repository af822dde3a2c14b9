"""One run as one zip file for a paper's supplement: grid, code, rows and report, without a trace of the machine.

Names in the file are relative, times are none, and files come in the order of their names: packing twice gives the same bytes.
Unpacked, the folder is a run that ``report``, ``verify`` and ``w2s.load`` read.
"""

from __future__ import annotations

import hashlib
import io
import json
import socket
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.errors import RunError, StoreError
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.yaml import dump_yaml
from sweeper.report.make import write_report
from sweeper.review.table import RunTable, read_run
from w2s.files.durable import whole
from w2s.places.url import Where
from w2s.user_files import is_file_reference, loaded_source

__all__ = ["Bundle", "bundle_run"]

_EVENTS = {
    "launch": ("cells", "found", "blocks", "artifacts"),
    "block": ("key", "rows", "seconds"),
    "artifact": ("key", "function", "seconds"),
    "end": ("exit", "computed", "failed", "pending"),
}
"""What of the journal is packed: no address, no store, no message."""
_TEXTS = (".html", ".csv", ".md", ".txt", ".svg", ".json", ".tex")
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Bundle:
    """A packed run: the file, its sha256, how many files are in it, and what its reader has to know."""

    path: Path
    sha256: str
    files: int
    notes: tuple[str, ...]


def bundle_run(run: Where | str, out: Path | None = None, *, overwrite: bool = False, trust_code: bool = False) -> Bundle:
    """Write the report of a run anew, and pack the run into ``out`` (default: its name with .zip, in the working folder).

    Raises :class:`RunError` for a run that is at work or has no rows, and for a file that is there unless ``overwrite``.
    """
    folder = RunFolder.existing(run)
    name = (folder.path.resolve() if isinstance(folder.path, Path) else folder.path).name
    out = Path(f"{name}.zip") if out is None else out
    if out.exists() and not overwrite:
        raise RunError(f"{out} exists; name another file with --out, or give --overwrite")
    if folder.is_locked():
        raise RunError(f"a launch is at work in {run}; wait for its end, or end it with w2s-sweep stop")
    table = read_run(run, trust_code=trust_code)
    if not len(table.rows):
        raise RunError(f"{run} has no rows yet; launch its grid first")
    _, written = write_report(table)
    files = dict(_run_files(table, folder, name, written))
    notes = tuple(_notes(table))
    files["README.txt"] = _readme(table, name, notes).encode()
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in sorted(files.items()))
    files["SHA256SUMS"] = sums.encode()
    content = _zipped({f"{name}/{path}": content for path, content in files.items()})
    try:
        with whole(out) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise StoreError(f"cannot write {out}: {error.strerror}") from None
    return Bundle(out, hashlib.sha256(content).hexdigest(), len(files), notes)


def _run_files(table: RunTable, folder: RunFolder, name: str, written: list[Where]) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a run by their names in the bundle."""
    stored, code = _code(table, folder)
    yield "grid.yaml", dump_yaml(stored).encode()
    yield from code.items()
    yield "results/part-0000-schema.parquet", folder.place.read(folder.empty_part)
    for part in folder.parts():
        yield f"results/part-{part.key}.parquet", folder.place.read(part.path)
    for path in folder.curves():
        yield f"curves/{path.name}", folder.place.read(path)
    for path in written:
        yield f"report/{path.name}", _without_place(path.name, folder.place.read(path), folder.path, name)
    events = [_event(event) for event in folder.events() if event["event"] in _EVENTS]
    yield "events.jsonl", "".join(json.dumps(event) + "\n" for event in events).encode()


def _code(table: RunTable, folder: RunFolder) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the stored grid, and the files of a study of one's own, which the grid then names inside the bundle."""
    stored = folder.read_grid() or {}
    source = loaded_source(table.grid.study.__module__)
    reference = str(stored.get("study", ""))
    if source is None or not is_file_reference(reference):
        return stored, {}
    place = f"code/{source.digest}"
    study = f"{place}/{source.modules[source.root]}:{reference.rpartition(':')[2]}"
    return {**stored, "study": study}, {f"{place}/{path}": text for path, text in source.texts.items()}


def _without_place(file: str, content: bytes, run: Where, name: str) -> bytes:
    """Replace the path of the run folder by its name in a text."""
    if not file.endswith(_TEXTS):
        return content
    text = content.decode("utf-8")
    for place in (str(run.resolve()), str(run)) if isinstance(run, Path) else (str(run),):
        if place not in ("", ".", name):
            text = text.replace(place, name)
    return text.encode()


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("time", "event", *_EVENTS[event["event"]])
    return {key: event[key] for key in kept if key in event}


def _notes(table: RunTable) -> Iterator[str]:
    """Yield what a reader of the bundle has to know."""
    if table.unfinished:
        yield f"the run is not finished: {table.unfinished} of {table.status.cells:,} cells"
    files = list(table.grid.files())
    for file in sorted({file for _, file in files}, key=lambda file: file.name):
        yield f"data are not packed: {Path(file.name).name}, sha256 {file.sha256}"
    written = {str(v) for name in {name for name, _ in files} & set(table.rows) for v in table.rows[name].dropna().unique()}
    if places := sorted(name for name in written if Path(name).is_absolute() or Path(name).parts[:2] == ("..", "..")):
        yield f"rows name data by their place on the machine that made them, the first {places[0]}; name files beside the grid"
    names = (str(Path.home()), socket.gethostname())
    texts = [
        text for column in ("message", "traceback") if column in table.rows for text in table.rows[column].dropna().unique()
    ]
    if found := sum(any(name in str(text) for name in names if len(name) > 3) for text in texts):
        yield f"{found:,} messages of rows name a place on the machine that made them"
    if is_file_reference(table.grid.study_reference):
        yield "the study is a Python file in code/: report, verify and status run it where --trust-code is given"


def _readme(table: RunTable, name: str, notes: tuple[str, ...]) -> str:
    status, package = table.status, table.origin.get("package") or "of unknown version"
    trust = " --trust-code" if is_file_reference(table.grid.study_reference) else ""
    lines = [
        f"{name}: {status.done:,} of {status.cells:,} cells of {status.study}, version {table.grid.study.version}",
        f"made by w2s-sweep {package}",
        "",
        "report/index.html   the report",
        "grid.yaml           every value of the grid",
        "results/            the rows, as Parquet: any reader takes the folder as one table",
        "SHA256SUMS          digests of the files",
        "",
        "To read it again:",
        f"  w2s-sweep report {name}{trust}",
        f"  w2s-sweep verify {name}{trust}",
        f'  python -c "import w2s; print(w2s.load({name!r}))"',
        *(["", *notes] if notes else []),
    ]
    return "\n".join(lines) + "\n"


def _zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a zip file whose bytes follow from the files alone."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in sorted(files.items()):
            entry = zipfile.ZipInfo(path, _DATE)
            entry.compress_type = zipfile.ZIP_STORED if path.endswith((".parquet", ".png")) else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, content)
    return buffer.getvalue()
