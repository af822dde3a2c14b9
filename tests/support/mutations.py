"""Mutated files of predictions, tables and texts, each with what it may do: a number that plain rules give, or a refusal.

A case is made in three steps, all from one seed. A small clean *content* (columns of cells, as text) is damaged: cells become
other names, numbers, encodings of nothing, columns are renamed, added, repeated. Plain rules (``plain_rules.py``), written without
the package, say what the damaged content means: numbers, or None where it has no meaning. A *style* then writes it, as CSV, JSON
lines, Parquet or Arrow, in one of many ways that mean the same, or damages the bytes; damaged bytes are read back by the csv and
json modules, to say what they mean now.

    faults(range(2000), folder)     what went wrong, a line each: an exception that is no message, a number where there is no
                                    meaning, another number, a refusal of what has a meaning
"""

from __future__ import annotations

import csv
import functools
import gzip
import io
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
from plain_rules import INDEX_NAMES, ROLES, Content, Numbers, meaning_of, reread
from solving import one

from sweeper import GridError
from w2s.errors import FieldError
from w2s.files.datafile import DataFileError
from w2s.finetune.data.items import Columns, draw_items
from w2s.finetune.data.tasks import TaskData

Random = np.random.Generator
MESSAGES = (GridError, FieldError, DataFileError)
"""What a person sees as one line."""

NASTY = (
    *("", " ", "NA", "nan", "null", "None", "?", "-", "007", "7", "1e5", "1E5", "100000", "1.0", "01", "+1", "-0", "0x10"),
    *("true", "True", "TRUE", "false", "yes", "Yes", "no ", " no", "9223372036854775813", "18446744073709551616", "1_000"),
    *("1,5", "1,234", "5%", "$5", "inf", "-inf", "1e400", "été", "e\u0301te\u0301", "\u00a0no", "日本", "a\tb", 'say "no"'),
    *("a,b", "a;b", "line\nbreak", "'no'", "2020-01-01", "[1, 2]", "{}", "0.5", "1e-5", ".5", "5.", "١", "\u200bno"),
)


@dataclass
class File:
    """A file of a case, and its meaning where the bytes no longer say what the content says."""

    name: str
    data: bytes
    done: list[str] = field(default_factory=list)
    refused: bool = False
    reread: bool = False


# ---------------------------------------------------------------- clean contents


def classes(rng: Random) -> Content:
    names = [["0", "1"], ["no", "yes"], ["cat", "dog", "eel"], ["1", "2", "10"], ["true", "false", "neither"]][rng.integers(5)]
    truth = [names[k] for k in np.concatenate([np.arange(len(names)), rng.integers(0, len(names), 24 - len(names))])]
    models = {role: [t if rng.random() < p else names[rng.integers(len(names))] for t in truth] for role, p in _SKILLS}
    return Content("class", {"item_id": _ids(rng, len(truth)), "truth": truth, **models})


def probabilities(rng: Random) -> Content:
    truth = rng.integers(0, 2, 24)
    models = {
        role: [f"{t * p / 2 + (1 - p / 2) * u:.4f}" for t, u in zip(truth, rng.random(24), strict=True)] for role, p in _SKILLS
    }
    return Content("probability", {"item_id": _ids(rng, 24), "truth": [str(t) for t in truth], **models})


def values(rng: Random) -> Content:
    truth = rng.standard_normal(24)
    models = {
        role: [f"{t + (1.2 - p) * u:.3f}" for t, u in zip(truth, rng.standard_normal(24), strict=True)] for role, p in _SKILLS
    }
    return Content("value", {"item_id": _ids(rng, 24), "truth": [f"{t:.3f}" for t in truth], **models})


def table(rng: Random) -> Content:
    x = rng.standard_normal((40, 3)).round(3)
    y = x @ [1.0, -2.0, 0.5] + 0.1 * rng.standard_normal(40)
    return Content(
        "table", {name: [f"{v:g}" for v in x[:, k]] for k, name in enumerate("abc")} | {"y": [f"{v:.3f}" for v in y]}
    )


def labelled_table(rng: Random) -> Content:
    content = table(rng)
    names = [["0", "1"], ["no", "yes"], ["007", "7"], ["NA", "US"], ["1e5", "100000"]][rng.integers(5)]
    y = [names[float(a) > 0] for a in content.cells["a"]]
    return Content("labelled", content.cells | {"y": y})


def texts(rng: Random) -> Content:
    words = rng.permutation(400)[:40]
    names = [["0", "1"], ["no", "yes"], ["low", "middle", "high"]][rng.integers(3)]
    labels = [names[k % len(names)] for k in range(40)]
    return Content("task", {"text": [f"text {k}" for k in words], "label": labels, "note": [str(k % 7) for k in range(40)]})


