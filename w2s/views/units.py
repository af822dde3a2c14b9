"""What metrics are measured in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from w2s.summary.stored import Rows

__all__ = ["metric_unit"]


def metric_unit(table: Rows, name: str) -> str:
    """Say what a metric is measured in; empty where nothing is known.

    The unit of errors is that of the table's study (:attr:`w2s.contract.study.Study.error_unit`).
    """
    core = name.removesuffix("_theory").removesuffix("_01")
    if core.startswith("pgr"):
        return "share of the gap"
    if core.startswith("opr"):
        return "ratio of errors"
    if core in ("disagreement", "agreement", "agreement_right", "agreement_wrong"):
        return "share of the items"
    if not (core in ("gain", "misfit", "weak_distance", "cross_term") or core.endswith("_error")):
        return ""
    return "share of wrong answers" if name.removesuffix("_theory").endswith("_01") else _error_unit(table)


def _error_unit(table: Rows) -> str:
    from w2s.studies.registry import BUILTIN, find_study

    told = table.attrs.get("w2s", {})
    if "error_unit" in told:  # a study in a file of its own: who knows the study says it
        return str(told["error_unit"])
    return find_study(told["study"]).error_unit if told.get("study") in BUILTIN else ""
