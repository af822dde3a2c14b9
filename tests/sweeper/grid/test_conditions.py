"""Conditions of ``exclude`` and of studies, and fields that matter only sometimes: against every cell, one by one."""

from __future__ import annotations

import itertools
import operator
import random

import numpy as np
import pytest

from sweeper import GridError, load_grid
from sweeper.grid.expressions import condition_from_text
from sweeper.plan.cut import make_plan
from w2s import Axis, Block
from w2s.contract.identity import cell_ids

FIELDS = ("a", "b", "word", "flag")
OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne}


def random_condition(rng: random.Random, names: tuple[str, str] = ("a", "b"), word: str = "word", depth: int = 0) -> str:
    """A condition on two numbers and a word; the first number is always in it."""

    def number(deep: int = 0) -> str:
        match rng.randrange(5 if deep < 2 else 3):
            case 0:
                return str(rng.choice((0, 1, 2, 3, 0.5, 1e1)))
            case 1 | 2:
                return rng.choice(names)
            case 3:
                return f"({number(deep + 1)} {rng.choice('+-*')} {number(deep + 1)})"
            case _:
                return f"-{number(deep + 1)}"

    compare = tuple(OPERATORS)
    match rng.randrange(7 if depth < 3 else 4):
        case 3:
            return f"{names[0]} {rng.choice(('in', 'not in'))} [{rng.choice((0, 1, -1))}, 2.5]"
        case 0:
            return f"{word} {rng.choice(('==', '!='))} '{rng.choice('abc')}'"
        case 1:
            return f"{number()} {rng.choice(compare)} {names[0]} {rng.choice(compare)} {number()}"
        case 2:
            return f"{names[0]} {rng.choice(compare)} {number()}"
        case 4:
            return f"not ({random_condition(rng, names, word, depth + 1)})"
        case _:
            left, right = (random_condition(rng, names, word, depth + 1) for _ in range(2))
            return f"({left} {rng.choice(('and', 'or'))} {right})"


def test_a_condition_says_what_python_says_of_every_cell():
    rng = random.Random(1)
    axes = (
        Axis.single("a", [0, 1, 2.5, 10]),
        Axis(("b", "word"), ((0.5, "a"), (1, "b"), (3, "a"))),
        Axis.single("flag", [False, True]),
    )
    block = Block({"seed": 0}, axes)
    for _ in range(400):
        text = random_condition(rng)
        mask = np.broadcast_to(condition_from_text(text, FIELDS).test(block), block.shape).ravel()
        expected = [bool(eval(text, {"__builtins__": {}}, cell)) for cell in block.cells()]
        assert mask.tolist() == expected, text


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a == 3 * b", 2),
        ("a == 0.1 + 0.2", 2),
        ("a / b < 3", 1),
        ("a / b >= 3", 3),
        ("a != 3 * b", 2),
        ("b in [0.1, 0.5]", 4),
    ],
)
def test_rounding_decides_nothing(text, count):
    block = Block({"seed": 0, "word": "a", "flag": True}, (Axis.single("a", [0.3, 1.5]), Axis.single("b", [0.1, 0.5])))
    assert np.broadcast_to(condition_from_text(text, FIELDS).test(block), block.shape).sum() == count