_SKILLS = (("weak", 0.3), ("student", 0.6), ("ceiling", 0.95))
CONTENTS: tuple[Callable[[Random], Content], ...] = (classes, classes, probabilities, values, table, labelled_table, texts)


def _ids(rng: Random, count: int) -> list[str]:
    first = [0, 9223372036854775800, 1][rng.integers(3)]
    ids = [str(first + k) for k in range(count)]
    return ids if rng.random() < 0.5 else [f"q{name}" for name in ids]


# ---------------------------------------------------------------- damage to contents


def a_cell(content: Content, rng: Random) -> Content:
    name = _pick(rng, content.cells)
    cells, row, new = [*content.cells[name]], int(rng.integers(len(content.cells[name]))), _pick(rng, NASTY)
    cells[row] = new
    return content.with_column(name, cells, f"{name}[{row}] = {new!r}")


def a_value_everywhere(content: Content, rng: Random) -> Content:
    """Write one of the values of a column otherwise, in this column alone."""
    name = _pick(rng, content.cells)
    old, new = _pick(rng, content.cells[name]), _pick(rng, (*NASTY, *_variants(_pick(rng, content.cells[name]))))
    return content.with_column(
        name, [new if cell == old else cell for cell in content.cells[name]], f"{name}: {old!r} -> {new!r}"
    )


def a_column_spelled_otherwise(content: Content, rng: Random) -> Content:
    name, way = _pick(rng, content.cells), int(rng.integers(len(_variants("x"))))
    return content.with_column(name, [_variants(cell)[way] for cell in content.cells[name]], f"{name} in spelling {way}")


def all_names_otherwise(content: Content, rng: Random) -> Content:
    """Rename classes in every column at once."""
    columns = [
        name
        for name in {"class": ROLES[1:], "labelled": "y", "task": ("label",)}.get(content.kind, ())
        if name in content.cells
    ]
    old = list(dict.fromkeys(cell for name in columns for cell in content.cells[name]))
    named = dict(zip(old, (NASTY[k] for k in rng.permutation(len(NASTY))), strict=False))
    for name in columns:
        content = content.with_column(name, [named.get(cell, cell) for cell in content.cells[name]], f"{name}: {named}")
    return content


def other_ids(content: Content, rng: Random) -> Content:
    if "item_id" not in content.cells:
        return content
    ids = content.cells["item_id"]
    made = [[f"{k:03d}" for k in range(len(ids))], [f" {name} " for name in ids], [f"{k}e5" for k in range(len(ids))]]
    made += [[str(2**63 + k) for k in range(len(ids))], [f"{k}.0" for k in range(len(ids))], [*ids[:-1], ids[0]]]
    return content.with_column("item_id", made[rng.integers(len(made))], "other ids")


def rows_in_another_order(content: Content, rng: Random) -> Content:
    if content.kind in ("table", "labelled"):  # the split of a table goes by place
        return content
    order = rng.permutation(len(next(iter(content.cells.values()))))
    cells = {name: [column[k] for k in order] for name, column in content.cells.items()}
    return replace(content, cells=cells, done=(*content.done, "rows in another order"))


def columns_in_another_order(content: Content, rng: Random) -> Content:
    if content.kind in ("table", "labelled"):  # a permutation of inputs moves the last bits
        return content
    names = list(content.cells)
    cells = {names[k]: content.cells[names[k]] for k in rng.permutation(len(names))}
    return replace(content, cells=cells, done=(*content.done, "columns in another order"))


def a_column_more(content: Content, rng: Random) -> Content:
    count = len(next(iter(content.cells.values())))
    name = _pick(rng, ("note", "x y", "größe", "Seed", "GROUP", "weak_7", *INDEX_NAMES))
    cells = [
        [_pick(rng, NASTY) for _ in range(count)],
        [str(k) for k in range(count)],
        [f"word {'abc'[k % 3]}" for k in range(count)],
        [["true", "false"][k % 2] for k in range(count)],
        [f"{v:.2f}" for v in rng.standard_normal(count)],
    ][rng.integers(5)]
    return content.with_column(name, cells, f"column {name!r} = {cells[:3]}")


def a_pandas_index(content: Content, rng: Random) -> Content:
    count = len(next(iter(content.cells.values())))
    content = content.with_column("row", [str(k) for k in range(count)], "a pandas index")
    return replace(content, index=("row",))


def a_column_less(content: Content, rng: Random) -> Content:
    name = _pick(rng, content.cells)
    return replace(content, cells={k: v for k, v in content.cells.items() if k != name}, done=(*content.done, f"no {name}"))


