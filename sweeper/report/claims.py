"""The claims of a study as the page shows them: those that were tested one by one, those that could not be in one line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sweeper.report.text import clip, count
from sweeper.review.verdicts import chance_text, explained, remarks, summary_text, verdict_text
from sweeper.review.verify import Judged, Verification

__all__ = ["claims_section"]

_MOST_CLAIMS, _MOST_TEXT = 200, 600


def claims_section(found: Verification, figures: Mapping[str, Collection[str]], metrics: Collection[str]) -> dict[str, Any]:
    """Describe verdicts for the template; ``figures`` says for each drawn figure which claims it bears on.

    ``metrics`` are those of the explorer: a claim that needs one of them leads there.
    """
    tested = [judged for judged in found.judged if judged.verdict.outcome != "untestable" or judged.broken]
    others = [judged for judged in found.judged if judged.verdict.outcome == "untestable" and not judged.broken]
    return {
        "summary": f"{summary_text(found)}; tested on {count(found.rows, 'row')} of {count(found.seeds, 'seed')}; "
        f"{chance_text(found)}.",
        "remarks": [clip(line, _MOST_TEXT) for line in remarks(found)],
        "lines": [_claim(judged, figures, metrics) for judged in tested[:_MOST_CLAIMS]],
        "more": max(0, len(tested) - _MOST_CLAIMS),
        "untestable": [
            {"id": clip(judged.claim.id, _MOST_TEXT), "why": clip(judged.verdict.says, _MOST_TEXT)}
            for judged in others[:_MOST_CLAIMS]
        ],
    }


def _claim(judged: Judged, figures: Mapping[str, Collection[str]], metrics: Collection[str]) -> dict[str, Any]:
    claim = judged.claim
    thresholds = ", ".join(f"{name} = {value:g}" for name, value in judged.thresholds.items())
    thresholds += f" ({claim.basis})" if claim.basis else ""
    notes = [line for line in explained(judged) if line != f'"{claim.says}"']
    return {
        "id": clip(claim.id, _MOST_TEXT),
        "says": clip(claim.says, _MOST_TEXT),
        "where": clip(claim.where, _MOST_TEXT),
        "badge": _badge(judged),
        "verdict": verdict_text(judged),
        "numbers": clip(judged.verdict.says, _MOST_TEXT),
        "notes": [clip(line, _MOST_TEXT) for line in ([f"thresholds: {thresholds}"] if thresholds else []) + notes],
        "figures": [figure for figure, claims in figures.items() if claim.id in claims],
        "metric": next((name for name in claim.needs if name in metrics), ""),
    }


def _badge(judged: Judged) -> str:
    """Name the colour of a verdict."""
    if judged.as_expected:
        return "good"
    return {"unresolved": "open", "untestable": "open"}.get(judged.verdict.outcome, "bad")
