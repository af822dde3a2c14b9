"""Folders that came from somebody else: every kind of odd file, and parts mutated from one seed each.

KINDS                                 name -> what is done to a run folder (or to its store)
mutated(path, rng)                    a part with other bytes, footers or columns; its seal is right, broken or missing
faults(place)                         run every command on the place and return what went wrong, a line each: an exception that
                                      is no message, more than a line of it, five seconds, a write outside the run folder
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner
from workbench import STUDIES

import w2s
from sweeper import launch
from sweeper.cli import app
from sweeper.folder.part import BLOCK, CODE, rows_file
from w2s.artifacts import Store, Work, artifact

SECONDS, WAIT = 5, 60
"""Of computing, and of waiting: a busy machine is no fault."""
ALLOWED = {0, 1, 2, 3, 4}
GRID = """\
study: ./claimed.py:Claimed
axes: {x: [1, 2, 3]}
seeds: 8
compute: {executor: inline, backend: numpy}
"""
Random = np.random.Generator


@artifact(version=1, name="test.hostile")
def kept(work: Work, *, value: int) -> None:
    (work.folder / "value.json").write_text(json.dumps(value))


@dataclass(frozen=True)
class Place:
    """A folder with a grid, a finished run of it, a store that the run uses, and a file that nobody may touch."""

    folder: Path

    @property
    def run(self) -> Path:
        return self.folder / "work" / "run"

    @property
    def store(self) -> Path:
        return self.folder / "work" / "store"

    @property
    def outside(self) -> Path:
        return self.folder / "outside"

    @property
    def parts(self) -> list[Path]:
        return sorted((self.run / "results").glob("part-[!0]*.parquet"))

    @property
    def schema(self) -> Path:
        return self.run / "results" / "part-0000-schema.parquet"


def make_place(folder: Path) -> Place:
    """Make a place with a finished run of two parts."""
    place = Place(folder)
    place.outside.mkdir(parents=True)
    (place.outside / "precious.txt").write_text("precious")
    text = (STUDIES / "claimed.py").read_text()
    (folder / "claimed.py").write_text(
        text.replace('MADE = ("ratio", "coin", "wrong", "needy", "known", "broken")', 'MADE = ("ratio",)')
    )
    (folder / "grid.yaml").write_text(GRID.replace("8", "6"))
    launch(folder / "grid.yaml", out=place.run)
    (folder / "grid.yaml").write_text(GRID)
    launch(folder / "grid.yaml", out=place.run)
    store = Store(place.store)
    store.ensure(kept(value=1))
    store.register(place.run, [kept(value=1).key])
    # The first report of a process imports what draws: that is no fault of a folder.
    CliRunner().invoke(app, ["report", str(copy_place(place, folder.with_name("first")).run)])
    shutil.rmtree(folder.with_name("first"))
    return place


def copy_place(place: Place, folder: Path) -> Place:
    """Copy a place, its study too: the stored grid names it relative to the run."""
    shutil.copytree(place.folder, folder, symlinks=True)
    copy = Place(folder)
    Store(copy.store).register(copy.run, [kept(value=1).key])
    return copy


# ---------------------------------------------------------------- what is looked at


def faults(place: Place) -> list[str]:
    """Run every command; return what went wrong."""
    before, found = _tree(place), []
    grid = place.folder / "grid.yaml"
    commands: list[tuple[str, ...]] = [
        ("status", str(place.run)),
        ("status", "--verify", str(place.run)),
        ("verify", "--partial", str(place.run)),
        ("report", str(place.run)),
        ("store", "list", str(place.store)),
        ("launch", str(grid), "--out", str(place.run)),
        ("status", str(place.run)),
        ("store", "gc", str(place.store)),
    ]
    for command in commands:
        found += [f"{command[0]}: {fault}" for fault in _command_faults(command)]
        if command[0] == "report":
            found += [f"load: {fault}" for fault in _load_faults(place.run)]
    after = _tree(place)
    found += [f"written outside: {name}" for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    return found


def _command_faults(command: tuple[str, ...]) -> list[str]:
    try:
        with _limited():
            result = CliRunner().invoke(app, list(command))
    except TimeoutError:
        return [f"computed for more than {SECONDS} s, or waited for {WAIT}"]
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return [f"{type(result.exception).__name__}: {result.exception}"]
    lines = [line for line in result.output.splitlines() if line.startswith("error:")]
    found = [] if result.exit_code in ALLOWED else [f"exit code {result.exit_code}"]
    if len(lines) > 1 or (lines and result.exit_code == 0):
        found.append(f"{len(lines)} errors, exit code {result.exit_code}")
    if any(len(line) > 2000 for line in result.output.splitlines()):
        found.append("a line of more than 2000 letters")
    return found


def _load_faults(run: Path) -> list[str]:
    try:
        with _limited():
            w2s.load(run)
    except (ValueError, OSError) as error:
        return [] if str(error) else ["no message"]
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]
    return []


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def stop(_signal: int, _frame: Any) -> None:
        raise TimeoutError

    timers = ((signal.ITIMER_PROF, signal.SIGPROF, SECONDS), (signal.ITIMER_REAL, signal.SIGALRM, WAIT))
    before = [signal.signal(number, stop) for _, number, _ in timers]
    for timer, _, seconds in timers:
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for (timer, number, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


def _tree(place: Place) -> dict[str, Any]:
    """What lies beside the run and its store, with contents."""
    found: dict[str, Any] = {}
    for folder, names, files in os.walk(place.folder):
        inside = [name for name in names if Path(folder, name) in (place.run, place.store) or name == "__pycache__"]
        for name in inside:
            names.remove(name)
        for name in (*names, *files):
            path = Path(folder, name)
            regular = path.is_file() and not path.is_symlink()
            found[str(path)] = path.read_bytes() if regular else None
    return found


# ---------------------------------------------------------------- hostile folders


def _grid(content: bytes) -> Callable[[Place], Any]:
    return lambda place: (place.run / "grid.yaml").write_bytes(content)


def _events(content: bytes) -> Callable[[Place], Any]:
    def add(place: Place) -> None:
        with (place.run / "events.jsonl").open("ab") as stream:
            stream.write(content)

    return add


def _instead(name: str, make: Callable[[Path, Place], Any]) -> Callable[[Place], Any]:
    """Put something else where a file or folder of the run is."""

    def put(place: Place) -> None:
        path = place.parts[0] if name == "part" else place.schema if name == "schema" else place.run / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        path.parent.mkdir(exist_ok=True)
        make(path, place)

    return put


def _beside(name: str, make: Callable[[Path, Place], Any]) -> Callable[[Place], Any]:
    return lambda place: make(place.run / "results" / name, place)


def _footer(**changes: Any) -> Callable[[Place], Any]:
    def change(place: Place) -> None:
        rewrite(place.parts[0], footer=lambda footer: footer | changes)

    return change


def _document(**changes: Any) -> Callable[[Place], Any]:
    def change(place: Place) -> None:
        for path in (place.schema, *place.parts):
            rewrite(path, document=lambda document: document | changes)

    return change


def _columns(change: Callable[[pa.Table], pa.Table]) -> Callable[[Place], Any]:
    return lambda place: rewrite(place.parts[0], rows=change)


def _note(content: bytes) -> Callable[[Place], Any]:
    return lambda place: next((place.store / "runs").glob("*.json")).write_bytes(content)


def _manifest(content: bytes) -> Callable[[Place], Any]:
    return lambda place: (Store(place.store).place(kept(value=1)) / "artifact.json").write_bytes(content)


def _both(*steps: Callable[[Place], Any]) -> Callable[[Place], Any]:
    def take(place: Place) -> None:
        for step in steps:
            step(place)

    return take


def _fifo(path: Path, _place: Place) -> None:
    os.mkfifo(path)


def _folder(path: Path, _place: Place) -> None:
    (path / "inner").mkdir(parents=True)


def _socket(path: Path, _place: Place) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _device(path: Path, _place: Place) -> None:
    path.symlink_to("/dev/zero")


def _link_out(path: Path, place: Place) -> None:
    path.symlink_to(place.outside)


def _link_to_file(path: Path, place: Place) -> None:
    path.symlink_to(place.outside / "precious.txt")


def _link_to_nothing(path: Path, place: Place) -> None:
    path.symlink_to(place.outside / "new")


def _loop(path: Path, _place: Place) -> None:
    path.symlink_to(path.name)


def _huge(path: Path, _place: Place) -> None:
    with path.open("wb") as stream:
        stream.truncate(1 << 40)


def _words(path: Path, _place: Place) -> None:
    path.write_text("no part")


def _foreign(path: Path, _place: Place) -> None:
    pq.write_table(pa.table({"a": [1]}), path)


def _closed(path: Path, _place: Place) -> None:
    path.write_bytes(b"")
    path.chmod(0)


_BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (98 + k, 98 + k, b",".join([b"*%c" % (97 + k)] * 9)) for k in range(12)
)
_LONG = json.dumps({"time": 1, "event": "block", "key": "x" * 3_000_000}).encode() + b"\n"

KINDS: dict[str, Callable[[Place], Any]] = {
    "grid lost": lambda place: (place.run / "grid.yaml").unlink(),
    "grid empty": _grid(b""),
    "grid cut": lambda place: os.truncate(place.run / "grid.yaml", 60),
    "grid is no text": _grid(b"\xff\xfe\x00study"),
    "grid is a list": _grid(b"[1, 2]\n"),
    "grid is a number": _grid(b"3\n"),
    "grid without grids": _grid(b"study: a\n"),
    "grids is a number": _grid(b"study: claimed.py:Claimed\ngrids: 3\n"),
    "grid of tags": _grid(b"!!python/object/apply:os.system ['touch /tmp/hostile']\n"),
    "grid is a bomb": _grid(_BOMB + b"grids: *l\n"),
    "grid is deep": _grid(b"[" * 100_000),
    "grid of another type": _grid(b"study: [1]\ngrids: [{axes: 3, seeds: {}}]\n"),
    "grid names a file out of the folder": _grid(b"study: /nonexistent/x.py:X\ngrids: [{axes: {x: [1]}}]\n"),
    "grid is a pipe": _instead("grid.yaml", _fifo),
    "grid is a folder": _instead("grid.yaml", _folder),
    "grid is a device": _instead("grid.yaml", _device),
    "grid is a link": _instead("grid.yaml", _link_to_file),
    "grid is huge": _instead("grid.yaml", _huge),
    "events of other types": _events(b'[]\n3\nnull\n"x"\n{"event": []}\n{"event": {"a": 1}, "time": 3}\n'),
    "events without fields": _events(b'{"event": "artifact"}\n{"event": "block"}\n{"event": "launch"}\n{"event": "end"}\n'),
    "events with odd times": _events(
        b"".join(
            b'{"event": "%s", "time": %s, "seconds": %s, "key": [1], "store": 3, "executor": {}}\n' % (event, time, time)
            for event in (b"artifact", b"block", b"launch")
            for time in (b"NaN", b"Infinity", b"1e300", b"-1e300", b"null", b'"x"', b"[]", b"1" * 400)
        )
    ),
    "events are no text": _events(b"\xff\xfe\xfa\n\x00\x00\n" + b'{"event": "launch", "time": 1}\xff\n'),
    "events are long": _events(_LONG * 3),
    "events are deep": _events(b"[" * 200_000 + b"\n"),
    "events are a pipe": _instead("events.jsonl", _fifo),
    "events are a folder": _instead("events.jsonl", _folder),
    "events are a device": _instead("events.jsonl", _device),
    "events are a link": _instead("events.jsonl", _link_to_file),
    "events are a link to nothing": _instead("events.jsonl", _link_to_nothing),
    "events are huge": _instead("events.jsonl", _huge),
    "results are a link": _instead("results", _link_out),
    "results are a file": _instead("results", _words),
    "results are lost": lambda place: shutil.rmtree(place.run / "results"),
    "report is a link": _instead("report", _link_out),
    "report is a file": _instead("report", _words),
    "page is a link": _instead("report/index.html", _link_to_file),
    "summary is a link to nothing": _instead("report/summary.csv", _link_to_nothing),
    "summary is a pipe": _instead("report/summary.csv", _fifo),
    "superseded is a link, and a part is damaged": _both(
        _instead("superseded", _link_out), lambda place: place.parts[0].write_bytes(b"PAR1")
    ),
    "lock is a link": _instead(".lock", _link_to_nothing),
    "lock is a pipe": _instead(".lock", _fifo),
    "lock is a folder": _instead(".lock", _folder),
    "code is a link": _instead("code", _link_out),
    "part is a pipe": _instead("part", _fifo),
    "part is a folder": _instead("part", _folder),
    "part is a socket": _instead("part", _socket),
    "part is a device": _instead("part", _device),
    "part is a link to text": _instead("part", _link_to_file),
    "part is a link to nothing": _instead("part", _link_to_nothing),
    "part is a link to itself": _instead("part", _loop),
    "part is huge": _instead("part", _huge),
    "part is empty": _instead("part", lambda path, _place: path.write_bytes(b"")),
    "part of another kind": _beside("part-x.parquet", _foreign),
    "part of text": _beside("part-x.parquet", _words),
    "part with a strange name": _beside("part-\n\x1b[31m.parquet", _words),
    "schema is a pipe": _instead("schema", _fifo),
    "schema is text": _instead("schema", _words),
    "schema is a folder": _instead("schema", _folder),
    "schema is a link": _instead("schema", _link_to_file),
    "another parquet file": _beside("other.parquet", _foreign),
    "leftover is a folder": _beside(".tmp-abc-part.parquet", _folder),
    "version is a path": _footer(version="/../../x"),
    "key is a path": _footer(key="x/../../../y"),
    "key has a line": _footer(key="0" * 23 + "\n"),
    "statuses of words": _footer(statuses={"ok": "many"}),
    "statuses are a list": _footer(statuses=[1]),
    "statuses count too many": _footer(statuses={"ok": 10**6}),
    "statuses are invented": _footer(statuses={"fine": 18}),
    "seconds are none": _footer(seconds=math.nan),
    "study is a number": _footer(study=3),
    "another study": _footer(study="another"),
    "document is empty": lambda place: ([rewrite(path, document=lambda _d: []) for path in (place.schema, *place.parts)]),
    "claims are a list": _document(claims=[1]),
    "claims of words": _document(claims={"ratio": 3, "x": {"thresholds": [], "says": 3}}),
    "thresholds of words": _document(
        claims={"ratio": {"thresholds": {"limit": "high"}, "expected": 3, "says": [], "reason": {}}}
    ),
    "libraries are a list": _document(libraries=[1], commit=3, python=[], machine={}),
    "lists are numbers": _document(fields=3, axes=4, metrics=5, pgr=6, seeds_draw=7),
    "lists of lists": _document(fields=[[1]], axes=[{}], metrics=[None], pgr=[1]),
    "grid in the footer is a number, grid lost": _both(_document(grid=3), lambda place: (place.run / "grid.yaml").unlink()),
    "no cell_id": _columns(lambda rows: rows.drop_columns(["cell_id"])),
    "no status": _columns(lambda rows: rows.drop_columns(["status"])),
    "no seed": _columns(lambda rows: rows.drop_columns(["seed"])),
    "no errors": _columns(lambda rows: rows.drop_columns(["weak_error", "student_error"])),
    "errors of words": _columns(lambda rows: _with(rows, "weak_error", pa.array(["x"] * len(rows)))),
    "identities of numbers": _columns(lambda rows: _with(rows, "cell_id", pa.array(range(len(rows))))),
    "identities are null": _columns(lambda rows: _with(rows, "cell_id", pa.nulls(len(rows), pa.string()))),
    "seeds are null": _columns(lambda rows: _with(rows, "seed", pa.nulls(len(rows), pa.int64()))),
    "statuses are null": _columns(lambda rows: _with(rows, "status", pa.nulls(len(rows), pa.string()))),
    "statuses are words": _columns(lambda rows: _with(rows, "status", pa.array(["x"] * len(rows)))),
    "errors are lists": _columns(lambda rows: _with(rows, "weak_error", pa.array([[1.0]] * len(rows)))),
    "two columns of one name": _columns(lambda rows: rows.append_column("seed", rows["seed"])),
    "no rows, but a count": _columns(lambda rows: rows.slice(0, 0)),
    "note is empty": _note(b""),
    "note is a list": _note(b"[]"),
    "note of other types": _note(b'{"run": 3, "keys": {}}'),
    "note with a path that is none": _note(b'{"run": "\\u0000", "keys": []}'),
    "manifest is empty": _manifest(b""),
    "manifest is a list": _manifest(b"[]"),
    "manifest leads out": _manifest(b'{"function": "a", "files": {"../../../../outside/precious.txt": 8}}'),
    "manifest of other types": _manifest(b'{"function": [], "files": {"a": "b"}}'),
    "value is a link out": _both(
        lambda place: shutil.rmtree(_value(place)), lambda place: _value(place).symlink_to(place.outside)
    ),
}


def _value(place: Place) -> Path:
    return Store(place.store).place(kept(value=1))


def _with(rows: pa.Table, name: str, column: Any) -> pa.Table:
    return rows.set_column(rows.column_names.index(name), name, column)


# ---------------------------------------------------------------- mutated parts


def rewrite(
    path: Path,
    *,
    footer: Callable[[Any], Any] = lambda footer: footer,
    document: Callable[[Any], Any] = lambda document: document,
    rows: Callable[[pa.Table], pa.Table] = lambda rows: rows,
    code: Callable[[Any], Any] = lambda code: code,
) -> None:
    """Write a part anew, with another footer, document or table, under a seal that is right."""
    table = pq.read_table(path)
    metadata = dict(table.schema.metadata)
    for name, change in ((BLOCK, footer), (b"w2s", document), (CODE, code)):
        if name in metadata:
            metadata[name] = json.dumps(change(json.loads(metadata[name]))).encode()
    changed = rows(table)
    path.write_bytes(rows_file(changed.replace_schema_metadata(metadata)))


def unsealed(content: bytes) -> bytes:
    """Take the marks of the seal away, as if an earlier release had written the file."""
    return content.replace(b"w2s.digest\x18", b"w2x.digest\x18").replace(b"w2s.sealed\x18", b"w2x.sealed\x18")


NASTY: tuple[Any, ...] = (
    *(None, True, -1, 0, 10**30, 1.5, math.nan, math.inf, "", "x", "/../../x", "../y", "\0", "\ud800", "a" * 5000),
    *([], [[]], {}, {"x": []}, {"": None}, ["x", 3]),
)


def mutated(path: Path, rng: Random) -> str:
    """Mutate a part; return what was done."""
    way = int(rng.integers(6))
    if way < 3:
        content = bytearray(path.read_bytes() if way == 0 else unsealed(path.read_bytes()))
        for _ in range(int(rng.integers(1, 4))):
            where = int(rng.integers(len(content)))
            if rng.random() < 0.7:  # the footer is where the words are
                where = len(content) - 1 - int(rng.integers(min(len(content), 12_000)))
            kind = rng.random()
            if kind < 0.5:
                content[where] ^= 1 << int(rng.integers(8))
            elif kind < 0.7:
                content[where] = int(rng.integers(256))
            elif kind < 0.8:
                del content[where:]
                content += b"PAR1"
            elif kind < 0.9:
                del content[where : where + int(rng.integers(1, 30))]
            else:
                content[where:where] = rng.bytes(int(rng.integers(1, 30)))
        path.write_bytes(content)
        return f"{('sealed', 'unsealed', 'unsealed')[way]} bytes"
    name = ("footer", "document", "code")[way - 3] if rng.random() < 0.7 else "rows"
    if name == "rows":
        rewrite(path, rows=lambda rows: _odd_rows(rows, rng))
    else:
        rewrite(path, **{name: lambda value: _odd(value, rng)})
    return name


def _odd(value: Any, rng: Random) -> Any:
    """Put something nasty somewhere into a JSON value."""
    if not isinstance(value, (dict, list)) or not value or rng.random() < 0.15:
        return NASTY[int(rng.integers(len(NASTY)))]
    place = list(value)[int(rng.integers(len(value)))] if isinstance(value, dict) else int(rng.integers(len(value)))
    changed = dict(value) if isinstance(value, dict) else list(value)
    if rng.random() < 0.1:
        del changed[place]
    else:
        changed[place] = _odd(changed[place], rng)
    return changed


def _odd_rows(rows: pa.Table, rng: Random) -> pa.Table:
    name = rows.column_names[int(rng.integers(rows.num_columns))]
    count = len(rows)
    new = (
        lambda: pa.nulls(count),
        lambda: pa.array(["x"] * count),
        lambda: pa.array([""] * count),
        lambda: pa.array([math.nan] * count),
        lambda: pa.array([math.inf] * count),
        lambda: pa.array([-1] * count),
        lambda: pa.array([2**62] * count),
        lambda: pa.array([True] * count),
        lambda: pa.array([[1, 2]] * count),
        lambda: pa.array([{"a": 1}] * count),
        lambda: pa.array([b"\xff"] * count, pa.binary()),
        lambda: pa.array([0] * count, pa.timestamp("s")),
    )
    kind = int(rng.integers(len(new) + 3))
    if kind < len(new):
        return _with(rows, name, new[kind]())
    if kind == len(new):
        return rows.drop_columns([name])
    if kind == len(new) + 1:
        return rows.append_column(name, rows[name])
    return rows.slice(0, int(rng.integers(count)))