def a_column_renamed(content: Content, rng: Random) -> Content:
    old = _pick(rng, content.cells)
    new = _pick(rng, (f" {old} ", old.upper(), f"{old}_", f"{old}.1"))
    cells = {new if name == old else name: column for name, column in content.cells.items()}
    return replace(content, cells=cells, done=(*content.done, f"{old} -> {new!r}"))


def a_column_twice(content: Content, rng: Random) -> Content:
    name = _pick(rng, content.cells)
    return replace(content, twice=name, done=(*content.done, f"{name} twice"))


def nothing(content: Content, rng: Random) -> Content:
    return content


DAMAGE: tuple[Callable[[Content, Random], Content], ...] = (
    *(a_cell, a_cell, a_cell, a_value_everywhere, a_column_spelled_otherwise, a_column_spelled_otherwise, all_names_otherwise),
    *(other_ids, rows_in_another_order, columns_in_another_order, a_column_more, a_column_more, a_pandas_index, a_column_less),
    *(a_column_renamed, a_column_twice, nothing, nothing),
)


def _variants(cell: str) -> list[str]:
    return [cell.upper(), cell.title(), f"{cell}.0", f"0{cell}", f"{cell} ", f" {cell}", f"{cell}e0", f"+{cell}", f"<{cell}>"]


def _pick(rng: Random, choices: Iterable[Any]) -> Any:
    listed = list(choices)
    return listed[rng.integers(len(listed))]


# ---------------------------------------------------------------- styles


