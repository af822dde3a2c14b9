"""How fields and metrics are called in pictures and tables: the symbols of the field, not the names of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from w2s.summary.text import value_text

if TYPE_CHECKING:
    from w2s.summary.stored import Rows

__all__ = ["axis_name", "math_name", "metric_name", "metric_unit", "setting", "short_value"]

_MATH = {
    "n_labeled": "n",
    "n_transfer": "N",
    "n_validation": r"n_{\mathrm{val}}",
    "n_test": r"n_{\mathrm{test}}",
    "d_weak": "d_w",
    "d_strong": "d_s",
    "d_overlap": r"d_{s \wedge w}",
    "d_signal": r"d_{\mathrm{signal}}",
    "rho_weak": r"\rho_w",
    "rho_strong": r"\rho_s",
    "sigma_weak": r"\sigma_w",
    "sigma_strong": r"\sigma_s",
    "depth_weak": r"\ell_w",
    "depth_strong": r"\ell_s",
    "p_weak": "p_w",
    "p_strong": "p_s",
    "q_weak": "q_w",
    "q_strong": "q_s",
    "r_weak": "r_w",
    "r_strong": "r_s",
    "c_weak": "c_w",
    "ridge": r"\lambda",
    "ridge_weak": r"\lambda_w",
    "noise": r"\sigma",
    "noise_variance": r"\sigma^2",
    "step_size": r"\eta",
    "learning_rate": r"\eta",
    "mu": r"\mu",
    "nu": r"\nu",
    "beta": r"\beta",
    "gamma": r"\gamma",
    "time": "t",
    "temperature": "T",
    "d": "d",
    "u": "u",
    "c": "c",
    "k": "k",
}
_METRICS = {
    "pgr": "PGR",
    "opr": "OPR",
    "gain": "gain",
    "misfit": "misfit",
    "weak_distance": "distance to weak model",
    "weak_error": "weak model's error",
    "student_error": "student's error",
    "strong_error": "strong baseline's error",
    "ceiling_error": "ceiling's error",
    "pgr_flip": "PGR of flipped labels",
}


def math_name(name: str) -> str | None:
    """Return the symbol of a field in mathematical notation, without dollars; None for a field that has none."""
    return _MATH.get(name)


def axis_name(name: str) -> str:
    """Write a field for a picture: its symbol, or its name in words."""
    symbol = _MATH.get(name)
    return f"${symbol}$" if symbol else _plain(name)


def metric_name(name: str) -> str:
    """Write a metric for a picture or a heading: ``PGR``, ``student's error``, ``gain (accuracy)``."""
    plain = name.removesuffix("_theory")
    core = plain.removesuffix("_01")
    kind = "" if core == plain else " (accuracy)" if core.startswith(("pgr", "gain")) else " (0-1)"
    return _METRICS.get(core, _plain(core)) + kind + (" (closed form)" if plain != name else "")


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


def setting(name: str, value: Any) -> str:
    """Write a field with a value for a picture: ``$d_w$ = 100``."""
    return f"{axis_name(name)} = {short_value(value)}"


def short_value(value: Any, most: int = 26) -> str:
    """Write a value in at most so many letters: of a path its end, of a long text its ends."""
    text = value_text(value)
    text = text.rstrip("/").rpartition("/")[2] if "/" in text and " " not in text else text
    text = text.replace("$", r"\$")
    return text if len(text) <= most else f"{text[: most // 2 - 1]}...{text[-(most // 2 - 2) :]}"


def _plain(name: str) -> str:
    return name.replace("_", " ")
