"""Seeds until a number is known: what the rule saves, and how often the intervals at which it stops cover.

*Saves.* A grid of 16 settings, four of which have four times the variance of the others, is launched with `seeds: {until:
...}`, and with the number of seeds at which every setting is known as well: the first of 8, 16, 32, ... at which the same
interval is narrow enough everywhere. Both are launched in turns, inline, with a fit of some milliseconds in every cell, and
their seconds and cells are compared. Two numbers that nobody knows beforehand are shown beside: the very least number of
seeds, and the least for somebody who looks once, with an interval of 95 %. How the cells compare at other half widths is
counted on the same rows.

*Covers.* Errors of weak model, student and ceiling are drawn from four laws; the rule stops each of 2,000 tables where it
will. The share of final intervals that hold the true PGR is compared with their level, where the gap is more than ten
standard errors. The ordinary interval of 95 % on the same seeds is shown too: it does not know that the seeds were chosen by
their numbers.

    python benchmarks/adaptive_seeds.py [--quick] [--docs docs/statistics.md]
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from _timing import interleaved, options, quartiles, save, verdict, write_between
from interval_coverage import LAWS, NOT_JUDGED, errors

import w2s
from sweeper import launch
from w2s.summary.intervals import fieller
from w2s.summary.looks import Until, settle

STUDY = """
import numpy as np

from w2s import Cell, Cost, Study, field


class SpreadCell(Cell):
    x: int = field(description="a setting")
    spread: float = field(description="standard deviation of a seed's gain", ge=0)


class Spread(Study):
    name = "spread"
    version = 1
    Cell = SpreadCell

    def cost(self, block):
        return Cost(1e8 * block.size, 1e6)

    def solve(self, block, backend):
        fields = [np.broadcast_to(block.column(name), block.shape) for name in ("seed", "x", "spread")]
        gain, gap = np.empty(block.shape), np.empty(block.shape)
        for place in np.ndindex(*block.shape):
            if block.mask is not None and not block.mask[place]:
                continue
            seed, x, spread = (values[place] for values in fields)
            draw = np.random.Generator(np.random.Philox(key=[int(seed), int(x)]))
            rows = draw.standard_normal((400, 250))
            np.linalg.solve(rows.T @ rows + 400.0 * np.eye(250), rows.T @ rows[:, 0])  # the work of a small fit
            noise = draw.standard_normal(2)
            gain[place], gap[place] = 0.5 + float(spread) * noise[0], 1.0 + 0.05 * noise[1]
        weak = np.full(block.shape, 2.0)
        return {"weak_error": weak, "student_error": weak - gain, "ceiling_error": weak - gap, "misfit": gain**2}
