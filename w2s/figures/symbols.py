"""How fields and metrics are called in pictures and tables: the symbols of the field, not the names of columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from w2s.summary.text import value_text

__all__ = [
    "axis_in_words",
    "axis_name",
    "fields_of_symbol",
    "math_name",
    "metric_name",
    "name_in_words",
    "setting",
    "setting_in_words",
    "short_value",
    "without_math",
]

_MATH = {
    "n_labeled": "n",
    "n_transfer": "N",
    "n_validation": r"n_{\mathrm{val}}",
    "n_test": r"n_{\mathrm{test}}",
    "d_weak": "d_w",
    "d_strong": "d_s",
    "d_overlap": r"d_{s{\wedge}w}",
    "d_signal": r"d_{\mathrm{signal}}",
    "rho_weak": r"\rho_w",
    "rho_strong": r"\rho_s",
    "sigma_weak": r"\sigma_w",
    "sigma_strong": r"\sigma_s",
    "depth_weak": r"\ell_w",
    "depth_strong": r"\ell_s",
    "p_weak": "p_w",
    "p_strong": "p_s",
    "p_both": "p_b",
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
_WORDS: Mapping[str, str] = {
    "n_labeled": "labelled rows",
    "n_transfer": "transfer rows",
    "n_validation": "validation rows",
    "n_test": "test rows",
    "d_weak": "weak width",
    "d_strong": "strong width",
    "d_overlap": "overlap",
    "d_signal": "signal width",
    "rho_weak": "signal outside weak",
    "rho_strong": "signal outside strong",
    "sigma_weak": "weak noise",
    "sigma_strong": "strong noise",
    "depth_weak": "weak depth",
    "depth_strong": "strong depth",
    "p_weak": "weak width exponent",
    "p_strong": "strong width exponent",
    "q_weak": "weak energy exponent",
    "q_strong": "strong energy exponent",
    "r_weak": "weak spike exponent",
    "r_strong": "strong spike exponent",
    "c_weak": "weak model's inverse penalty",
    "ridge": "ridge",
    "ridge_weak": "weak model's ridge",
    "noise": "noise",
    "noise_variance": "noise variance",
    "step_size": "step size",
    "learning_rate": "learning rate",
    "mu": "easy signal",
    "nu": "hard signal",
    "time": "time",
    "temperature": "temperature",
    "d": "dimension",
    "u": "transfer exponent",
    "c": "inverse penalty",
    "k": "neighbours",
    "p_both": "share of both signals",
}
"""What fields with symbols are, in a word or two."""
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
_LETTERS = ((r"{\wedge}", "^"), (r"\ell", "l"))
"""Notation whose name is not what a reader says; other names stay, without their backslash."""
_BETWEEN_DOLLARS = r"(?<!\\)\$([^$]*)(?<!\\)\$"


def math_name(name: str) -> str | None:
    """Return the symbol of a field in mathematical notation, without dollars; None for a field that has none."""
    return _MATH.get(name)


def axis_name(name: str) -> str:
    """Write a field for a picture: its symbol, or its name in words."""
    symbol = _MATH.get(name)
    return f"${symbol}$" if symbol else _field(name)


def axis_in_words(name: str) -> str:
    r"""Write a field for a reader who does not know the symbol: ``ridge $\lambda$``, or its name in words."""
    return f"{_WORDS.get(name, '')} {axis_name(name)}".strip() if name in _MATH else _field(name)


def name_in_words(name: str) -> str:
    """Write an axis, or the student's error, by which best values are chosen, for a picture or a heading."""
    return metric_name(name) if name.startswith("student_error") else axis_in_words(name)


def fields_of_symbol(word: str) -> list[str]:
    """List the fields that figures write with a symbol, typed as ``lambda``, ``d_w``, ``rho_w`` or with the Greek letter."""
    typed = _GREEK.get(word[:1], word[:1]) + word[1:]
    return [name for name, symbol in _MATH.items() if typed in (symbol, without_math(f"${symbol}$"))]


def metric_name(name: str) -> str:
    """Write a metric for a picture or a heading: ``PGR``, ``student's error``, ``gain (accuracy)``."""
    plain = name.removesuffix("_theory")
    core = plain.removesuffix("_01")
    kind = "" if core == plain else " (accuracy)" if core.startswith(("pgr", "gain")) else " (0-1)"
    return _METRICS.get(core, _plain(core)) + kind + (" (closed form)" if plain != name else "")


def setting(name: str, value: Any) -> str:
    """Write a field with a value for a picture: ``$d_w$ = 100``."""
    return f"{axis_name(name)} = {short_value(value)}"


def setting_in_words(name: str, value: Any) -> str:
    """Write a field with a value for a reader who does not know the symbol: ``weak width $d_w$ = 100``."""
    return f"{axis_in_words(name)} = {short_value(value)}"


def short_value(value: Any, most: int = 26) -> str:
    """Write a value in at most so many letters: of a path its end, of a long text its ends."""
    text = value_text(value)
    text = text.rstrip("/").rpartition("/")[2] if "/" in text and " " not in text else text
    text = text.replace("$", r"\$")
    return text if len(text) <= most else f"{text[: most // 2 - 1]}...{text[-(most // 2 - 2) :]}"


def without_math(text: str) -> str:
    """Write mathematical notation in plain letters, ``lambda_w`` say, for terminals and for those who hear a page."""
    for notation, plain in _LETTERS:
        text = text.replace(notation, plain)
    text = re.sub(r"\\mathrm\{(\w+)\}", r"\1", text)
    plain = re.sub(_BETWEEN_DOLLARS, lambda found: re.sub(r"[{}\\]", "", found[1]), text)
    return plain.replace(r"\$", "$")


def _field(name: str) -> str:
    """Write a field without a symbol: ``weak step`` for ``step_weak``."""
    thing, _, whose = name.rpartition("_")
    return _plain(f"{whose}_{thing}" if thing and whose in ("weak", "strong") else name)


def _plain(name: str) -> str:
    return name.replace("_", " ")