def test_large_whole_numbers_are_told_apart():
    block = Block({"seed": 0, "word": "a", "flag": True, "b": 0.5}, (Axis.single("a", [1e15, 1e15 + 1]),))
    assert condition_from_text("a == 1000000000000000", FIELDS).test(block).tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a.__class__ == 1", "are allowed"),
        ("__import__('os').system('true') == 0", "'__import__' is not a field"),
        ("a.real > 1", "only fields, numbers, words"),
        ("len(word) > 1", "'len' is not a field"),
        ("wrod == 'u'", "'wrod' is not a field (did you mean 'word'?)"),
        ("a[0] > 1", "are allowed"),
        ("a ** 9 > 1", "are allowed"),
        ("9**9**9**9 > a", "are allowed"),
        ("a << 9999999999 > 1", "are allowed"),
        ("a % 2 == 0", "are allowed"),
        ("a in b", "takes a field and a list"),
        ("a in []", "and not none"),
        ("a in [1, 'u']", "numbers, or words"),
        ("a in [[1], 2]", "are allowed"),
        ("a + 1 in [1]", "takes a field and a list"),
        ("1 in [1]", "takes a field and a list"),
        ("a in [1] in [2]", "takes a field and a list"),
        ("a == 'u' * 1000000000000", "words with numbers"),
        ("a == 1000000000000 * 'u'", "words with numbers"),
        ("a == 'u' + 'v'", "words with numbers"),
        ("a == 'u' * 9 * 9", "words with numbers"),
        ("a == -'u'", "words with numbers"),
        ("a > True * 2", "words with numbers"),
        ("a > (a == 1) * 2", "are allowed"),
        ("a > 1 or " * 2000 + "a > 2", "longer than 10,000 characters"),
        ("a is None", "are allowed"),
        ("a == None", "are allowed"),
        ("[x for x in a] > 1", "'x' is not a field"),
        ("(lambda: a) > 1", "are allowed"),
        ("f'{a}' == '1'", "are allowed"),
        ("(b := 3) > a", "are allowed"),
        ("a > 1j", "are allowed"),
        ("a > b''", "are allowed"),
        ("a if b else a", "compares nothing"),
        ("a", "compares nothing"),
        ("-a", "compares nothing"),
        ("a + b", "compares nothing"),
        ("1 > 2", "names no field"),
        ("a > ", "is not a condition"),
        ("a > 1; b", "is not a condition"),
        ("", "is not a condition"),
        ("a > 1\nb > 1", "is not a condition"),
        ("(" * 300 + "a" + ")" * 300 + " > 1", "is not a condition"),
        ("+".join("a" * 200) + " > 1", "nested too deeply"),
        ("not " * 300 + "a > 1", "nested too deeply"),
        ("a > " + "9" * 5000, "is not a condition"),
    ],
)
def test_what_is_no_condition(text, says):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        condition_from_text(text, FIELDS)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("text", ["word > 3", "word + 1 == 2", "a > 'u'", "a > " + "9" * 400, "word < a"])
def test_words_are_not_compared_with_numbers(text):
    block = Block({"word": "u"}, (Axis.single("a", [0.5, 1.0]),))
    with pytest.raises(ValueError, match="words with numbers"):
        condition_from_text(text, FIELDS).test(block)


def toy_grid(bench, **sections):
    return load_grid({"study": "toy.py:Toy", **sections}, bench.folder)


def cells_of(grid):
    return [cell for block in make_plan(grid).blocks() for cell in block.cells()]


def as_set(cells, names):
    return {tuple(cell[n] for n in names) for cell in cells}


def test_excluding_by_mapping_and_by_expression_agrees_with_every_cell(bench):
    rng = random.Random(5)
    axes = {"x": [0, 1, 2.5, 7], "n": [1, 2, 3], "label": ["a", "b"]}
    names = ("x", "n", "label", "seed")
    every = [dict(zip(names, v, strict=True)) for v in itertools.product(*(axes[k] for k in names[:3]), range(3))]
    for _ in range(120):
        written, tests = [], []
        for _ in range(rng.randrange(1, 4)):
            if rng.random() < 0.5:
                chosen = {k: rng.sample(v, rng.randrange(1, len(v))) for k, v in axes.items() if rng.random() < 0.6}
                chosen = chosen or {"seed": [rng.randrange(3)]}
                written.append({k: v if rng.random() < 0.7 or len(v) > 1 else v[0] for k, v in chosen.items()})
                tests.append(lambda c, chosen=chosen: all(c[k] in v for k, v in chosen.items()))
            else:
                text = random_condition(rng, ("x", "n"), "label")
                written.append(text)
                tests.append(lambda c, text=text: bool(eval(text, {"__builtins__": {}}, c)))
        expected = [c for c in every if not any(test(c) for test in tests)]
        if not expected:
            with pytest.raises(GridError, match="leaves no cell"):
                toy_grid(bench, axes=axes, seeds=3, exclude=written)
            continue
        grid = toy_grid(bench, axes=axes, seeds=3, exclude=written)
        assert grid.cells == len(expected), written
        assert as_set(cells_of(grid), names) == as_set(expected, names), written


def test_an_axis_that_matters_sometimes_is_counted_once_where_it_does_not(bench):
    grid = toy_grid(bench, fixed={"x": 1}, axes={"kind": ["plain", "wave"], "shape": ["saw", "sine"], "depth": [1, 2, 3]})
    names = ("kind", "shape", "depth")
    assert [tuple(c[n] for n in names) for c in cells_of(grid)] == [
        ("plain", None, None),
        ("wave", "saw", 1.0),
        ("wave", "saw", 2.0),
        ("wave", "saw", 3.0),
        ("wave", "sine", None),
    ]
    assert len(grid.parts[0].block.axes) == 2, "seed, and one axis for the three fields"


