"""What pretrained ladders say, as tests on a table: bits per byte by size.

A line holds the sizes of one ladder: cells that differ in layers, width, heads and learning rate alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from w2s.claims.claim import Claim, Thresholds, Verdict
from w2s.claims.overlooks import ANY_ORDER
from w2s.claims.trends import Line, steps
from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS", "ladders"]

_SIZE = ("layers", "hidden", "heads", "learning_rate")
"""Fields that make a size; the rate goes with it, since larger models need smaller ones."""


def ladders(table: DataFrame, name: str, least: int) -> list[Line]:
    """Cut a table into ladders: the column ``name`` by number of parameters, on the seeds that every size has.

    Only ladders with ``least`` sizes or more and two such seeds are returned.
    """
    usable = table[table[name].notna()]
    codes, _ = columns.group_codes(usable, [field for field in columns.cell_fields(usable) if field not in (*_SIZE, "seed")])
    found = []
    for code in dict.fromkeys(codes):
        wide = usable[codes == code].pivot_table(index="seed", columns="parameters", values=name).dropna()
        if wide.shape[1] >= least and len(wide) > 1:
            fields = {str(key): value for key, value in usable[codes == code].iloc[0].items()}
            values = wide.to_numpy(float)[:, :, None]
            found.append(Line(wide.columns.to_numpy(), fields, tuple(wide.index), values))
    return found


def _falls(name: str) -> Callable[[DataFrame, Thresholds], Verdict]:
    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        return steps(
            ladders(table, name, int(limits["sizes"])),
            lambda means: means[:, 0],
            f"{name} from one size to the next",
            rises=False,
            threshold=0.0,
            nothing=f"needs {limits['sizes']:g} sizes of one ladder with two seeds or more each",
        )

    return test


_TEACHERS = dict.fromkeys(("teacher_up", "teacher_down", "teacher_noisy", "ceiling_is_teacher"), "no teacher is in the table")

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "bits_fall_with_size",
        "held-out bits per byte fall from each size of a ladder to the next, over four sizes or more, on equally many tokens",
        "control of ours: a ladder of models is one of abilities",
        _falls("bits_per_byte"),
        {"bits_per_byte": 2, "parameters": 4},
        {"sizes": 4, "seeds": 8},
        basis="the sentence is about a direction; four sizes are the least that we call a ladder",
        overlooks=ANY_ORDER | _TEACHERS,
    ),
    Claim(
        "other_bits_fall_with_size",
        "so they do on a text of another kind",
        "control of ours: more than the corpus is learned",
        _falls("other_bits_per_byte"),
        {"other_bits_per_byte": 2, "parameters": 4},
        {"sizes": 4, "seeds": 8},
        basis="the sentence is about a direction",
        overlooks=ANY_ORDER | _TEACHERS,
    ),
)