def as_csv(content: Content, rng: Random) -> File:
    rows, name = _rows(content), "mine.csv"
    quoting = _pick(rng, (csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    end = _pick(rng, ("\n", "\r\n"))
    stream = io.StringIO(newline="")
    csv.writer(stream, quoting=quoting, lineterminator=end).writerows(rows)
    data = stream.getvalue().encode()
    if rng.random() < 0.2:
        data = b"\xef\xbb\xbf" + data
    return File(name, data, ["CSV", f"quoting {quoting}", repr(end)])


def as_json(content: Content, rng: Random) -> File:
    """Cells as JSON numbers where a column's cells are ones, or as strings; empty cells null, absent or empty."""
    names, empty, ascii_ = list(content.cells), _pick(rng, ("null", "absent", "text")), bool(rng.random() < 0.5)
    literal = {name: rng.random() < 0.6 and any(re.fullmatch(_JSON, cell) for cell in content.cells[name]) for name in names}
    lines = []
    for row in zip(*content.cells.values(), strict=True):
        parts = []
        for name, cell in zip(names, row, strict=True):
            if cell == "" and empty != "text":
                parts += [] if empty == "absent" else [f"{json.dumps(name)}: null"]
                continue
            written = cell if literal[name] and re.fullmatch(_JSON, cell) else json.dumps(cell, ensure_ascii=ascii_)
            parts.append(f"{json.dumps(name)}: {written}")
        if content.twice:
            parts.append(f"{json.dumps(content.twice)}: 1")
        lines.append("{" + ", ".join(parts) + "}")
    return File(
        "mine.jsonl",
        ("\n".join(lines) + "\n").encode(),
        ["JSON lines", f"empty {empty}", f"numbers {[n for n in names if literal[n]]}"],
    )


def as_arrow(content: Content, rng: Random) -> File:
    """Cells as text of any kind, or as numbers where that keeps them: whole numbers below 2^64, booleans."""
    names, arrays, kinds = list(content.cells), [], []
    for name in names:
        decimals = content.kind in ("probability", "value", "table", "labelled") and name != "item_id"
        decimals &= not (content.kind == "labelled" and name.strip() == "y")
        arrays.append(_typed(content.cells[name], rng, numbers=name.strip() != "text", decimals=decimals))
        kinds.append(str(arrays[-1].type))
    if content.twice:
        names, arrays = [*names, content.twice], [*arrays, arrays[names.index(content.twice)]]
    made = pa.table(arrays, names=names)
    if content.index:
        made = made.replace_schema_metadata({"pandas": json.dumps({"index_columns": list(content.index), "columns": []})})
    sink = pa.BufferOutputStream()
    ending = _pick(rng, ("parquet", "arrow", "feather"))
    if ending == "parquet":
        pq.write_table(made, sink)
    elif ending == "feather":
        with pa.ipc.new_file(sink, made.schema) as writer:
            writer.write_table(made)
    else:
        with pa.ipc.new_stream(sink, made.schema) as writer:
            writer.write_table(made)
    return File(f"mine.{ending}", sink.getvalue().to_pybytes(), [ending, *kinds])


def _typed(cells: list[str], rng: Random, *, numbers: bool, decimals: bool) -> pa.Array:
    kinds: list[Callable[[], pa.Array]] = [
        lambda: pa.array(cells),
        lambda: pa.array(cells, pa.large_string()),
        lambda: pa.array([cell or None for cell in cells]),
        lambda: pa.array(cells).dictionary_encode(),
    ]
    there = [cell for cell in cells if cell != ""]
    if numbers and there and all(re.fullmatch(r"0|-?[1-9][0-9]{0,19}", cell) for cell in there):
        whole = [int(cell) if cell else None for cell in cells]
        stored = (pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64(), pa.decimal128(38, 0))
        fitting = [kind for kind in stored if all(value is None or _fits(value, kind) for value in whole)]
        kinds += [functools.partial(pa.array, whole, kind) for kind in fitting]
    if decimals and there and all(re.fullmatch(r"-?[0-9]+(\.[0-9]{1,4})?", cell) for cell in there):
        kinds += [lambda: pa.array([float(cell) if cell else None for cell in cells])] * 4
    if numbers and there and set(there) <= {"true", "false"}:
        kinds.append(lambda: pa.array([cell == "true" if cell else None for cell in cells]))
    return kinds[rng.integers(len(kinds))]()


def _fits(value: int, kind: pa.DataType) -> bool:
    bounds = {"int8": 2**7, "int64": 2**63, "float": 2**24, "double": 2**53}
    return 0 <= value < 2**64 if kind == pa.uint64() else abs(value) < bounds.get(str(kind), 10**20)


_JSON = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?|true|false"
STYLES: tuple[Callable[[Content, Random], File], ...] = (as_csv, as_csv, as_json, as_arrow)


def _rows(content: Content) -> list[list[str]]:
    more = [content.twice] if content.twice else []
    names = [*content.cells, *more]
    return [names, *([content.cells[name][k] for name in names] for k in range(len(next(iter(content.cells.values())))))]


# ---------------------------------------------------------------- damage to bytes


def in_gzip(file: File, rng: Random) -> File:
    return replace(file, name=f"{file.name}.gz", data=gzip.compress(file.data), done=[*file.done, "gzip"])


def in_another_encoding(file: File, rng: Random) -> File:
    word = _pick(rng, ("utf-16", "utf-16-le", "utf-32", "latin-1"))
    if word == "latin-1" and file.data.isascii():
        return file
    try:
        data = file.data.decode().encode(word)
    except UnicodeError:
        return file
    return replace(file, data=data, done=[*file.done, word], refused=True)


def with_a_nul(file: File, rng: Random) -> File:
    place = int(rng.integers(len(file.data)))
    return replace(file, data=file.data[:place] + b"\0" + file.data[place:], done=[*file.done, f"NUL at {place}"], refused=True)


def cut_short(file: File, rng: Random) -> File:
    place = int(rng.integers(len(file.data)))
    return replace(file, data=file.data[:place], done=[*file.done, f"cut at {place}"], reread=True)


def with_another_byte(file: File, rng: Random) -> File:
    data, place = bytearray(file.data), int(rng.integers(len(file.data)))
    data[place] = _pick(rng, (*b'",\n\r;{}[]: 0123456789abcxyz-+.', 0xE9, 0xFF, int(rng.integers(256))))
    return replace(file, data=bytes(data), done=[*file.done, f"byte {place} = {data[place]:#x}"], reread=True)


def without_a_piece(file: File, rng: Random) -> File:
    first, count = int(rng.integers(len(file.data))), int(rng.integers(1, 40))
    data = file.data[:first] + file.data[first + count :]
    return replace(file, data=data, done=[*file.done, f"without {file.data[first : first + count]!r}"], reread=True)


BYTES: tuple[Callable[[File, Random], File], ...] = (
    *(in_gzip, in_another_encoding, with_a_nul, cut_short, with_another_byte, with_another_byte, without_a_piece),
)


# ---------------------------------------------------------------- what the package makes of a file


def found_numbers(kind: str, folder: Path, name: str) -> Any:
    """Return what the package reads: numbers, or a mapping of texts to classes."""
    if kind == "task":
        parts, names, _ = draw_items(
            TaskData.find(name, folder),
            Columns(),
            {"labeled": None, "transfer": 0, "validation": 0, "test": 0},
            balance=False,
            seed=0,
        )
        return {item.example.text: names[item.example.label] for item in parts["labeled"]}
    if kind in ("table", "labelled"):
        return table_numbers(kind, folder, name)
    row = one("predictions", folder=folder, file=name, kind=kind)
    names = ("weak_error", "student_error", "ceiling_error", *([] if kind == "probability" else ["misfit"]))
    return {column: float(row[column]) for column in names}


def table_numbers(kind: str, folder: Path, name: str) -> Numbers:
    options: dict[str, Any] = {
        "weak_features": "inputs",
        "strong_features": "inputs",
        "n_labeled": 12,
        "n_transfer": 14,
        "n_test": 10,
    }
    options |= {
        "ridge": 0.1,
        "ridge_weak": 0.1,
        "preprocess": "standardise",
        "task": "regression" if kind == "table" else "classification",
    }
    row = one("probe.table", folder=folder, data=name, **options)
    return {column: float(row[column]) for column in ("weak_error", "student_error", "ceiling_error")}


def expected(content: Content, numbers_are_text: frozenset[str], folder: Path) -> Any:
    """Return the meaning of a content, for a table the numbers of a plain file of its inputs and target."""
    meaning = meaning_of(content, numbers_are_text)
    if meaning is None or content.kind not in ("table", "labelled"):
        return meaning
    pq.write_table(pa.table(meaning), folder / "plain.parquet")
    return table_numbers(content.kind, folder, "plain.parquet")


def faults(seeds: Iterable[int], folder: Path) -> list[str]:
    """Make the cases of some seeds and return what went wrong, a line each."""
    return [fault for seed in seeds if (fault := fault_of(seed, folder))]


def fault_of(seed: int, folder: Path) -> str | None:
    """Make one case; return what went wrong, None where all is well."""
    place = folder / f"{seed}"
    place.mkdir()
    content, file, meaning = case(np.random.default_rng([7, seed]), place)
    (place / file.name).write_bytes(file.data)
    what = f"seed {seed}, {content.kind}: {'; '.join((*content.done, *file.done))}"
    try:
        found = found_numbers(content.kind, place, file.name)
    except MESSAGES as error:
        if file.name not in str(error) and Path(file.name).stem not in str(error):
            return f"{what}: the message does not name the file: {error}"
        return None if meaning is None else f"{what}: refused: {error}"
    except Exception as error:
        return f"{what}: {type(error).__name__}: {error}"
    if meaning is None:
        return f"{what}: {found} where nothing is meant"
    same = (
        found == meaning
        if content.kind == "task"
        else np.allclose([found[k] for k in meaning], [*meaning.values()], 1e-6, 1e-9, True)
    )
    return None if same else f"{what}: {found} instead of {meaning}"


def case(rng: Random, folder: Path) -> tuple[Content, File, Any]:
    """A damaged content, the file that says it, and its meaning."""
    content = _pick(rng, CONTENTS)(rng)
    for _ in range(int(rng.integers(1, 3))):
        content = _pick(rng, DAMAGE)(content, rng) if content.cells else content
    if content.twice not in content.cells:
        content = replace(content, twice=None)
    file = _pick(rng, STYLES)(content, rng)
    if file.name.endswith((".csv", ".jsonl")):
        content = replace(content, index=())  # such a file marks no index
    if rng.random() < 0.3 and file.name.endswith((".csv", ".jsonl")):
        file = _pick(rng, BYTES)(file, rng)
    said = reread(content, file.name, file.data) if file.reread else content
    if file.refused or said is None:
        return content, file, None
    return said, file, expected(said, _stored_as_text(file, said), folder)


def _stored_as_text(file: File, content: Content) -> frozenset[str]:
    """Columns of a table whose type in the file is text."""
    if file.name.endswith((".csv", ".csv.gz")):
        return frozenset()
    if ".jsonl" in file.name:
        data = gzip.decompress(file.data) if file.name.endswith(".gz") else file.data
        rows = [json.loads(line) for line in data.decode("utf-8-sig").split("\n") if line.strip()]
        names = {name.strip(): name for name in content.cells}
        there = {name: [row[old] for row in rows if row.get(old) is not None] for name, old in names.items()}
        return frozenset(name for name, cells in there.items() if cells and all(isinstance(cell, str) for cell in cells))
    source = pa.BufferReader(file.data)
    if file.name.endswith("parquet"):
        schema = pq.read_schema(source)
    else:
        schema = (pa.ipc.open_file(source) if file.name.endswith("feather") else pa.ipc.open_stream(source)).schema
    kinds = {column.name.strip(): column.type for column in schema}
    decoded = {name: kind.value_type if pa.types.is_dictionary(kind) else kind for name, kind in kinds.items()}
    return frozenset(name for name, kind in decoded.items() if pa.types.is_string(kind) or pa.types.is_large_string(kind))