def test_a_default_behind_two_conditions_is_null_where_it_does_not_matter(bench):
    grid = toy_grid(bench, fixed={"x": 1, "shape": "saw", "depth": 2}, axes={"kind": ["plain", "wave"]})
    assert as_set(cells_of(grid), ("kind", "shape", "depth")) == {("plain", None, None), ("wave", "saw", 2.0)}
    alone = toy_grid(bench, fixed={"x": 1}, axes={"kind": ["plain"]})
    mixed = cell_ids(grid.study, grid.parts[0].block)
    assert cell_ids(alone.study, alone.parts[0].block)[0].tolist() in mixed.tolist(), "one cell, whatever else is in the grid"


def test_an_axis_behind_two_conditions(bench):
    grid = toy_grid(bench, fixed={"x": 1, "shape": "saw"}, axes={"depth": [1, 2], "kind": ["plain", "wave"]})
    assert as_set(cells_of(grid), ("kind", "depth")) == {("plain", None), ("wave", 1.0), ("wave", 2.0)}
    assert grid.cells == 3
    with pytest.raises(GridError, match="'depth' has no effect"):
        toy_grid(bench, fixed={"x": 1}, axes={"depth": [1, 2], "kind": ["plain", "wave"]})


def test_a_zip_with_a_condition(bench):
    grid = toy_grid(bench, zip={"kind": ["plain", "wave", "plain"], "x": [1, 2, 3]}, axes={"shape": ["sine", "saw"]})
    assert as_set(cells_of(grid), ("kind", "x", "shape")) == {
        ("plain", 1.0, None),
        ("wave", 2.0, "sine"),
        ("wave", 2.0, "saw"),
        ("plain", 3.0, None),
    }
    collapsed = toy_grid(bench, fixed={"x": 1}, zip={"kind": ["plain", "plain", "wave"], "shape": ["sine", "saw", "saw"]})
    assert as_set(cells_of(collapsed), ("kind", "shape")) == {("plain", None), ("wave", "saw")}
    assert collapsed.cells == 2


def test_random_conditional_grids_against_every_cell(bench):
    rng = random.Random(9)
    values = {"kind": ["plain", "wave"], "shape": ["sine", "saw"], "depth": [0.5, 1.0, 2.0], "n": [5, 6]}
    read = 0
    for _ in range(150):
        axes, fixed = {}, {"x": 1}
        for name in rng.sample(list(values), 4):
            chosen = rng.sample(values[name], rng.randrange(1, len(values[name]) + 1))
            match rng.randrange(3):
                case 0:
                    axes[name] = chosen
                case 1:
                    fixed[name] = chosen[0]
        full = {"kind": ["plain"], "shape": ["sine"], "depth": [0.5], "n": [10]} | {k: [v] for k, v in fixed.items()} | axes
        expected = set()
        for combination in itertools.product(*(full[k] for k in ("kind", "shape", "depth", "n"))):
            kind, shape, depth, n = combination
            shape = shape if kind == "wave" else None
            expected.add((kind, shape, depth if shape == "saw" else None, n))
        try:
            grid = toy_grid(bench, axes=axes, fixed=fixed)
        except GridError as error:
            named = [k for k in ("shape", "depth") if k in axes or k in fixed]
            useless = [k for k in named if all(e[("kind", "shape", "depth").index(k)] is None for e in expected)]
            assert useless, (axes, fixed, str(error))  # noqa: PT017
            continue
        read += 1
        assert grid.cells == len(expected), (axes, fixed)
        assert as_set(cells_of(grid), ("kind", "shape", "depth", "n")) == expected
    assert read > 50


def test_filters_of_a_student():
    document = {
        "study": "dong2025.regression",
        "fixed": {"d_weak": 5, "d_strong": 6, "d_overlap": 2, "n_labeled": 20, "n_transfer": 40},
        "axes": {"student_filter": ["ridge", "flow", "steps"], "ridge": [0, 0.1, 0.2], "time": [1, 2], "steps": [1, 2, 3, 4]},
        "exclude": ["filter == 'ridge' and ridge == 0", {"steps": [4]}],
    }
    cells = cells_of(load_grid(document))
    found = as_set(cells, ("student_filter", "ridge", "time", "steps", "step_size"))
    assert found == {
        *(("ridge", r, None, None, None) for r in (0.1, 0.2)),
        *(("flow", None, t, None, None) for t in (1.0, 2.0)),
        *(("steps", None, None, k, 0.1) for k in (1, 2, 3)),
    }


