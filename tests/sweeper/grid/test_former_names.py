"""A field by its earlier name: everywhere in a grid, with the same cells, and never under both names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeper import GridError, load_grid
from sweeper.plan.cut import block_key, make_plan
from w2s.contract.identity import cell_ids

FIXED = {"d_weak": 5, "d_strong": 6, "d_overlap": 2, "n_labeled": 20, "n_transfer": 40, "noise": 0.5}


def grid(name: str) -> dict[str, Any]:
    return {
        "study": "dong2025.regression",
        "grids": [
            {
                "axes": {name: ["ridge", "flow"], "ridge": [0.1, 1.0], "time": [1.0, 2.0]},
                "exclude": [f"{name} == 'ridge' and ridge > 0.5", {name: ["flow"], "time": [2.0]}],
            },
            {"fixed": {name: "steps", "steps": 5}},
            {"zip": {name: ["flow", "flow"], "time": [7.0, 8.0]}},
        ],
        "fixed": FIXED,
        "seeds": 2,
    }


def test_both_names_give_the_same_cells_and_parts() -> None:
    old, new = (make_plan(load_grid(grid(name))) for name in ("filter", "student_filter"))
    assert old.cells == new.cells == 10
    for one, two in zip(old.blocks(), new.blocks(), strict=True):
        assert (cell_ids(old.grid.study, one) == cell_ids(new.grid.study, two)).all()
        assert block_key(old.grid.study, one) == block_key(new.grid.study, two)
    assert "student_filter" in old.grid.axes()


def test_a_field_has_one_name_in_a_section(tmp_path: Path) -> None:
    both = {"study": "dong2025.regression", "fixed": {**FIXED, "filter": "flow", "student_filter": "ridge"}}
    with pytest.raises(GridError, match="'filter' is an earlier name of 'student_filter': name the field once"):
        load_grid(both)
    file = tmp_path / "grid.yaml"
    file.write_text("study: dong2025.regression\nfixed:\n  d_weak: 5\n  filter: rigde\n")
    with pytest.raises(GridError, match=r"grid\.yaml:4: student_filter: 'rigde' is not one of: ridge, flow, steps"):
        load_grid(file)
    across = {"study": "dong2025.regression", "axes": {"filter": ["flow"]}, "fixed": {**FIXED, "student_filter": "ridge"}}
    with pytest.raises(GridError, match="'student_filter' is named twice"):
        load_grid(across)
