"""The first lines of the page: in words, what came of the claims, where students beat their weak models, and how far.

All numbers are those of the summary, intervals over seeds; nothing is tested here that the claims do not test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeper.report.opening import favourites
from sweeper.report.text import clip, count
from sweeper.review.verdicts import summary_text, verdict_text
from sweeper.review.verify import Verification
from w2s.summary.text import interval_text, value_text

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["findings"]

_MOST_TEXT, _MOST_KEYS = 300, 6


def findings(sentence: str, summary: DataFrame, claims: Verification | None) -> list[str]:
    """Say in a few sentences what a run found: the digest's sentence, claims, extremes of PGR or of what stands for it."""
    return [sentence, *_of_claims(claims), *_of_extremes(summary)]


def _of_claims(found: Verification | None) -> Iterator[str]:
    if found is None:
        return
    testable = [judged for judged in found.judged if judged.verdict.outcome != "untestable"]
    if not testable:
        yield f"None of {count(len(found.judged), 'claim')} can be tested on this run."
        return
    yield f"{summary_text(found)}."
    for judged in testable:
        if not judged.as_expected and judged.verdict.outcome != "unresolved":
            yield clip(f"Not as expected: {judged.claim.says.rstrip('.')} ({verdict_text(judged)}).", _MOST_TEXT)


def _of_extremes(summary: DataFrame) -> Iterator[str]:
    """Yield the lowest and the highest value of a metric, with their settings: chosen after the fact, which is said."""
    metrics = summary.attrs["w2s_summary"]["metrics"]
    for name in (*favourites(metrics), *metrics):
        bounded = summary[np.isfinite(summary[[name, f"{name}_low", f"{name}_high"]].to_numpy(float)).all(axis=1)]
        if len(bounded) > 1:
            values = bounded[name].to_numpy(float)
            low, high = (
                _with_setting(bounded.iloc[int(k)].to_dict(), name, summary) for k in (values.argmin(), values.argmax())
            )
            yield (
                f"{name} lies between {low} and {high}. The two are picked by their values out of "
                f"{count(len(bounded), 'setting')}, so seeds drawn anew would probably bring them closer together."
            )
            return


def _with_setting(row: dict[Any, Any], name: str, summary: DataFrame) -> str:
    by = summary.attrs["w2s_summary"]["by"]
    named = [f"{key} = {clip(value_text(row[key]), 40)}" for key in by if value_text(row[key]) != "-"]
    more = f" and {len(named) - _MOST_KEYS} more" if len(named) > _MOST_KEYS else ""
    place = f" at {', '.join(named[:_MOST_KEYS])}{more}" if named else ""
    return f"{interval_text({str(key): value for key, value in row.items()}, name)}{place}"
