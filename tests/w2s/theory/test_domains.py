"""Every closed form broadcasts, gives float64, and is NaN outside its domain; a new function needs a case."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from w2s import theory

sys.path.insert(0, str(Path(__file__).resolve().parent))
PAPERS = [
    module.name.removeprefix("w2s.theory.")
    for module in pkgutil.walk_packages(theory.__path__, "w2s.theory.")
    if not module.ispkg
]
ON_MATRICES = {
    "charikar2024": {"residual", "projection_gap"},
    "dong2025": {"target_products", "errors"},
}
"""Functions of matrices, geometries or tables of fields, which their own tests try."""


def module_of(paper: str) -> Any:
    """The tests of a paper's module."""
    return importlib.import_module(f"test_theory_{paper.replace('.', '_')}")


def functions(paper: str) -> Mapping[str, Callable[..., Any]]:
    """The public functions of a paper's module that take numbers."""
    module = importlib.import_module(f"w2s.theory.{paper}")
    found = {name: getattr(module, name) for name in module.__all__}
    return {name: value for name, value in found.items() if inspect.isfunction(value) and name not in matrices(paper)}


def cases(paper: str) -> Mapping[str, tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """By function: arguments inside its domain and arguments outside it."""
    found: Mapping[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = module_of(paper).DOMAINS
    return found


def matrices(paper: str) -> set[str]:
    """The functions of a paper that take matrices."""
    own = getattr(module_of(paper), "ON_MATRICES", ())
    return ON_MATRICES.get(paper, set()) | set(own)


ALL = [(paper, name) for paper in PAPERS for name in functions(paper)]


@pytest.mark.parametrize("paper", PAPERS)
def test_every_function_has_a_case(paper: str) -> None:
    assert set(cases(paper)) == set(functions(paper))


@pytest.mark.parametrize(("paper", "name"), ALL)
def test_it_broadcasts_and_says_its_domain(paper: str, name: str) -> None:
    function = functions(paper)[name]
    inside, outside = cases(paper)[name]
    assert "Domain:" in (function.__doc__ or ""), "say where the formula holds"
    once = function(*inside)
    for value in values(once):
        assert value.dtype == np.float64
        assert np.isfinite(value).all()
    for value in values(function(*outside)):
        assert np.isnan(value).all()
    for place in range(len(inside)):  # one argument after the other becomes a column, the one before it a row
        lists = [np.asarray(argument) for argument in inside]
        rows = len(lists) > 1
        lists[place] = np.stack([lists[place]] * 3)[:, None]
        if rows:
            lists[place - 1] = np.stack([lists[place - 1]] * 2)
        for value, many in zip(values(once), values(function(*lists)), strict=True):
            assert many.shape == (3, 2 if rows else 1, *value.shape)
            np.testing.assert_allclose(many, np.broadcast_to(value, many.shape), rtol=1e-12)


def values(result: Any) -> list[np.ndarray]:
    """What a function returns, as a list of arrays: one, a tuple or a record of some."""
    if isinstance(result, Mapping):
        return [np.asarray(value) for value in result.values()]
    return [np.asarray(value) for value in (result if isinstance(result, tuple) else (result,))]
