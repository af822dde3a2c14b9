"""How often the intervals cover: every interval that the tool prints, on laws with known answers.

For each interval, law and number of seeds (or items) many tables are drawn, and the share of intervals that hold the true
number is counted. Nominal are 95 % for tables and 99 % for claims. An interval passes where it covers within 1.5 points of
nominal from eight seeds on (fifty items), up to twice the error of the simulation, or carries a status that warns; those that
are meant to be wider may cover more. Lognormal numbers of skewness 6 are shown and not judged: no interval that assumes nothing
covers whatever the law (R. R. Bahadur and L. J. Savage, Ann. Math. Stat. 27 (1956) 1115-1122).

    python benchmarks/interval_coverage.py [--quick] [--docs docs/statistics.md]

`--docs` writes the tables into that page. Tables of the study `probe.table` are made by the study itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from _coverage_claims import claims
from _coverage_laws import FROM_SEEDS, LAWS, NOT_JUDGED, SEEDS, Array, Ends, Law, Line, errors, rng
from _timing import options, save, verdict, write_between

from sweeper.grid.read import load_grid
from sweeper.worker.solve import solve_rows
from w2s.measure.item_intervals import item_intervals, mean_bounds, ratio_bounds
from w2s.summary import best, contrast, summarize
from w2s.summary.intervals import bootstrap_ratio, fieller, mean_interval
from w2s_kernels import NUMPY

ITEMS, POOL_SEEDS, FROM_ITEMS = (20, 50, 100, 500), (4, 8, 16), 50


def frame(columns: Mapping[str, Array], **fields: Any) -> pd.DataFrame:
    """Rows of tables (tables, seeds): a group for each table."""
    tables, count = next(iter(columns.values())).shape
    where = {"group": np.repeat(np.arange(tables), count), "seed": np.tile(np.arange(count), tables)}
    return pd.DataFrame({**where, **{name: values.ravel() for name, values in columns.items()}, **fields})


def ends_of(summary: pd.DataFrame, name: str) -> Ends:
    low, high = (summary[f"{name}_{side}"].to_numpy(float) for side in ("low", "high"))
    return low, high, (summary[f"{name}_status"] != "ok").to_numpy()


# ---------------------------------------------------------------- tables, 95 %


def tables_over_seeds(tables: int) -> Iterator[Line]:
    """Means, ratios, differences and the best value of an axis, as `summarize`, `contrast` and `best` give them."""
    for name, (law, mean) in LAWS.items():
        lines = {
            word: Line(word, name, 0.95, FROM_SEEDS, wide=word == "difference of PGR")
            for word in ("mean", "PGR, Fieller", "PGR, bootstrap", "difference", "difference of PGR", "best of three")
        }
        for count in SEEDS:
            weak, student, other, ceiling = errors(law, count, tables)
            plain = mean_interval(weak)
            lines["mean"].add(count, (plain.low, plain.high, plain.status != "ok"), mean)
            for word, function in (("PGR, Fieller", fieller), ("PGR, bootstrap", bootstrap_ratio)):
                ratio = function(weak - student, weak - ceiling)
                lines[word].add(count, (ratio.low, ratio.high, ratio.status != "ok"), 0.5)
            both = [
                frame({"weak_error": weak, "student_error": s, "ceiling_error": ceiling}, labels=word)
                for s, word in ((student, "soft"), (other, "hard"))
            ]
            for word, metric, truth in (("difference", "student_error", 0.1 * mean), ("difference of PGR", "pgr", -0.125)):
                found = contrast(pd.concat(both), {"labels": "soft"}, {"labels": "hard"}, metric=metric, by=["group"])
                ends = (found["low"].to_numpy(), found["high"].to_numpy(), (found["status"] != "ok").to_numpy())
                lines[word].add(count, ends, truth)
            lines["best of three"].add(count, *best_of_three(law, mean, count, tables))
        yield from lines.values()


def best_of_three(law: Law, mean: float, count: int, tables: int) -> tuple[Ends, Array]:
    """The ridge that is best on even seeds, reported on as many odd ones; the truth is the mean of the one chosen."""
    sizes = np.array([1.0, 1.05, 1.2])
    values = sizes[:, None, None] * law(rng(count, 2), (3, tables, 2 * count))
    rows = pd.concat([frame({"student_error": v}, ridge=float(k)) for k, v in enumerate(values)])
    found = best(rows, over="ridge", by=["group"], metrics=["student_error"])
    return ends_of(found, "student_error"), mean * sizes[found["ridge"].to_numpy(int)]


# ---------------------------------------------------------------- populations, 95 %

CENTRES = np.random.Generator(np.random.Philox(key=5)).standard_normal((5, 10))
POOL: Mapping[str, Any] = {
    "task": "classification",
    "weak_features": "means:5",
    "strong_features": "inputs",
    "n_labeled": 250,
    "n_transfer": 400,
    "n_test": 250,
    "ridge_weak": 0.01,
    "ridge": 0.01,
}
_SHOWN = ("weak_error", "student_error", "ceiling_error", "student_error_01", "gain", "pgr", "misfit")


def pool_rows(tables: int) -> pd.DataFrame:
    """Rows of `probe.table` on data sets of 900 rows each from one law: five clusters, as digits are ten."""
    parts = []
    with TemporaryDirectory() as place:
        path = Path(place) / "drawn.npz"
        for key in range(tables):
            g = rng(key, 3)
            labels = g.integers(5, size=900)
            np.savez(path, x=0.8 * CENTRES[labels] + g.standard_normal((900, 10)), y=labels)
            grid = load_grid(
                {"study": "probe.table", "fixed": {"data": path.name, **POOL}, "seeds": max(POOL_SEEDS)}, path.parent
            )
            parts += [solve_rows(grid.study, part.block, NUMPY).to_pandas().assign(group=key) for part in grid.parts]
    return pd.concat(parts, ignore_index=True)


def populations(tables: int) -> Iterator[Line]:
    """Means over seeds that part one data set anew, against the mean over data sets: as they are, and with the correction."""
    rows = pool_rows(tables)
    means = rows[[*_SHOWN[:4], "gain", "misfit"]].mean()
    truths = dict(means) | {"pgr": means["gain"] / (means["weak_error"] - means["ceiling_error"])}
    for name in _SHOWN:
        for population, word in ((False, "over seeds, against the population"), (True, "population, one data set")):
            line = Line(word, name.replace("_", " "), 0.95, FROM_SEEDS if population else 10_000, wide=True)
            for count in POOL_SEEDS:
                found = summarize(
                    rows[rows["seed"] < count], by=["group"], metrics=[name], population="pool" if population else False
                )
                line.add(count, ends_of(found, name), truths[name])
            yield line


def item_tables(tables: int) -> Iterator[Line]:
    """Seeds tested on the same 500 items: 0-1 errors of a finetune, items of unequal difficulty, seeds of unequal skill."""
    skill, items = np.array([0.30, 0.22, 0.15]), 500
    lines = [
        Line("population, shared test items", name, 0.95, FROM_SEEDS, wide=True)
        for name in ("student error 01", "gain 01", "pgr 01")
    ]
    truths = (skill[1], skill[0] - skill[1], (skill[0] - skill[1]) / (skill[0] - skill[2]))
    for count in (3, 5, 8, 16):
        parts = []
        for key in range(tables):
            g = rng(1000 * count + key, 4)
            hard = g.random(items)
            for seed in range(count):
                # Wrong where an item's difficulty and the luck of a training say so; the shares stay the skills.
                level = skill + 0.01 * g.standard_normal(3)
                luck = np.where(g.random((3, items)) < 0.8, hard, g.random((3, items)))
                wrong = (luck > 1.0 - level[:, None]).astype(float)
                terms = {f"{m}_error_01": wrong[k] for k, m in enumerate(("weak", "student", "ceiling"))}
                values = {name: float(term.mean()) for name, term in terms.items()}
                gain = {"gain_01": values["weak_error_01"] - values["student_error_01"]}
                parts.append({"group": key, "seed": seed, **values, **gain, **item_intervals(terms)})
        rows = pd.DataFrame(parts)
        found = summarize(rows, by=["group"], metrics=["student_error_01", "gain_01", "pgr_01"], population="test_part")
        for line, name, truth in zip(lines, ("student_error_01", "gain_01", "pgr_01"), truths, strict=True):
            line.add(count, ends_of(found, name), truth)
    yield from lines


# ---------------------------------------------------------------- items, 95 %


def over_items(tables: int) -> Iterator[Line]:
    """Bounds over test items: errors that are 0 or 1, errors of any size, PGR."""
    laws: Mapping[str, tuple[Law, float]] = {
        "0 or 1, one in 50": (lambda g, s: (g.random(s) < 0.02).astype(float), 0.02),
        "0 or 1, one in 5": (lambda g, s: (g.random(s) < 0.2).astype(float), 0.2),
        **{name: LAWS[name] for name in ("squared normal", NOT_JUDGED)},
    }
    for name, (law, mean) in laws.items():
        # Of 50 items one is wrong: there the coverage of every interval jumps, from .92 to .98 with the next count.
        line = Line("mean over items", name, 0.95, 100 if "50" in name else FROM_ITEMS)
        for count in ITEMS:
            ends = np.array([mean_bounds(row, "weak_error") for row in law(rng(count, 9), (tables, count))]).T
            line.add(count, (*ends, np.isnan(ends[0])), mean)
        yield line
    line = Line("PGR over items", "cross-entropies", 0.95, FROM_ITEMS)
    for count in ITEMS:
        g = rng(count, 10)
        shared = 0.8 * g.standard_normal((tables, count))
        weak, student, ceiling = (m * np.exp(shared + 0.5 * g.standard_normal(shared.shape)) for m in (0.6, 0.4, 0.2))
        ends = np.array([ratio_bounds(w - s, w - c) for w, s, c in zip(weak, student, ceiling, strict=True)]).T
        line.add(count, (*ends, np.isnan(ends[0])), 0.5)
    yield line


# ---------------------------------------------------------------- what is shown

PARTS: Mapping[str, tuple[str, Callable[[int], Iterator[Line]]]] = {
    "tables": ("Tables: 95 % over seeds", tables_over_seeds),
    "populations": ("Tables: 95 % for the population", populations),
    "shared items": ("Tables of finetunes: 95 % over seeds and test items", item_tables),
    "claims": ("Claims: 99 % over seeds", claims),
    "items": ("Rows: 95 % over test items", over_items),
}
TABLES = {"tables": 2000, "populations": 600, "shared items": 500, "claims": 2000, "items": 2000}


def markdown(part: str, lines: list[Line], tables: int) -> str:
    """One line per interval and law; `*` behind a number: half of the intervals or more carry a status that warns."""
    counts = list(lines[0].covered)
    what = "items" if part == "items" else "seeds"
    rows = [f"| interval | law | {' | '.join(f'{count} {what}' for count in counts)} |", "|---|---|" + "---|" * len(counts)]
    for line in lines:
        cells = [f"{100 * line.covered[c]:.1f}{'*' if line.flagged[c] >= 0.5 else ''}" for c in counts]
        rows.append(f"| {line.interval} | {line.law} | {' | '.join(cells)} |")
    return f"**{PARTS[part][0]}**, {tables:,} tables each:\n\n" + "\n".join(rows) + "\n"


def main() -> None:
    parser = options(__doc__, "a twentieth of the tables")
    parser.add_argument("--docs", type=Path, help="write the tables into this page, between its marks")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS), help="only these")
    arguments = parser.parse_args()
    numbers, texts = {}, {}
    for part in arguments.parts:
        tables, start = max(TABLES[part] // (20 if arguments.quick else 1), 30), time.process_time()
        lines = list(PARTS[part][1](tables))
        texts[part] = markdown(part, lines, tables)
        print(texts[part])
        missed = [
            f"{line.interval} ({line.law}, {line.missed(tables)})"
            for line in lines
            if line.judged and line.law != NOT_JUDGED and line.missed(tables)
        ]
        verdict(f"{part}: off by more than 1.5 points, without a status", len(missed), 0, unit="lines")
        print("".join(f"        {text}\n" for text in missed), end="")
        print(f"{time.process_time() - start:.0f} s of processor time\n", flush=True)
        numbers[part] = [vars(line) for line in lines]
    if arguments.docs is not None:
        for part, text in texts.items():
            write_between(arguments.docs, f"coverage: {part}", text)
    save(arguments.json, numbers)


if __name__ == "__main__":
    main()
