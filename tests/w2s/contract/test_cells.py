"""One value at a time: canonical forms, bounds, conditions."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s import Cell, FieldError, field
from w2s.contract.cells import cell_fields, null_inactive, value_digest
from w2s.errors import first_line, nearest


class Everything(Cell):
    number: float = field(1.0, description="number", unit="m", ge=-5)
    count: int = field(3, description="count", le=10)
    open_end: float = field(1.0, description="may be infinite", infinite=True)
    maybe: float | None = field(None, description="number or none")
    word: str = field("a", description="word", pattern="^[a-z]+$")
    choice: Literal["red", "green", "blue"] = field("red", description="choice")
    power: Literal[1, 2] = field(1, description="choice of integers")
    flag: bool = field(False, description="flag")
    widths: tuple[int, ...] = field((1, 2), description="several integers")
    shade: float = field(0.5, description="only for red", when={"choice": ["red"]})
    depth: float = field(0.5, description="only for that shade", when={"shade": [0.5]})


FIELDS = cell_fields(Everything)


@pytest.mark.parametrize(
    ("name", "written", "canonical"),
    [
        ("number", 3, 3.0),
        ("number", -0.0, 0.0),
        ("number", np.float64(2.5), 2.5),
        ("number", np.int64(2), 2.0),
        ("count", 3.0, 3),
        ("count", 1e1, 10),
        ("count", -0.0, 0),
        ("open_end", math.inf, math.inf),
        ("maybe", None, None),
        ("maybe", 2, 2.0),
        ("power", 2.0, 2),
        ("choice", "blue", "blue"),
        ("widths", [3, 4], (3, 4)),
        ("seed", 2**63 - 1, 2**63 - 1),
    ],
)
def test_canonical_form(name, written, canonical):
    parsed = FIELDS[name].parse(written)
    assert parsed == canonical
    assert type(parsed) is type(canonical)
    assert math.copysign(1, parsed) == 1 if isinstance(parsed, float) and parsed == 0 else True


@pytest.mark.parametrize(
    ("name", "written", "says"),
    [
        ("number", "3", "valid number"),
        ("number", True, "valid number"),
        ("number", math.nan, "nan is not a value"),
        ("number", math.inf, "inf is not allowed"),
        ("number", -6, "greater than or equal to -5"),
        ("number", 10**400, "not allowed"),
        ("number", None, "valid number"),
        ("open_end", math.nan, "nan is not a value"),
        ("count", 2.5, "valid integer"),
        ("count", True, "valid integer"),
        ("count", 11, "less than or equal to 10"),
        ("count", -(10**30), "64 bits"),
        ("count", "3", "valid integer"),
        ("word", "A", "pattern"),
        ("word", 3, "valid string"),
        ("choice", "gren", "not one of: red, green, blue (did you mean 'green'?)"),
        ("power", 3, "not one of: 1, 2"),
        ("flag", 1, "valid boolean"),
        ("flag", "yes", "valid boolean"),
        ("widths", [1, "two"], "valid integer"),
        ("seed", -1, "greater than or equal to 0"),
        ("seed", 2**63, "less than or equal to"),
    ],
)
def test_refused(name, written, says):
    with pytest.raises(FieldError) as caught:
        FIELDS[name].parse(written)
    assert says in str(caught.value)


def test_order_and_kinds():
    assert list(FIELDS)[-1] == "seed"
    kinds = {name: spec.kind for name, spec in FIELDS.items()}
    assert kinds["number"] == kinds["maybe"] == "number"
    assert (kinds["count"], kinds["choice"], kinds["flag"], kinds["word"], kinds["widths"]) == (
        "integer",
        "literal",
        "boolean",
        "text",
        "json",
    )
    with pytest.raises(TypeError):
        FIELDS["new"] = FIELDS["seed"]


def test_inactive_fields_are_null_and_so_are_those_behind_them():
    cell = {"choice": "blue", "shade": 0.5, "depth": 2.0, "word": "a"}
    assert null_inactive(cell, FIELDS) == {"choice": "blue", "shade": None, "depth": None, "word": "a"}
    assert null_inactive({**cell, "choice": "red"}, FIELDS)["depth"] == 2.0
    assert null_inactive({**cell, "choice": "red", "shade": 1.0}, FIELDS)["depth"] is None
    assert null_inactive({"shade": 0.5}, FIELDS) == {"shade": 0.5}, "a controller that is not named decides nothing"


def test_a_condition_on_a_field_that_is_not_there():
    class Wrong(Cell):
        a: int = field(1, description="a", when={"colour": ["red"]})

    with pytest.raises(TypeError, match="when= names 'colour'"):
        cell_fields(Wrong)


def test_a_cell_is_frozen_and_refuses_strangers():
    with pytest.raises(ValueError, match="frozen"):
        Everything().seed = 3
    with pytest.raises(ValueError, match="Extra inputs"):
        Everything(colour="red")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n two\nthree"), "two"),
        (KeyError(), "KeyError"),
        (OSError(" \n"), "OSError"),
    ],
)
def test_an_error_in_one_line(error, line):
    assert first_line(error) == line


def test_nearest():
    assert nearest("rigde", ["ridge", "time"]) == " (did you mean 'ridge'?)"
    assert nearest("zzz", ["ridge", "time"]) == ""


@given(st.integers(-(2**53) + 1, 2**53 - 1))
def test_integers_and_equal_floats_have_one_digest(number):
    assert value_digest("x", number) == value_digest("x", float(number))


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_digests_tell_numbers_apart(a, b):
    assert (value_digest("x", a) == value_digest("x", b)) == (a == b)


def test_digests_tell_names_types_and_nesting_apart():
    values = [0, 1, "0", "1", "", None, True, 0.5, "0.5", (1,), (1, 2), ((1,), 2), "inf", math.inf, -math.inf]
    digests = [value_digest(name, value) for name in ("a", "b") for value in values]
    assert len(set(digests)) == len(digests) - 2, "only the word inf and the number share a digest"
