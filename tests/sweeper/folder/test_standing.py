"""The small file by which a launch says how far it is: read back as written, and whatever else lies there is nothing."""

from __future__ import annotations

import json

import pytest

from sweeper.folder.standing import Standing, TaskStanding, clear_standing, read_standing, time_text, write_standing
from w2s.artifacts import Steps, StepTeller
from w2s.artifacts.steps import read_steps

TRAINING = TaskStanding("train student mpnet cola naive seed 2", 31.0, Steps(40, 63, 1100.0, "tokens"))
NOW = Standing(2000, 1200, 3, 8, 2, 120.4, 34.0, (TRAINING, TaskStanding("solve ridge=0..1 seed 5", 1.5)))


def test_it_says_what_a_person_wants_to_know():
    assert NOW.line() == "2 of 8 artifacts, 1,203 of 2,000 cells, 120/s, about 34 s left, 3 failed"
    assert TRAINING.line() == "train student mpnet cola naive seed 2: step 40 of 63, 1,100 tokens/s"
    assert [time_text(seconds) for seconds in (3.2, 119, 600, 12000)] == ["3 s", "119 s", "10 min", "3 h 20 min"]


def test_it_is_read_back_and_goes(tmp_path):
    write_standing(tmp_path, NOW)
    assert read_standing(tmp_path) == NOW
    clear_standing(tmp_path)
    assert read_standing(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", ["cells", "left", "tasks", "rate"])
@pytest.mark.parametrize("value", ["NaN", "-1", '"x"', "{}", "[1]", "1e999"])
def test_what_no_launch_writes_is_nothing(tmp_path, field, value):
    write_standing(tmp_path, NOW)
    place = tmp_path / "standing.json"
    content = json.loads(place.read_text()) | {field: "HERE"}
    place.write_text(json.dumps(content).replace('"HERE"', value))
    assert read_standing(tmp_path) is None
    place.write_bytes(b"[" * 70000)
    assert read_standing(tmp_path) is None


def test_steps_are_told_at_most_once_a_second_and_damage_is_nothing(tmp_path):
    teller = StepTeller(tmp_path, "tokens", 500.0)
    teller.tell(1, 63, 600.0)
    teller.tell(2, 63, 700.0)
    found = read_steps(tmp_path)
    assert (found.step, found.steps, found.unit) == (1, 63, "tokens")
    assert found.rate > 0
    for damaged in (b"", b"{", b"[]", b'{"step": 3, "steps": 0, "rate": 1, "unit": "x"}', b'{"step": 3, "steps": 2}'):
        (tmp_path / "steps.json").write_bytes(damaged)
        assert read_steps(tmp_path) is None
    StepTeller(None, "tokens").tell(1, 2, 3.0)