"""
HALF_WIDTH, MOST = 0.06, 512
FIXED = "seeds from the same list"
BAR_SAVED, BAR_COVERED, RESOLVED = 0.6, 0.015, 10.0


def grid(seeds: Any) -> dict[str, Any]:
    """A grid of 16 settings: twelve of spread 0.1, four of spread 0.2."""
    parts = [{"axes": {"x": list(range(12))}, "fixed": {"spread": 0.1}}]
    parts.append({"axes": {"x": list(range(12, 16))}, "fixed": {"spread": 0.2}})
    return {"study": "spread.py:Spread", "seeds": seeds, "grids": parts}


def by_setting(rows: Any) -> tuple[np.ndarray, np.ndarray]:
    """Gain and gap (settings, seeds)."""
    rows = rows.sort_values(["x", "seed"])
    top, gap = rows["gain"].to_numpy(), (rows["weak_error"] - rows["ceiling_error"]).to_numpy()
    return top.reshape(-1, MOST), gap.reshape(-1, MOST)


def enough(numbers: tuple[np.ndarray, np.ndarray], level: float, width: float, counts: Iterable[int]) -> int:
    """The first of some numbers of seeds at which every setting is known well enough by an interval of that level."""
    for count in counts:
        found = fieller(*(values[:, :count] for values in numbers), level)
        if ((found.high - found.low) / 2 <= width).all():
            return count
    raise SystemExit(f"no setting of this benchmark may need more than {MOST} seeds")


def seeds_taken(numbers: tuple[np.ndarray, np.ndarray], until: Until) -> int:
    """Cells that the rule asks for."""
    top, gap = numbers
    left, cells, before = np.arange(len(top)), 0, 0
    for count in until.looks:
        cells, before = cells + len(left) * (count - before), count
        left = left[settle(until, top[left, :count], gap[left, :count]) == "open"]
    return cells


def saved(quick: bool) -> dict[str, Any]:
    """Seconds and cells of the rule against fixed numbers of seeds."""
    until = Until("pgr", HALF_WIDTH, MOST, 64, 8)
    rule = {"until": {"metric": "pgr", "half_width": HALF_WIDTH, "max": MOST, "max_unresolved": 64, "first": 8}}
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        folder = Path(place)
        (folder / "spread.py").write_text(STUDY)
        number = itertools.count()
        cells: dict[str, int] = {}

        def run(name: str, seeds: Any) -> Path:
            outcome = launch(grid(seeds), executor="inline", out=folder / f"{next(number)}")
            cells[name] = outcome.computed
            return outcome.run

        numbers = by_setting(w2s.load(run("all", MOST)))
        seeds = {
            FIXED: enough(numbers, until.level, HALF_WIDTH, until.looks),
            "the very least": enough(numbers, until.level, HALF_WIDTH, range(2, MOST + 1)),
            "one look, 95 %": enough(numbers, 0.95, HALF_WIDTH, range(2, MOST + 1)),
        }
        sides: dict[str, Any] = {"until": lambda: run("until", rule)}
        sides |= {name: functools.partial(run, name, count) for name, count in seeds.items()}
        seconds = interleaved(sides, 1 if quick else 4)
    found: dict[str, Any] = {"seeds": seeds, "cells": cells, "against": {}, "widths": {}}
    for name in seeds:
        found["against"][name] = {"seconds": quartiles(seconds["until"] / seconds[name]), "cells": cells["until"] / cells[name]}
    for width in np.geomspace(0.03, 0.12, 25):
        other = Until("pgr", float(width), MOST, 64, 8)
        taken, settings = seeds_taken(numbers, other), len(numbers[0])
        for name, counts in ((FIXED, other.looks), ("the very least", range(2, MOST + 1))):
            fixed = settings * enough(numbers, other.level, float(width), counts)
            found["widths"].setdefault(name, []).append(taken / fixed)
    return found


def covered(tables: int) -> dict[str, Any]:
    """Coverage of the intervals at which the rule stops, by law and half width."""
    found: dict[str, Any] = {}
    for name, (law, _) in LAWS.items():
        if name == NOT_JUDGED:
            continue
        most = 1024
        weak, student, _, ceiling = errors(law, most, tables)
        top, bottom = weak - student, weak - ceiling
        for width in (0.1, 0.05) if name == "normal" else (0.2, 0.1):
            until = Until("pgr", width, most, 256)
            found[f"{name}, +-{width:g}"] = stopped(until, top, bottom)
    return found


def stopped(until: Until, top: np.ndarray, bottom: np.ndarray) -> dict[str, Any]:
    """Let the rule stop every table, and count which intervals hold the true PGR of 0.5."""
    tables = len(top)
    state, seeds = np.full(tables, "open", dtype="<U10"), np.zeros(tables, dtype=int)
    hits = {"used": np.zeros(tables, bool), "95": np.zeros(tables, bool)}
    resolved = np.zeros(tables, bool)
    for count in until.looks:
        places = np.flatnonzero(state == "open")
        if not places.size:
            break
        a, b = top[places, :count], bottom[places, :count]
        state[places], seeds[places] = settle(until, a, b), count
        resolved[places] = b.mean(axis=1) > RESOLVED * b.std(axis=1, ddof=1) / math.sqrt(count)
        for word, level in (("used", until.level), ("95", 0.95)):
            ends = fieller(a, b, level)
            hits[word][places] = (ends.low <= 0.5) & (ends.high >= 0.5)
    return {
        "level": until.level,
        "seeds": float(seeds.mean()),
        "looks": {int(n): int((seeds == n).sum()) for n in until.looks if (seeds == n).any()},
        "judged": int(resolved.sum()),
        **{word: float(hit[resolved].mean()) for word, hit in hits.items()},
    }


def markdown(numbers: dict[str, Any], tables: int) -> str:
    """The table of coverage."""
    head = "| law, half width | level used | covers | 95 % on the same seeds | seeds on average | judged |"
    rows = [
        f"| {name} | {100 * line['level']:.2f} % | {100 * line['used']:.1f} | {100 * line['95']:.1f} "
        f"| {line['seeds']:,.0f} | {line['judged']:,} |"
        for name, line in numbers.items()
    ]
    return "\n".join([f"**Seeds until**, {tables:,} tables each:\n", head, "|---|---|---|---|---|---|", *rows, ""])


def main() -> None:
    parser = options(__doc__, "a tenth of the tables, one turn")
    parser.add_argument("--docs", type=Path, help="write the table of coverage into this page, between its marks")
    arguments = parser.parse_args()
    page = None if arguments.docs is None else arguments.docs.resolve()
    tables = 200 if arguments.quick else 2000
    cover = covered(tables)
    text = markdown(cover, tables)
    print(text)
    worst = max(abs(line["used"] - line["level"]) for line in cover.values())
    noise = 2.0 * math.sqrt(0.01 * 0.99 / tables) if arguments.quick else 0.0
    claims = [
        verdict("coverage of final intervals, points off their level", 100 * worst, 100 * (BAR_COVERED + noise), unit="points")
    ]
    saves = saved(arguments.quick)
    for name, line in saves["against"].items():
        low, middle, high = line["seconds"]
        widths = saves["widths"].get(name)
        over = (
            ""
            if widths is None
            else f"; of the cells at 25 half widths {min(widths):.2f} to {max(widths):.2f}, mean {np.mean(widths):.2f}"
        )
        print(
            f"  against {saves['seeds'][name]} seeds everywhere ({name}): {line['cells']:.2f} of the cells, "
            f"{middle:.2f} of the seconds [{low:.2f}, {high:.2f}]{over}"
        )
    claims.append(verdict(f"seconds against {FIXED}", saves["against"][FIXED]["seconds"][1], BAR_SAVED))
    if page is not None:
        write_between(page, "coverage: until", text)
    save(arguments.json, {"covered": cover, "saved": saves, "claims": claims})


if __name__ == "__main__":
    main()
