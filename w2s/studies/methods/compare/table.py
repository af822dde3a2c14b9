"""The table of methods: errors, differences to naive, conclusions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.finetune.methods.text import Method, parse_method
from w2s.summary import columns, compare, summarize
from w2s.summary.text import interval_text, readable

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["METRIC", "against_naive", "baseline_of"]

METRIC = "student_error_01"


def baseline_of(table: DataFrame) -> str | None:
    """Return the text by which a table names the naive method; None where no row has it."""
    return next((text for text in dict.fromkeys(table["method"]) if parse_method(str(text)) == Method()), None)


def against_naive(table: DataFrame) -> DataFrame:
    """Make one line per task, setting and method: the error, the PGR, the difference to naive and the conclusion.

    Errors have intervals over seeds and test items; differences are paired by seed, so theirs are for these test items. The
    conclusion is that of :func:`w2s.compare` over all lines.
    """
    by = [name for name in columns.varying(table, columns.cell_fields(table)) if name != "method"]
    summary = summarize(table, by=[*by, "method"], metrics=[METRIC, "pgr_01"], population="test_part")
    lines = readable(summary, [*by, "method"], [METRIC, "pgr_01"])
    baseline = baseline_of(table)
    if baseline is None or table["method"].nunique() < 2:
        return lines
    found = compare(table, baseline=baseline, metric=METRIC, by=by)
    keys = [*by, "method"]
    said = {tuple(map(str, row[:-1])): row[-1] for row in zip(*(found[name] for name in keys), found.index, strict=True)}
    places = [said.get(tuple(map(str, row))) for row in zip(*(summary[name] for name in keys), strict=True)]
    rows = [None if place is None else found.loc[place].to_dict() for place in places]
    bounds = [None if row is None else {"d": row["difference"], "d_low": row["low"], "d_high": row["high"]} for row in rows]
    lines["minus naive"] = ["-" if row is None else interval_text({str(k): v for k, v in row.items()}, "d") for row in bounds]
    lines["p, corrected"] = ["-" if row is None or row["p_holm"] != row["p_holm"] else f"{row['p_holm']:.2g}" for row in rows]
    lines["conclusion"] = ["-" if row is None else str(row["conclusion"]) for row in rows]
    family = found.attrs["w2s_compare"]["family"]
    lines.attrs["caption"] += (
        f"; minus naive: {found.attrs['w2s_compare']['covers']}; conclusions: Holm's correction over {family} comparisons"
    )
    return lines
