"""Rows of a table by the variant of the method that made them, and pairs of variants that differ in one option."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from w2s.finetune.methods.registry import find_method
from w2s.finetune.methods.text import parse_method
from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Variant", "paired", "variants"]


@dataclass(frozen=True)
class Variant:
    """One variant of ``aligner`` in one setting: the method's options, and its rows by seed."""

    options: Mapping[str, Any]
    place: tuple[Any, ...]
    rows: DataFrame

    @property
    def is_plain(self) -> bool:
        """Whether it is the method as it is meant: a corrector with a warm-up, one round, targets."""
        wanted = {"writer": "aligner", "rounds": 1, "mode": "sft"}
        return all(self.options[name] == value for name, value in wanted.items()) and self.options["warmup"] > 0


def variants(table: DataFrame) -> list[Variant]:
    """List the variants of ``aligner`` in a table, in order of appearance; rows of other methods are left out."""
    others = [name for name in columns.cell_fields(table) if name not in ("seed", "method") and name in table]
    codes, _ = columns.group_codes(table, [*others, "method"])
    found, builder = [], find_method("aligner")
    for code in dict.fromkeys(codes):
        rows = table[codes == code].sort_values("seed")
        rows.attrs = table.attrs
        method = parse_method(str(rows["method"].iloc[0]))
        if method.name == "aligner":
            place = tuple(str(rows[name].iloc[0]) for name in others)
            found.append(Variant(builder.options.checked("method 'aligner'", method.settings), place, rows))
    return found


def paired(
    table: DataFrame, fits: Callable[[Mapping[str, Any]], bool], free: tuple[str, ...]
) -> Iterator[tuple[DataFrame, DataFrame]]:
    """Yield rows of plain variants and of partners, seed by seed: those that ``fit`` and differ in ``free`` options alone."""
    known = variants(table)
    for plain in filter(lambda variant: variant.is_plain, known):
        for other in known:
            same = all(plain.options[name] == other.options[name] for name in plain.options if name not in free)
            if same and other.place == plain.place and fits(other.options):
                seeds = sorted(set(plain.rows["seed"]) & set(other.rows["seed"]))
                first, second = (rows[rows["seed"].isin(seeds)].set_index("seed") for rows in (plain.rows, other.rows))
                yield first, second