def test_many_values_behind_a_condition_are_not_multiplied_out(bench):
    grid = load_grid(
        {
            "study": "dong2025.regression",
            "fixed": {"d_weak": 5, "d_strong": 6, "d_overlap": 2, "n_labeled": 20, "n_transfer": 40},
            "axes": {
                "student_filter": ["ridge", "flow", "steps"],
                "ridge": {"linspace": [0, 1, 1000]},
                "time": {"linspace": [0, 1, 1000]},
                "steps": {"linspace": [0, 999, 1000]},
            },
        }
    )
    assert grid.cells == 3000
    with pytest.raises(GridError, match="too many combinations"):
        toy_grid(
            bench,
            zip={"x": {"linspace": [0, 1, 1000]}, "kind": ["wave"] * 1000},
            fixed={"shape": "saw"},
            axes={"depth": {"linspace": [0, 1, 1000]}},
        )


def test_nothing_holds_of_an_inactive_field() -> None:
    grid = {
        "study": "dong2025.regression",
        "axes": {"student_filter": ["ridge", "flow"], "ridge": [0.1, 1.0], "time": [1.0, 5.0]},
        "fixed": {"d_weak": 8, "d_strong": 6, "d_overlap": 4, "n_labeled": 40, "n_transfer": 40},
    }
    assert load_grid(grid).cells == 4
    assert load_grid({**grid, "exclude": ["time != 5"]}).cells == 3
    assert load_grid({**grid, "exclude": ["time > 0"]}).cells == 2
    assert load_grid({**grid, "exclude": ["filter != 'flow' and ridge > 0.5"]}).cells == 3


def test_a_word_that_a_field_cannot_have() -> None:
    with pytest.raises(GridError, match=r"'rigde' is not one of: ridge, flow, steps .*did you mean 'ridge'"):
        load_grid(
            {
                "study": "dong2025.regression",
                "axes": {"student_filter": ["ridge", "flow"]},
                "fixed": {"d_weak": 8, "d_strong": 6, "d_overlap": 4, "n_labeled": 40, "n_transfer": 40},
                "exclude": ["filter == 'rigde'"],
            }
        )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("n == '20'", "numbers with words: n is a number, '20' is a word; write 20 without quotes"),
        ("'many' != n", "words with numbers: 'many' is a word, n is a number; write a number"),
        ("label == 7", "words with numbers: label is a word, 7 is a number; write '7'"),
        ("x > 1 and not label != 7", "write '7'"),
        ("label in ['a', 7]", "write '7'"),
        ("1 < n == label", "numbers with words: n is a number, label is a word"),
        ("x + 1 == label", "numbers with words: x + 1 is a number, label is a word"),
        ("tag == 7", "tag is a word, 7 is a number; write '7'"),
        ("tag == True", "words with booleans: tag is a word, True is true or false; write a word in quotes"),
        ("flag != 'true'", "booleans with words: flag is true or false, 'true' is a word; write True or False"),
        ("kind == 3", "words with numbers: kind is a word, 3 is a number; write '3'"),
        ("kind == 'wavy'", "'wavy' is not one of: plain, wave (did you mean 'wave'?)"),
    ],
)
def test_what_is_never_equal_is_refused(bench, text, says):
    with pytest.raises(GridError) as caught:
        toy_grid(bench, axes={"x": [1], "n": [20], "label": ["7", "8"]}, exclude=[text])
    assert says in str(caught.value)


def test_fields_that_may_be_null_or_true_are_compared(bench):
    axes = {"x": [1, 2], "tag": [None, "u"], "flag": [False, True]}
    left = {"tag == 'u'": 4, "tag in ['u']": 4, "flag == True": 4, "flag == 1": 4, "x in [1] and tag != 'v'": 6}
    for text, cells in left.items():
        assert toy_grid(bench, axes=axes, exclude=[text]).cells == cells, text
    for text in ("tag == 'u'", "tag in ['u']", "tag not in ['v']"):
        assert toy_grid(bench, axes={"x": [1, 2]}, fixed={"tag": None}, exclude=[text]).cells == 2, "null is no word"
