"""How fields and metrics are called in pictures and tables: the symbols of the field, not the names of columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from w2s.summary.text import value_text

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["axis_name", "fields_of_symbol", "metric_name", "metric_unit", "name_in_words", "setting", "short_value"]

_SYMBOLS: Mapping[str, tuple[str, str]] = {
    "n_labeled": ("labelled rows", "n"),
    "n_transfer": ("transfer rows", "N"),
    "n_validation": ("validation rows", r"n_{\mathrm{val}}"),
    "n_test": ("test rows", r"n_{\mathrm{test}}"),
    "d_weak": ("weak width", "d_w"),
    "d_strong": ("strong width", "d_s"),
    "d_overlap": ("overlap", r"d_{s{\wedge}w}"),
    "d_signal": ("signal width", r"d_{\mathrm{signal}}"),
    "rho_weak": ("signal outside weak", r"\rho_w"),
    "rho_strong": ("signal outside strong", r"\rho_s"),
    "sigma_weak": ("weak noise", r"\sigma_w"),
    "sigma_strong": ("strong noise", r"\sigma_s"),
    "depth_weak": ("weak depth", r"\ell_w"),
    "depth_strong": ("strong depth", r"\ell_s"),
    "p_weak": ("weak width exponent", "p_w"),
    "p_strong": ("strong width exponent", "p_s"),
    "q_weak": ("weak energy exponent", "q_w"),
    "q_strong": ("strong energy exponent", "q_s"),
    "r_weak": ("weak spike exponent", "r_w"),
    "r_strong": ("strong spike exponent", "r_s"),
    "c_weak": ("weak model's inverse penalty", "c_w"),
    "ridge": ("ridge", r"\lambda"),
    "ridge_weak": ("weak model's ridge", r"\lambda_w"),
    "noise": ("noise", r"\sigma"),
    "noise_variance": ("noise variance", r"\sigma^2"),
    "step_size": ("step size", r"\eta"),
    "learning_rate": ("learning rate", r"\eta"),
    "mu": ("easy signal", r"\mu"),
    "nu": ("hard signal", r"\nu"),
    "beta": ("", r"\beta"),
    "gamma": ("", r"\gamma"),
    "time": ("time", "t"),
    "temperature": ("temperature", "T"),
    "d": ("dimension", "d"),
    "u": ("transfer exponent", "u"),
    "c": ("inverse penalty", "c"),
    "k": ("neighbours", "k"),
}
"""Field -> what it is in a word or two, and its symbol."""
_GREEK = {"λ": "lambda", "ρ": "rho", "σ": "sigma", "η": "eta", "μ": "mu", "ν": "nu", "β": "beta", "γ": "gamma", "ℓ": "ell"}
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


def axis_name(name: str) -> str:
    r"""Write a field for a picture or a heading: words and symbol, ``ridge $\lambda$``, or its name in words."""
    words, symbol = _SYMBOLS.get(name, (_plain(name), ""))
    return f"{words} ${symbol}$".strip() if symbol else words


def fields_of_symbol(word: str) -> list[str]:
    """List the fields that figures write with a symbol, typed as ``lambda``, ``d_w``, ``rho_w`` or with the Greek letter."""
    typed = _GREEK.get(word[:1], word[:1]) + word[1:]
    return [name for name, (_, symbol) in _SYMBOLS.items() if typed in (symbol, _typed(symbol))]


def _typed(symbol: str) -> str:
    """Write a symbol with the letters of a keyboard: ``n_val`` for one with an upright index."""
    return re.sub(r"\\mathrm|[\\{}]", "", symbol.replace(r"{\wedge}", "^"))


def name_in_words(name: str) -> str:
    """Write an axis or the student's error, by which best values are chosen, for a picture or a heading."""
    return metric_name(name) if name.startswith("student_error") else axis_name(name)


def metric_name(name: str) -> str:
    """Write a metric for a picture or a heading: ``PGR``, ``student's error``, ``gain (accuracy)``."""
    plain = name.removesuffix("_theory")
    core = plain.removesuffix("_01")
    kind = "" if core == plain else " (accuracy)" if core.startswith(("pgr", "gain")) else " (0-1)"
    return _METRICS.get(core, _plain(core)) + kind + (" (closed form)" if plain != name else "")


def metric_unit(table: DataFrame, name: str) -> str:
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


def _error_unit(table: DataFrame) -> str:
    from w2s.studies.registry import BUILTIN, find_study

    told = table.attrs.get("w2s", {})
    if "error_unit" in told:  # a study in a file of its own: who knows the study says it
        return str(told["error_unit"])
    return find_study(told["study"]).error_unit if told.get("study") in BUILTIN else ""


def setting(name: str, value: Any) -> str:
    """Write a field with a value for a picture: ``weak width $d_w$ = 100``."""
    return f"{axis_name(name)} = {short_value(value)}"


def short_value(value: Any, most: int = 26) -> str:
    """Write a value in at most so many letters: of a path its end, of a long text its ends."""
    text = value_text(value)
    text = text.rstrip("/").rpartition("/")[2] if "/" in text and " " not in text else text
    text = text.replace("$", r"\$")
    return text if len(text) <= most else f"{text[: most // 2 - 1]}...{text[-(most // 2 - 2) :]}"


def _plain(name: str) -> str:
    return name.replace("_", " ")
