"""One set of items per task, seed and sizes, the same for every model: who is labelled, who is transferred, who is tested.

Groups (one passage, one question) are shuffled by seed and never torn: labelled items come from the front, transfer and
validation items from the back. The test part does not depend on the seed. Truth is an artifact of its own, keyed by item id.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from w2s.artifacts import Work, artifact
from w2s.errors import FieldError
from w2s.finetune.data.formatters import Example, Formatter, row_digest
from w2s.finetune.data.sides import outer_side
from w2s.finetune.data.tables import write_table
from w2s.finetune.data.tasks import TaskData, formatter_of, read_rows

__all__ = ["PARTS", "Columns", "Item", "draw_items", "dropped_items", "items", "truth"]

PARTS = ("labeled", "transfer", "validation", "test")
"""``labeled`` trains the weak model on truth, ``transfer`` the student on weak labels; ``validation`` is for stopping early."""
_SHOWN = 6
"""Classes whose numbers of items an error lists."""


@dataclass(frozen=True)
class Columns:
    """Column names in a file of one's own; a named task does not look at them."""

    text: str = "text"
    label: str = "label"
    pair: str | None = None
    group: str | None = None


class Item(NamedTuple):
    """An example with its identity."""

    id: str
    example: Example


@artifact(version=1, name="w2s.items", later=("shift",))
def items(
    work: Work,
    *,
    task: TaskData,
    columns: Mapping[str, str | None],
    sizes: Mapping[str, int | None],
    balance: bool,
    seed: int,
    shift: str = "none",
) -> None:
    """Write ``items.arrow`` (item_id, text, pair, group, part) and ``counts.json``; no labels.

    A task of pairs has another column, ``other``: ``text`` is a prompt, ``pair`` and ``other`` are two replies to it. A task of
    prompts has another one, ``draft``: what a careless writer answers, null where the task knows none.

    ``sizes`` has the parts of :data:`PARTS`, see :func:`draw_items`.
    """
    parts, classes, counts = draw_items(task, Columns(**columns), sizes, balance=balance, seed=seed, shift=shift)  # type: ignore[arg-type]
    rows = [(item, part) for part in PARTS for item in parts[part]]
    columns_of = {
        "item_id": [item.id for item, _ in rows],
        "text": [item.example.text for item, _ in rows],
        "pair": [item.example.pair for item, _ in rows],
        "group": [item.example.group for item, _ in rows],
        "part": [part for _, part in rows],
    }
    formatter = formatter_of(task, **columns)  # type: ignore[arg-type]
    if formatter.pairs:
        columns_of["other"] = [item.example.other for item, _ in rows]
    if formatter.prompts:
        columns_of["draft"] = [item.example.draft for item, _ in rows]
    write_table(work.folder, "items", pa.table({name: pa.array(values, pa.string()) for name, values in columns_of.items()}))
    (work.folder / "counts.json").write_text(json.dumps({"classes": classes, **counts}, indent=1))


@artifact(version=1, name="w2s.truth", later=("shift",))
def truth(
    work: Work,
    *,
    task: TaskData,
    columns: Mapping[str, str | None],
    sizes: Mapping[str, int | None],
    balance: bool,
    seed: int,
    shift: str = "none",
) -> None:
    """Write ``truth.arrow`` (item_id, truth) of the same items; of prompts (item_id, answer), the reference.

    Truth is a value of its own: a training can read it only if it is among the training's inputs, which a plan shows.
    """
    parts, _, _ = draw_items(task, Columns(**columns), sizes, balance=balance, seed=seed, shift=shift)  # type: ignore[arg-type]
    drawn = [item for part in PARTS for item in parts[part]]
    if formatter_of(task, **columns).prompts:  # type: ignore[arg-type]
        known = {"answer": pa.array([item.example.answer for item in drawn], pa.string())}
    else:
        known = {"truth": pa.array([item.example.label for item in drawn], pa.int64())}
    write_table(work.folder, "truth", pa.table({"item_id": pa.array([item.id for item in drawn], pa.string()), **known}))


def dropped_items(folder: Path) -> int:
    """Count the rows that can be in no part: unreadable, empty, without a label, listed twice, or in the test part too."""
    counts = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
    return sum(int(count) for count in counts["dropped"].values())


