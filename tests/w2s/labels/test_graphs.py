"""Graphs and spreading: the hand values of a chain, the dense closed form, laws."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from w2s.labels import knn_graph, spread
from w2s.labels.graphs import smoothed_rest

CHAIN = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
Y = np.array([[1.0], [0.0], [1.0]])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (0.666667, 0.471405, 0.666667)),
        ({"normalise": "rows"}, (0.666667, 0.333333, 0.666667)),
        ({"normalise": "rows", "steps": 1}, (0.5, 0.5, 0.5)),
        ({"normalise": "rows", "clamped": [1, 0, 1]}, (1.0, 0.5, 1.0)),
    ],
)
def test_a_chain_has_the_numbers_of_the_sheet(options, expected):
    assert spread(CHAIN, Y, 0.5, renormalise=False, **options)[:, 0] == pytest.approx(expected, abs=1e-6)


def dense(graph, labels, beta, normalise, clamped, renormalise):
    """The closed form by a dense solve, node by node."""
    a, n = graph.toarray(), len(labels)
    degree = a.sum(axis=1)
    s = np.zeros_like(a)
    for i in range(n):
        for j in range(n):
            if a[i, j]:
                s[i, j] = a[i, j] / (np.sqrt(degree[i] * degree[j]) if normalise == "symmetric" else degree[i])
    fixed = clamped | (degree == 0)
    system, right = np.eye(n) - beta * s, (1 - beta) * labels
    system[fixed], right[fixed] = np.eye(n)[fixed], labels[fixed]
    found = np.linalg.solve(system, right)
    return found / found.sum(axis=1, keepdims=True) if renormalise else found


CASES = st.tuples(
    st.integers(0, 10**6),
    st.integers(2, 30),
    st.integers(1, 5),
    st.sampled_from([0.1, 0.5, 0.9, 0.99]),
    st.sampled_from(["symmetric", "rows"]),
    st.booleans(),
    st.booleans(),
)


def problem(seed, n, k, mutual=False):
    rng = np.random.default_rng(seed)
    labels = rng.dirichlet(np.ones(3), n)
    return rng, knn_graph(rng.standard_normal((n, 3)), k, temperature=0.5, mutual=mutual), labels


@settings(max_examples=60, deadline=None)
@given(CASES)
def test_it_is_the_dense_closed_form(case):
    seed, n, k, beta, normalise, mutual, renormalise = case
    rng, graph, labels = problem(seed, n, k, mutual)
    clamped = rng.random(n) < 0.3
    found = spread(graph, labels, beta, normalise=normalise, clamped=clamped, renormalise=renormalise)
    assert found == pytest.approx(dense(graph, labels, beta, normalise, clamped, renormalise), abs=1e-10)
    if renormalise:
        assert found.sum(axis=1) == pytest.approx(np.ones(n), abs=1e-12)
        assert (found >= 0).all()


@settings(max_examples=30, deadline=None)
@given(CASES)
def test_laws(case):
    seed, n, k, beta, normalise, mutual, _ = case
    rng, graph, labels = problem(seed, n, k, mutual)
    np.testing.assert_array_equal(spread(graph, labels, 0.0, normalise=normalise), labels)  # no part from neighbours
    steps = spread(graph, labels, beta, normalise=normalise, steps=int(40 / (1 - beta)))
    assert spread(graph, labels, beta, normalise=normalise) == pytest.approx(steps, abs=1e-10)
    # A constant label on a component stays, and no component hears of another.
    count, part = connected_components(graph)
    constant = rng.dirichlet(np.ones(3), count)[part]
    assert spread(graph, constant, beta, normalise="rows") == pytest.approx(constant, abs=1e-10)
    other = np.where((part == 0)[:, None], labels, rng.dirichlet(np.ones(3), n))
    one, another = (spread(graph, given, beta, normalise=normalise)[part == 0] for given in (labels, other))
    np.testing.assert_array_equal(one, another)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 25), st.integers(1, 8), st.booleans())
def test_neighbours_by_brute_force(seed, n, k, mutual):
    rng = np.random.default_rng(seed)
    x = rng.integers(-1, 2, (n, 2)).astype(float)  # many ties, and rows of zeros
    unit = [row / np.linalg.norm(row) if row.any() else None for row in x]
    chosen = np.zeros((n, n), dtype=bool)
    for i in range(n):
        if unit[i] is not None:
            others = [j for j in range(n) if j != i and unit[j] is not None]
            chosen[i, sorted(others, key=lambda j: (-round(float(unit[i] @ unit[j]), 9), j))[:k]] = True
    expected = chosen & chosen.T if mutual else chosen | chosen.T
    graph = knn_graph(x, k, mutual=mutual)
    np.testing.assert_array_equal(graph.toarray() > 0, expected)
    assert (graph != graph.T).nnz == 0


def test_pieces_of_rows_do_not_matter(monkeypatch):
    x = np.random.default_rng(0).standard_normal((50, 4))
    whole = knn_graph(x, 5, temperature=0.1)
    monkeypatch.setattr("w2s.labels.graphs._ROWS", 7)
    apart = whole - knn_graph(x, 5, temperature=0.1)
    assert abs(apart).max() < 1e-10


def test_items_without_a_neighbour_keep_their_label():
    alone = csr_array((3, 3))
    labels = np.array([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]])
    np.testing.assert_array_equal(spread(alone, labels, 0.9), labels)


@pytest.mark.parametrize(("k", "temperature"), [(0, None), (2, 0.0), (2, -1.0)])
def test_graphs_that_are_none(k, temperature):
    with pytest.raises(ValueError, match="a graph needs k of 1 or more"):
        knn_graph(np.eye(3), k, temperature=temperature)


def test_spreads_that_are_none():
    with pytest.raises(ValueError, match="beta must be"):
        spread(CHAIN, Y, 1.0)
    with pytest.raises(ValueError, match="are not"):
        spread(CHAIN, Y[:2], 0.5)


def test_known_items_are_anchors_or_left_out():
    rng, graph, weak = problem(4, 20, 3)
    own, known = np.eye(3)[rng.integers(0, 3, 20)], rng.random(20) < 0.4
    start = np.where(known[:, None], own, weak)
    expected = np.where(known[:, None], weak, spread(graph, start, 0.6, clamped=known))
    np.testing.assert_array_equal(smoothed_rest(graph, weak, own, known, 0.6), expected)
    apart, rest = smoothed_rest(graph, weak, own, known, 0.6, anchors="left_out"), np.flatnonzero(~known)
    np.testing.assert_array_equal(apart[rest], spread(graph[rest][:, rest], weak[rest], 0.6))
    np.testing.assert_array_equal(apart[known], weak[known])
    for beta, chosen in ((0.0, known), (0.9, np.ones(20, dtype=bool))):
        np.testing.assert_array_equal(smoothed_rest(graph, weak, own, chosen, beta), weak)


def test_the_example_of_the_manual():
    manual = Path(__file__).parents[3] / "docs" / "methods.md"
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", manual.read_text(), re.DOTALL) if "w2s.labels" in b]
    found: dict[str, np.ndarray] = {}
    exec(block, found)
    assert found["smooth"].argmax(axis=1).tolist() == [0, 0, 1, 1]
    assert found["weak"].argmax(axis=1).tolist() == [0, 1, 1, 1]
    assert found["places"].tolist() == [0, 2, 2, 3]
