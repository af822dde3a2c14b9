"""Fields that save memory: what is refused, and that cells and artifacts of before keep their names."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from finetune_grids import finetune_place, grid

from sweeper.errors import GridError
from sweeper.grid.read import load_grid
from sweeper.plan.artifacts import used_calls
from sweeper.plan.cut import make_plan


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return finetune_place(tmp_path_factory.mktemp("fields"))


def trainings(place, **fixed):
    calls = used_calls(make_plan(load_grid(grid(place, "fields.yaml", **fixed))))
    return {call.key: call for call in calls if call.artifact.name == "w2s.train"}


def test_usual_values_leave_old_names_and_others_make_new_ones(place):
    usual = trainings(place)
    same = trainings(place, precision=None, checkpointing=None, grouping=None, generation=None)
    assert same.keys() == usual.keys()
    for field, value in {"precision": "bfloat16", "checkpointing": True, "grouping": 100}.items():
        assert not trainings(place, **{field: value}).keys() & usual.keys(), field
    recipes = [call.arguments["recipe"] for call in trainings(place, grouping=100, checkpointing=True).values()]
    assert all(recipe["grouping"] == 100 and recipe["checkpointing"] for recipe in recipes)


@pytest.mark.parametrize(
    ("fixed", "says"),
    [
        ({"precision": "int8"}, "precision int8 is for tuning lora"),
        ({"precision": "bfloat16", "shards": 2}, "for trainings on one device"),
        ({"checkpointing": True, "shards": 2}, "for trainings on one device"),
        ({"checkpointing": True, "tuning": "frozen"}, "tuning frozen runs no model"),
        ({"precision": "bfloat61"}, "bfloat16"),
        ({"grouping": 0}, "grouping"),
    ],
)
def test_what_does_not_go_together_is_refused(place, fixed, says):
    with pytest.raises(GridError, match=says):
        load_grid(grid(place, "refused.yaml", **fixed))
