"""From arrays to rows: schema, derived columns, statuses, nulls."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pytest

from w2s import Axis, Block, Cell, DataFile, Study, field
from w2s.contract.rows import failed_rows, rows_table, table_schema

PROVENANCE = {"backend": "numpy", "blas": "none", "dtype": "float64", "threads": 1, "elapsed_s": 6.0}


class RowCell(Cell):
    ridge: float = field(0.0, description="ridge", when={"filter": ["ridge"]})
    filter: Literal["ridge", "flow"] = field("ridge", description="filter")
    level: Literal[1, "auto"] = field(1, description="number or word")
    power: Literal[1, 2] = field(1, description="integers")
    widths: tuple[int, ...] = field((1,), description="several")
    flag: bool = field(False, description="flag")
    data: DataFile | None = field(None, description="file")


class Rowed(Study):
    name = "rowed"
    version = 3
    Cell = RowCell
    columns = {"extra": "double", "rank": "int64", "note": "string"}

    def cost(self, block): ...

    def solve(self, block, backend): ...


class Classified(Rowed):
    classifies = True


FIXED = {"level": "auto", "power": 2, "widths": (3, 4), "flag": True, "data": None, "seed": 5}
BLOCK = Block(FIXED, (Axis(("filter", "ridge"), (("ridge", 0.5), ("ridge", 1.0), ("flow", None))), Axis.single("x", [1, 2])))
BLOCK = Block(FIXED, (BLOCK.axes[0],))


def solved(**columns):
    base = {
        "weak_error": [4.0, 4.0, 4.0],
        "student_error": [3.0, 2.0, 5.0],
        "ceiling_error": [1.0, 1.0, 4.5],
        "misfit": [1.0, 1.0, 1.0],
    }
    return {name: np.asarray(value) for name, value in (base | columns).items() if value is not None}


def rows(block=BLOCK, study=Rowed, **columns):
    table = rows_table(study, block, solved(**columns), PROVENANCE)
    assert table.schema == table_schema(study)
    return table


def test_fields_and_derived_columns():
    table = rows(extra=[1.0, 2.0, 3.0], rank=[1, 2, 3], note=np.array(["a", None, "c"], dtype=object))
    first, second, third = table.to_pylist()
    assert (first["study"], first["version"], first["seed"]) == ("rowed", 3, 5)
    assert [r["ridge"] for r in (first, second, third)] == [0.5, 1.0, None]
    assert (first["level"], first["power"], first["widths"], first["flag"], first["data"]) == ("auto", 2, "[3, 4]", True, None)
    assert [r["gain"] for r in (first, second, third)] == [1.0, 2.0, -1.0]
    assert [r["pgr"] for r in (first, second)] == [1 / 3, 2 / 3]
    assert (third["pgr"], third["pgr_status"]) == (None, "gap_nonpositive")
    assert [r["status"] for r in (first, second, third)] == ["ok"] * 3
    assert [r["note"] for r in (first, second, third)] == ["a", None, "c"]
    assert (first["rank"], first["elapsed_s"], first["backend"]) == (1, 2.0, "numpy")
    assert first["strong_error"] is None


def test_a_literal_of_numbers_and_words_is_text():
    table = rows(block=Block(FIXED | {"level": 1}, BLOCK.axes))
    assert table["level"].to_pylist() == ["1"] * 3
    mixed = Block(
        {k: v for k, v in FIXED.items() if k != "level"} | {"filter": "flow", "ridge": None},
        (Axis.single("level", [1, "auto"]),),
    )
    kept = {name: value[:2] for name, value in solved().items()}
    assert rows_table(Rowed, mixed, kept, PROVENANCE)["level"].to_pylist() == ["1", "auto"]


def test_cells_nobody_asked_for_are_dropped():
    masked = BLOCK.with_mask(np.array([False, True, True]))
    table, whole = rows(block=masked), rows()
    assert table.num_rows == 2
    assert table.drop_columns("elapsed_s").equals(whole.slice(1).drop_columns("elapsed_s"))
    assert table["elapsed_s"].to_pylist() == [3.0, 3.0]
    assert rows(block=BLOCK.with_mask(np.zeros(3, dtype=bool))).num_rows == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["weak_error", "student_error", "ceiling_error", "misfit"])
def test_what_is_not_finite_becomes_null_with_a_status(name, bad):
    value = solved()[name].copy()
    value[1] = bad
    table = rows(**{name: value})
    assert table["status"].to_pylist() == ["ok", "nonfinite", "ok"]
    assert table[name].null_count == 1
    assert table[name][1].as_py() is None
    for column in table.columns:
        if pa.types.is_floating(column.type):
            assert np.isfinite(column.drop_null().to_numpy()).all()


def test_condition_and_status_of_the_study():
    table = rows(condition=[1.0, 1e13, 1.0], status=[0, 0, 1], message=np.array([None, None, "rank 3"], dtype=object))
    assert table["status"].to_pylist() == ["ok", "ill_conditioned", "singular"]
    assert table["message"].to_pylist() == [None, None, "rank 3"]


def test_gain_of_the_study_is_kept():
    assert rows(gain=[0.25, 0.5, 0.75])["gain"].to_pylist() == [0.25, 0.5, 0.75]


def test_scalars_broadcast():
    assert rows(misfit=2.0)["misfit"].to_pylist() == [2.0] * 3


def test_classifiers_have_columns_of_their_own():
    table = rows(
        study=Classified, weak_error_01=[0.5, 0.5, 0.5], student_error_01=[0.25, 0.5, 0.75], ceiling_error_01=[0.0, 0.0, 0.0]
    )
    assert table["gain_01"].to_pylist() == [0.25, 0.0, -0.25]
    assert table["pgr_01"].to_pylist() == [0.5, 0.0, -0.5]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"misfit": np.zeros((2, 2))}, r"column 'misfit' has shape \(2, 2\), the block has shape \(3,\)"),
        ({"misfit": None}, "study rowed returned no misfit"),
        ({"accuracy": [1, 2, 3]}, "study rowed returned unknown columns: accuracy"),
        ({"weak_error_01": [1, 2, 3]}, "unknown columns: weak_error_01"),
    ],
)
def test_what_a_study_must_not_return(columns, says):
    with pytest.raises(ValueError, match=says):
        rows(**columns)
    with pytest.raises(ValueError, match="study rowed returned NoneType, not a mapping"):
        rows_table(Rowed, BLOCK, None, PROVENANCE)


def test_failed_rows():
    table = failed_rows(Rowed, BLOCK, "it broke", PROVENANCE)
    assert table.schema == table_schema(Rowed)
    assert table["status"].to_pylist() == ["failed"] * 3
    assert table["message"].to_pylist() == ["it broke"] * 3
    assert table["cell_id"].to_pylist() == rows()["cell_id"].to_pylist()
    assert all(table[name].null_count == 3 for name in ("weak_error", "gain", "pgr", "misfit"))
    assert table["pgr_status"].to_pylist() == ["nonfinite"] * 3