def draw_items(
    task: TaskData, columns: Columns, sizes: Mapping[str, int | None], *, balance: bool, seed: int, shift: str = "none"
) -> tuple[dict[str, list[Item]], list[str], dict[str, Any]]:
    """Return the items of every part, the class names, and how many rows were dropped and why.

    ``sizes["test"]`` may be None: all test rows (after balancing), or a quarter of a file that has no test part. With a
    ``shift`` labelled items are of the inner side of the task, all others of the outer one (:mod:`w2s.finetune.data.sides`).
    Raises :class:`FieldError` when there are too few items for a part, with what became of the rows, or fewer than two classes.
    """
    formatter = formatter_of(task, columns.text, columns.label, columns.pair, columns.group)
    pool, dropped_train = _read_items(task, "train", formatter)
    tested, wanted, dropped = pool, sizes["test"], dict(dropped_train)
    if task.has_test_part:
        tested, dropped_test = _read_items(task, "test", formatter)
        dropped |= {f"test_{reason}": count for reason, count in dropped_test.items()}
    elif wanted is None:
        wanted = len(pool) // 4
    pool, tested, classes = _numbered(f"{task.name}: the label column {columns.label!r}", formatter, pool, tested)
    outer = None if shift == "none" else _outer_items(task, formatter, shift)
    outside = tested if outer is None else [item for item in tested if item.id in outer]
    wanted = None if wanted is None else min(wanted, len(outside)) if sizes["test"] is None else wanted
    parts: dict[str, list[Item]] = {}

    def take(part: str, order: Sequence[Item], count: int | None, taken: set[str]) -> list[Item]:
        try:
            return _take(part, order, count, classes, taken, balance, task.name)
        except FieldError as error:
            quarter = "a quarter of the file" if not task.has_test_part and sizes["test"] is None else ""
            account = _account(parts, quarter, order, classes, dropped)
            raise FieldError(f"{error}; {account}; ask for fewer", error.field) from None

    parts["test"] = take("test", _by_group(outside, "test"), wanted, set())
    # With a test file of its own, what stands there too is no training item; without, what was taken is none.
    closed = {item.example.group for item in (tested if task.has_test_part else parts["test"])}
    free = [item for item in pool if item.example.group not in closed]
    dropped |= {"in_test": len(pool) - len(free)} if task.has_test_part else {}
    order, taken = _by_group(free, f"shuffle-{seed}"), set[str]()
    inner = order if outer is None else [item for item in order if item.id not in outer]
    parts["labeled"] = take("labeled", inner, sizes["labeled"], taken)
    order = order if outer is None else [item for item in order if item.id in outer]
    for part in ("transfer", "validation"):
        parts[part] = take(part, order[::-1], sizes[part], taken)
    return parts, classes, {"dropped": dropped, "available": len(free), "sizes": {part: len(parts[part]) for part in PARTS}}


def _account(
    parts: Mapping[str, Sequence[Item]], quarter: str, pool: Sequence[Item], classes: Sequence[str], dropped: Mapping[str, int]
) -> str:
    """Say what other parts have taken, how many items of each class the pool has, and which rows were left out."""
    notes = {"test": f" ({quarter})" if quarter else ""}
    taken = [f"{len(found):,} {part}{notes.get(part, '')}" for part, found in parts.items()]
    tally = Counter(item.example.label for item in pool).most_common(_SHOWN)
    found = ", ".join(f"{classes[label]!r} {count:,}" for label, count in tally)
    more = f" and {len(classes) - _SHOWN} more" if len(classes) > _SHOWN else ""
    left_out = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in dropped.items() if count)
    said = [
        f"taken: {', '.join(taken)}" if taken else "",
        f"classes: {found}{more}",
        f"left out: {left_out}" if left_out else "",
    ]
    return "; ".join(filter(None, said))


@functools.lru_cache(maxsize=2)
def _outer_items(task: TaskData, formatter: Formatter, shift: str) -> Set[str]:
    """Return the identities of a task's items on its outer side, which are the same for every seed."""
    pool, tested = (_read_items(task, split, formatter)[0] for split in ("train", "test" if task.has_test_part else "train"))
    pool, tested, _ = _numbered(task.name, formatter, pool, tested)
    outer = outer_side([_text(item) for item in pool], shift)
    return frozenset(name for name, item in {item.id: item for item in (*pool, *tested)}.items() if outer(_text(item)))


