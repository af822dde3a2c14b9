"""The run folder: what is on disk, and how it stays whole.

    RUN/grid.yaml               the resolved grid: every value written out, defaults included
    RUN/results/part-*.parquet  one file per block, written whole under a name derived from the block
    RUN/curves/part-*.parquet   diagnostics by step, for studies that have them
    RUN/code/<digest>/          files of a study of the user's own as they were when they made rows; read by people only
    RUN/events.jsonl            what happened when
    RUN/standing.json           how far the launch at work is; gone when it has ended
    RUN/report/                 pictures and summary
    RUN/superseded/             rows of an earlier version of the study, and damaged parts

What is done is what the parts say; there is no other state to lose. Nothing here is ever unpickled. A file is flushed to the
disk before its rename: after a power cut a part is whole or not there. The rename itself may get lost, and with it one block.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sweeper.errors import RunError, StoreError
from sweeper.folder.compact import LEFT, are_many, compact
from sweeper.folder.contents import Contents, look_at
from sweeper.folder.events import parse_event
from sweeper.folder.grid_file import grid_of_part, parse_grid
from sweeper.folder.near import runs_near
from sweeper.folder.part import BLOCK, DamagedPartError, Part, is_whole, read_rows, rows_file
from sweeper.grid.yaml import dump_yaml
from w2s.errors import FieldError
from w2s.files.arrays import empty_table
from w2s.files.lock import LockError
from w2s.places.known import place_of, source_of
from w2s.places.url import Where, base_of, where_of
from w2s.user_files import Source

__all__ = ["RunFolder", "run_name"]

_EMPTY = "part-0000-schema"
_LISTS = 5
"""How often parts are listed while a launch merges them."""


class RunFolder:
    """A run folder, wherever it is.

    ``place`` has the operations on its files; relative paths in its grid start at ``base``, a folder of this machine.
    """

    def __init__(self, path: Where) -> None:
        self.path = path
        try:
            self.place = place_of(path)
        except FieldError as error:
            raise RunError(f"{path}: {error}") from None
        self.base = base_of(path)
        self.results = path / "results"
        self.empty_part = self.results / f"{_EMPTY}.parquet"
        self.grid_note: str | None = None
        self._read: tuple[bytes, dict[str, Any]] | None = None

    @classmethod
    def existing(cls, path: Where | str) -> RunFolder:
        """Open a run folder; raise :class:`RunError` when there is none."""
        path = run_name(path)
        folder = cls(path)
        if path.name == "results" and cls(path.parent).read_grid() is not None:
            return cls(path.parent)
        if folder.read_grid() is None:
            if isinstance(path, Path) and not path.exists():
                raise RunError(f"{path}: no such folder; {runs_near(path)}")
            raise RunError(f"{path} is not a run folder (no grid.yaml in it); launch a grid first")
        return folder

    def prepare(self) -> None:
        """Make the folders, and remove temporary files that a killed writer left."""
        self._refuse_links(self.results / "any")
        try:
            self.place.prepare(self.path)
            self.place.prepare(self.results)
            for left in self.path.glob(LEFT) if isinstance(self.path, Path) else ():
                shutil.rmtree(left, ignore_errors=True)
        except OSError as error:
            raise StoreError(f"cannot write in {self.results}: {error.strerror}") from None

    def write_empty_part(self, schema: pa.Schema) -> None:
        """Write a part without rows: the table can be read from the first second, and knows the latest launch.

        It alone carries the notes on its columns: readers of a folder take the schema of the first file.
        """
        if not _has_schema(self.empty_part, schema):
            self.write(self.empty_part, rows_file(empty_table(schema), notes=True))

    def compact(self) -> None:
        """Merge small parts where there are many, as :func:`sweeper.folder.compact.compact` does; not in an object store."""
        if not isinstance(self.results, Path) or not are_many(self._files()):  # then their footers need not be read
            return
        with contextlib.suppress(RunError):  # a foreign file, say: the next launch tells
            if merged := compact(self.results, self.contents().parts):
                self.event("compact", files=merged)

    def has_rows(self) -> bool:
        """Tell whether there is a part with rows."""
        return bool(self._files())

    def read_grid(self) -> dict[str, Any] | None:
        """Return the stored resolved grid, or None before the first launch.

        Where ``grid.yaml`` is lost or cannot be read, it is the grid that a part carries, and ``grid_note`` says so. Raises
        :class:`RunError` where no part does.
        """
        path, self.grid_note = self.path / "grid.yaml", None
        try:
            content = self.place.read(path)
            if self._read is None or self._read[0] != content:  # a grid of a million values takes seconds
                self._read = content, parse_grid(content)
            return dict(self._read[1])
        except FileNotFoundError:
            fault = None
        except (OSError, ValueError) as error:
            fault = error.strerror if isinstance(error, OSError) else str(error)
        try:
            files = self._files()
        except OSError as error:
            raise RunError(f"{self.path} cannot be read: {error.strerror}") from None
        for part in (self.empty_part, *files):
            grid = grid_of_part(part)
            if grid is not None:
                self.grid_note = f"{path} {'is lost' if fault is None else f'cannot be read ({fault})'}; read from {part.name}"
                return grid
        if fault is not None:
            raise RunError(f"{path} cannot be read: {fault}")
        return None

    def write_grid(self, resolved: Mapping[str, Any]) -> None:
        """Store the resolved grid, either whole or not at all; where it is the one that was read, leave it."""
        if self.read_grid() == resolved and self.grid_note is None:
            return
        self.write(self.path / "grid.yaml", dump_yaml(resolved).encode())

    def write_code(self, source: Source) -> None:
        """Keep the files of a source, so that the rows of one digest can be traced to a text. They are never run from here."""
        place = self.path / "code" / source.digest
        for name, text in source.texts.items():
            self.write(place / name, text)

    def parts(self) -> list[Part]:
        """Read every part's footer, each block once.

        Raises :class:`DamagedPartError`, and :class:`RunError` for a foreign file.
        """
        contents = self.contents()
        for error in contents.damaged:
            raise error
        return list(contents.parts)

    def contents(self, *, whole: bool = False) -> Contents:
        """Look at the part files, as :func:`sweeper.folder.contents.look_at` does; with ``whole`` at the part without rows too.

        Raises :class:`RunError` for a foreign file.
        """
        contents = self._look(whole=whole)
        if not whole or not self.place.exists(self.empty_part) or is_whole(self.empty_part):
            return contents
        return replace(contents, damaged=[*contents.damaged, DamagedPartError(self.empty_part, "it is not as it was written")])

    def _look(self, *, whole: bool) -> Contents:
        """Look at the part files; again where a launch has merged small parts meanwhile, and the files listed are gone."""
        for left in reversed(range(_LISTS)):
            try:
                return look_at(self._files(), whole=whole)
            except RunError:
                if not left:
                    raise
        raise AssertionError

    def part_path(self, key: str) -> Where:
        """Return the path of a block's part."""
        return self.results / f"part-{key}.parquet"

    def write_part(self, key: str, table: pa.Table, block: Mapping[str, Any]) -> None:
        """Write the rows of one block: a temporary file, then a rename. Writing a part twice is harmless."""
        metadata = {**(table.schema.metadata or {}), BLOCK: json.dumps({"key": key, **block}).encode()}
        self._write(table.replace_schema_metadata(metadata), self.part_path(key))

    def write_curves(self, key: str, table: pa.Table) -> None:
        """Write a block's diagnostics by step under the name of its part, either whole or not at all."""
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer, compression="zstd")
        self.write(self.path / "curves" / f"part-{key}.parquet", memoryview(buffer.getvalue()))

    def curves(self) -> list[Where]:
        """List the files of diagnostics by step, without links and what lies in a linked folder: they may lead anywhere."""
        found = self.place.files(self.path / "curves", suffix=".parquet")
        links = [path for path in found if isinstance(path, Path) and (path.is_symlink() or path.parent.is_symlink())]
        return [path for path in found if path not in links]

    def remove(self, part: Part) -> None:
        """Remove a part whose rows are about to be computed again."""
        try:
            self.place.remove(part.path)
        except OSError as error:
            raise StoreError(f"cannot remove {part.path}: {error.strerror}") from None

    def supersede(self, part: Part) -> None:
        """Move a part made by another version of the study to ``superseded/``."""
        self._move(part.path, self.path / "superseded" / f"version-{part.version}" / part.path.name)

    def set_aside(self, file: Where, why: str = "damaged") -> Where:
        """Move a file to ``superseded/`` and add a word to its name: ``damaged``, ``copy``. Return the new path."""
        place = self.path / "superseded" / f"{file.name}.{why}"
        number = 1
        while self.place.exists(place):
            number += 1
            place = place.with_name(f"{file.name}.{number}.{why}")
        self._move(file, place)
        self.event(why, part=file.name, moved=f"{place.parent.name}/{place.name}")
        return place

    def give_own_name(self, part: Part) -> None:
        """Move a part that lies under another name to the name that follows from its key, which no file has."""
        self._move(part.path, self.part_path(part.key))
        self.event("renamed", part=part.path.name, key=part.key)

    def read(self, part: Part, columns: list[str] | None = None) -> pa.Table:
        """Read the rows of a part. Raises :class:`DamagedPartError` for a file that is damaged behind its footer."""
        return read_rows(part.path, columns)

    def ids(self, parts: list[Part]) -> npt.NDArray[np.bytes_]:
        """Read the identities of all rows of some parts, as S32."""
        chunks = [
            np.array(self.read(part, ["cell_id"])["cell_id"].to_numpy(zero_copy_only=False), dtype="S32") for part in parts
        ]
        return np.concatenate(chunks) if chunks else np.empty(0, dtype="S32")

    def event(self, kind: str, **content: Any) -> None:
        """Append one line to ``events.jsonl``."""
        line = json.dumps({"time": round(time.time(), 3), "event": kind, **content}, default=str)
        try:
            self.place.append(self.path / "events.jsonl", line)
        except OSError as error:
            raise StoreError(f"cannot write {self.path / 'events.jsonl'}: {error.strerror}") from None

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield every event; a line that is none, such as one cut short by a kill, is skipped."""
        for line in self.place.lines(self.path / "events.jsonl"):
            if (event := parse_event(line)) is not None:
                yield event

    def is_locked(self) -> bool:
        """Tell whether a launch holds the folder now."""
        return self.place.is_locked(self.path / ".lock")

    @contextlib.contextmanager
    def lock(self, waiting: Callable[[], object] | None = None) -> Iterator[None]:
        """Lock the folder for one launch at a time; the system releases the lock when the process ends, however it ends.

        A second launch calls ``waiting()`` once and then waits its turn.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self.place.lock(self.path / ".lock", waiting))
            except LockError as error:
                raise StoreError(f"cannot lock {self.path}: {error.strerror}") from None
            except OSError as error:
                raise StoreError(f"cannot write in {self.path}: {error.strerror}") from None
            yield

    def write(self, path: Where, content: bytes | memoryview) -> None:
        """Write a file of the run, either whole or not at all. Raises :class:`StoreError`."""
        self._refuse_links(path)
        try:
            self.place.write(path, content)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror or error}") from None

    def _refuse_links(self, path: Where) -> None:
        """Refuse to write through a link in the folder: it may lead anywhere. The run folder itself may be a link."""
        while isinstance(path, Path) and path.parent not in (self.path, path):
            path = path.parent
            if path.is_symlink():
                raise StoreError(f"{path} is a link, and nothing is written through one; put a folder there")

    def _files(self) -> list[Where]:
        return [path for path in self.place.files(self.results, "part-", ".parquet") if path.stem != _EMPTY]

    def _move(self, path: Where, place: Where) -> None:
        self._refuse_links(place)
        try:
            self.place.move(path, place)
        except OSError as error:
            raise StoreError(f"cannot move {path} to {place.parent}: {error.strerror}") from None

    def _write(self, table: pa.Table, path: Where) -> None:
        self.write(path, rows_file(table))


def run_name(given: Where | str) -> Where:
    """Read the name of a run as a user gives it. Raises :class:`RunError` for what is no folder and no known URL."""
    try:
        return where_of(given)
    except FieldError as error:
        raise RunError(str(error)) from None


def _has_schema(path: Where, schema: pa.Schema) -> bool:
    """Tell whether a file is a whole Parquet file with these columns and this metadata."""
    if not is_whole(path):
        return False
    found = pq.read_schema(source_of(path))
    return bool(
        found.equals(schema)
        and _notes(found) == _notes(schema)
        and (found.metadata or {}).get(b"w2s") == (schema.metadata or {}).get(b"w2s")
    )


def _notes(schema: pa.Schema) -> list[dict[bytes, bytes]]:
    """Return what a schema says of its columns, without what Parquet adds when it is read."""
    return [{key: text for key, text in (field.metadata or {}).items() if not key.startswith(b"PARQUET:")} for field in schema]
