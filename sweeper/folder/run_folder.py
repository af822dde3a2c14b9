"""The run folder: what is on disk, and how it stays whole.

    RUN/grid.yaml               the resolved grid: every value written out, defaults included
    RUN/results/part-*.parquet  one file per block, written whole under a name derived from the block
    RUN/curves/part-*.parquet   diagnostics by step, for studies that have them
    RUN/code/<digest>/          files of a study of the user's own as they were when they made rows; read by people only
    RUN/events.jsonl            what happened when
    RUN/report/                 pictures and summary
    RUN/superseded/             rows of an earlier version of the study, and damaged parts

What is done is what the parts say; there is no other state to lose. Nothing here is ever unpickled. A file is flushed to the
disk before its rename: after a power cut a part is whole or not there. The rename itself may get lost, and with it one block.
"""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from sweeper.errors import RunError, StoreError
from sweeper.folder.part import BLOCK, DamagedPartError, Part, read_part, unreadable, write_rows
from sweeper.grid.yaml import dump_yaml, read_stored
from w2s.files.durable import whole
from w2s.files.lock import LockError, hold, is_held
from w2s.user_files import Source

__all__ = ["RunFolder"]

_EMPTY = "part-0000-schema"


class RunFolder:
    """A run folder on a file system."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.results = path / "results"

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        """Open a run folder; raise :class:`RunError` when there is none."""
        if path.name == "results" and (path.parent / "grid.yaml").is_file():
            path = path.parent
        if not (path / "grid.yaml").is_file():
            raise RunError(f"{path} is not a run folder (no grid.yaml in it); launch a grid first")
        return cls(path)

    def prepare(self) -> None:
        """Make the folders, and remove temporary files that a killed writer left."""
        try:
            self.results.mkdir(parents=True, exist_ok=True)
            for leftover in (*self.results.glob(".tmp-*"), *self.path.glob(".tmp-*")):
                leftover.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"cannot write in {self.results}: {error.strerror}") from None

    def write_empty_part(self, schema: pa.Schema) -> None:
        """Write a part without rows: the table can be read from the first second, and knows the latest launch."""
        path = self.results / f"{_EMPTY}.parquet"
        if not _has_schema(path, schema):
            self._write(schema.empty_table(), path)

    def has_rows(self) -> bool:
        """Tell whether there is a part with rows."""
        return any(path.stem != _EMPTY for path in self.results.glob("part-*.parquet"))

    def read_grid(self) -> dict[str, Any] | None:
        """Return the stored resolved grid, or None before the first launch."""
        path = self.path / "grid.yaml"
        if not path.exists():
            return None
        try:
            stored = read_stored(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise RunError(f"{path} cannot be read: {error}") from None
        if not isinstance(stored, dict) or "grids" not in stored:
            raise RunError(f"{path} is not a resolved grid")
        return stored

    def write_grid(self, resolved: Mapping[str, Any]) -> None:
        """Store the resolved grid, either whole or not at all."""
        content = dump_yaml(resolved).encode()
        self._replace(self.path / "grid.yaml", lambda temporary: temporary.write_bytes(content))

    def write_code(self, source: Source) -> None:
        """Keep the files of a source, so that the rows of one digest can be traced to a text. They are never run from here."""
        place = self.path / "code" / source.digest
        for name, text in source.texts.items():
            self._replace(place / name, functools.partial(_write_bytes, content=text))

    def parts(self) -> list[Part]:
        """Read every part's footer. Raises :class:`DamagedPartError`, and :class:`RunError` for a foreign file."""
        return [read_part(path) for path in self._files()]

    def sound_parts(self) -> tuple[list[Part], list[Path]]:
        """Return parts whose footer can be read, and files where it cannot. Raises :class:`RunError` for a foreign file."""
        sound, damaged = [], []
        for path in self._files():
            try:
                sound.append(read_part(path))
            except DamagedPartError:
                damaged.append(path)
        return sound, damaged

    def part_path(self, key: str) -> Path:
        """Return the path of a block's part."""
        return self.results / f"part-{key}.parquet"

    def write_part(self, key: str, table: pa.Table, block: Mapping[str, Any]) -> None:
        """Write the rows of one block: a temporary file, then a rename. Writing a part twice is harmless."""
        metadata = {**(table.schema.metadata or {}), BLOCK: json.dumps({"key": key, **block}).encode()}
        self._write(table.replace_schema_metadata(metadata), self.part_path(key))

    def write_curves(self, key: str, table: pa.Table) -> None:
        """Write a block's diagnostics by step under the name of its part, either whole or not at all."""
        place = self.path / "curves" / f"part-{key}.parquet"
        self._replace(place, lambda temporary: pq.write_table(table, temporary, compression="zstd"))

    def remove(self, part: Part) -> None:
        """Remove a part whose rows are about to be computed again."""
        try:
            part.path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"cannot remove {part.path}: {error.strerror}") from None

    def supersede(self, part: Part) -> None:
        """Move a part made by another version of the study to ``superseded/``."""
        self._move(part.path, self.path / "superseded" / f"version-{part.version}" / part.path.name)

    def set_aside(self, damaged: Path) -> Path:
        """Move a damaged part to ``superseded/`` and add ``.damaged`` to its name; return the new path."""
        place = self.path / "superseded" / f"{damaged.name}.damaged"
        number = 1
        while place.exists():
            number += 1
            place = place.with_name(f"{damaged.name}.{number}.damaged")
        self._move(damaged, place)
        self.event("damaged", part=damaged.name, moved=str(place.relative_to(self.path)))
        return place

    def read(self, part: Part, columns: list[str] | None = None) -> pa.Table:
        """Read the rows of a part. Raises :class:`DamagedPartError` for a file that is damaged behind its footer."""
        try:
            return pq.read_table(part.path, columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise unreadable(part.path, error) from None

    def ids(self, parts: list[Part]) -> npt.NDArray[np.bytes_]:
        """Read the identities of all rows of some parts, as S32."""
        chunks = [
            np.array(self.read(part, ["cell_id"])["cell_id"].to_numpy(zero_copy_only=False), dtype="S32") for part in parts
        ]
        return np.concatenate(chunks) if chunks else np.empty(0, dtype="S32")

    def event(self, kind: str, **content: Any) -> None:
        """Append one line to ``events.jsonl``."""
        line = json.dumps({"time": round(time.time(), 3), "event": kind, **content}, default=str) + "\n"
        try:
            with (self.path / "events.jsonl").open("a", encoding="utf-8") as stream:
                stream.write(line)
        except OSError as error:
            raise StoreError(f"cannot write {self.path / 'events.jsonl'}: {error.strerror}") from None

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield every event; a line cut short by a kill is skipped."""
        path = self.path / "events.jsonl"
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(json.JSONDecodeError):
                    yield json.loads(line)

    def is_locked(self) -> bool:
        """Tell whether a launch holds the folder now."""
        return is_held(self.path / ".lock")

    @contextlib.contextmanager
    def lock(self, waiting: Callable[[], object] | None = None) -> Iterator[None]:
        """Lock the folder for one launch at a time; the system releases the lock when the process ends, however it ends.

        A second launch calls ``waiting()`` once and then waits its turn.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(hold(self.path / ".lock", waiting))
            except LockError as error:
                raise StoreError(f"cannot lock {self.path}: {error.strerror}") from None
            except OSError as error:
                raise StoreError(f"cannot write in {self.path}: {error.strerror}") from None
            yield

    def _files(self) -> list[Path]:
        return [path for path in sorted(self.results.glob("part-*.parquet")) if path.stem != _EMPTY]

    def _move(self, path: Path, place: Path) -> None:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
        except OSError as error:
            raise StoreError(f"cannot move {path} to {place.parent}: {error.strerror}") from None

    def _write(self, table: pa.Table, path: Path) -> None:
        self._replace(path, lambda temporary: write_rows(table, temporary))

    def _replace(self, path: Path, write: Callable[[Path], object]) -> None:
        try:
            with whole(path) as temporary:
                write(temporary)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror or error}") from None


def _write_bytes(path: Path, content: bytes) -> object:
    return path.write_bytes(content)


def _has_schema(path: Path, schema: pa.Schema) -> bool:
    """Tell whether a file is a whole Parquet file with these columns and this metadata."""
    try:
        found = pq.read_schema(path)
    except (OSError, pa.ArrowException):
        return False
    return bool(found.equals(schema) and (found.metadata or {}).get(b"w2s") == (schema.metadata or {}).get(b"w2s"))