def _text(item: Item) -> str:
    """Join all texts of an item, by which its side is decided."""
    example = item.example
    return " ".join(text for text in (example.text, example.pair, example.other) if text)


@functools.lru_cache(maxsize=2)
def _read_items(task: TaskData, split: str, formatter: Formatter) -> tuple[Sequence[Item], Mapping[str, int]]:
    """Read items in file order; leave out unreadable, unlabelled, empty and repeated rows, and count them by reason.

    Both parts of the last task are kept: a grid draws from them for every seed, items and truth.
    """
    found: dict[str, Item] = {}
    dropped: Counter[str] = Counter()
    seen: dict[tuple[str | None, ...], Any] = {}
    for row in read_rows(task, split, formatter):
        try:
            example = formatter.read(row)
        except (TypeError, ValueError, IndexError):
            dropped["unreadable"] += 1
            continue
        key = (example.text, example.pair, example.other)
        if example.label is None:
            dropped["no_label"] += 1
        elif not example.text.strip():
            dropped["empty"] += 1
        elif key in seen:
            dropped["duplicate" if seen[key] == example.label else "duplicate_with_another_label"] += 1
        else:
            seen[key] = example.label
            name = row_digest(row)
            found[name] = Item(name, example)
    return tuple(found.values()), dict(dropped)


def _numbered(where: str, formatter: Formatter, *lists: Sequence[Item]) -> tuple[list[Item], list[Item], list[str]]:
    """Number the labels of a user's file; check those of a known task.

    Returns both lists of items, without items whose label is out of range, and the class names.
    """
    if formatter.classes:
        strange = [item for part in lists for item in part if not 0 <= item.example.label < len(formatter.classes)]
        pools = [[item for item in part if 0 <= item.example.label < len(formatter.classes)] for part in lists]
        if len(strange) == sum(map(len, lists)):
            raise FieldError(f"{formatter.name}: no row has a label in 0..{len(formatter.classes) - 1}")
        return pools[0], pools[1], list(formatter.classes)
    names = sorted({item.example.label for part in lists for item in part})
    if len(names) < 2:
        raise FieldError(f"{where} has {len(names)} value(s); classification needs two or more")
    if len(names) > 100:
        raise FieldError(f"{where} has {len(names)} different values; is it a class label?")
    number = {name: k for k, name in enumerate(names)}
    pools = [[Item(i.id, i.example._replace(label=number[i.example.label])) for i in part] for part in lists]
    return pools[0], pools[1], names


def _by_group(pool: Iterable[Item], name: str) -> list[Item]:
    """Sort items by a hash of their group, then of themselves: a shuffle that keeps groups together."""

    def rank(text: str) -> bytes:
        return hashlib.blake2b(text.encode(), digest_size=8, person=b"w2s-order", key=name.encode()[:64]).digest()

    return sorted(pool, key=lambda item: (rank(item.example.group), item.example.group, rank(item.id)))


def _take(
    part: str, order: Sequence[Item], count: int | None, classes: list[str], taken: set[str], balance: bool, task: str
) -> list[Item]:
    """Take ``count`` items (None: all) from the front of an order, with ``balance`` equally many of each class.

    The groups of the chosen items are added to ``taken``, so that no later part uses them.
    """
    free = [item for item in order if item.example.group not in taken]
    tally = Counter(item.example.label for item in free)
    if count is None:
        count = min(tally[k] for k in range(len(classes))) * len(classes) if balance else len(free)
    quota = {k: count // len(classes) + (k < count % len(classes)) for k in range(len(classes))} if balance else None
    chosen: list[Item] = []
    for item in free:
        if len(chosen) == count:
            break
        if quota is None or quota[item.example.label] > 0:
            chosen.append(item)
            if quota is not None:
                quota[item.example.label] -= 1
    if len(chosen) < count:
        short = "" if quota is None else f" with {count // len(classes)} of each class"
        raise FieldError(f"{task}: {count} {part} items{short} are asked for, {len(chosen)} are left", f"n_{part}")
    taken.update(item.example.group for item in chosen)
    return chosen
