"""What a grid of finetunes is refused for before anything runs: the line, what is allowed, the nearest match."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from tiny_models import letter_rows, tiny_bert

from sweeper.errors import GridError
from sweeper.grid.read import load_grid
from w2s.contract.block import Axis, Block
from w2s.errors import FieldError
from w2s.finetune.data.items import Columns, draw_items
from w2s.finetune.data.tasks import TaskData
from w2s.finetune.objectives import losses
from w2s.studies.burns2023 import tasks
from w2s.studies.burns2023.tasks import check_draws

GRID = """study: burns2023.text
axes:
  method: [naive, {method}]
fixed:
  task: mine.csv
  label_column: {label}
  weak_model: bert:{layers}
  student_model: bert
  n_labeled: 40
  n_transfer: 40
seeds: 2
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a task of one's own and a tiny model."""
    folder = tmp_path_factory.mktemp("checks")
    pd.DataFrame(letter_rows(200, 1)).to_csv(folder / "mine.csv", index=False)
    tiny_bert(folder / "bert", layers=2)
    return folder


def complaint(place, method="entropy", label="label", layers=1):
    path = place / "grid.yaml"
    path.write_text(GRID.format(method=method, label=label, layers=layers))
    with pytest.raises(GridError) as told:
        load_grid(path)
    return told.value.line, str(told.value)


def test_a_good_grid_is_read(place):
    (place / "good.yaml").write_text(GRID.format(method="entropy", label="label", layers=1))
    assert len(load_grid(place / "good.yaml").parts) == 1


def test_values_of_options_have_their_line(place):
    line, text = complaint(place, method="confidence(schedule=papr)")
    assert line == 3
    assert "did you mean 'paper'?" in text


def test_a_loss_that_cannot_train_has_its_line(place, monkeypatch):
    monkeypatch.setattr(losses.LOSSES, "known", dict(losses.LOSSES.known))
    losses.loss("mine")(lambda logits, targets, progress: losses.cross_entropy(logits, targets))
    line, text = complaint(place, method="mine")
    assert line == 3
    assert "not a scalar" in text


def test_a_missing_column_has_its_line_and_the_nearest_match(place):
    line, text = complaint(place, label="lable")
    assert line == 6
    assert "no column 'lable' (did you mean 'label'?)" in text
    (place / "grid.yaml").write_text(GRID.format(method="entropy", label="label", layers=1).replace("mine.csv", "other.csv"))
    pd.read_csv(place / "mine.csv").rename(columns={"text": "letters"}).to_csv(place / "other.csv", index=False)
    with pytest.raises(GridError, match="no column 'text'") as told:  # the grid does not say text_column: it is about the task
        load_grid(place / "grid.yaml")
    assert told.value.line == 5


def test_a_model_without_so_many_layers_has_its_line(place):
    line, text = complaint(place, layers=9)
    assert line == 7
    assert "weak_model: model bert:9: has 2 layers, not 9" in text


def test_what_is_misspelt_beside_the_grid_is_told(place):
    (place / "semi.csv").write_text("text;label\na b;x\n")
    (place / "own_words.py").write_text('@method("word_of_mine")\ndef word_of_mine(kit, options): ...\n')
    for task, method, said in (
        ("semi.csv", "entropy", "columns seem to be separated by ';'; a CSV file separates them by ','"),
        ("mime.csv", "entropy", "(did you mean 'mine.csv'?)"),
        ("mine.csv", "./own_word.py:mine", "(did you mean 'own_words.py'?)"),
        ("mine.csv", "word_of_mine", "which own_words.py registers: write ./own_words.py:word_of_mine"),
    ):
        (place / "grid.yaml").write_text(GRID.format(method=method, label="label", layers=1).replace("mine.csv", task))
        with pytest.raises(GridError) as told:
            load_grid(place / "grid.yaml")
        assert said in str(told.value)


# draws


def grouped_task(folder, large=(40, 30, 20), seed=3):
    """A task of a few large and many small groups, named."""
    generator = np.random.default_rng(seed)
    sizes = [*large, *[5] * 10, *[1] * 40]
    group = np.repeat(np.arange(len(sizes)), sizes)
    rows = pd.DataFrame({"text": [f"item {k}" for k in range(len(group))], "group": group})
    rows["label"] = generator.permutation(np.arange(len(rows)) % 2)
    rows.to_csv(folder / "grouped.csv", index=False)
    return TaskData.find("grouped.csv", folder)


LEVEL = {"pair_column": None, "text_column": "text", "label_column": "label", "group_column": "group", "balance": True}


def seeds_by_outcome(task, count=40, **sizes):
    columns = Columns(group="group")
    wanted = {"labeled": sizes["n_labeled"], "transfer": sizes["n_transfer"], "validation": 0, "test": sizes["n_test"]}
    good, bad = [], []
    for seed in range(count):
        try:
            draw_items(task, columns, wanted, balance=True, seed=seed)
            good.append(seed)
        except FieldError:
            bad.append(seed)
    return good, bad


def test_with_groups_every_seed_is_drawn(tmp_path):
    task, sizes = grouped_task(tmp_path), {"n_labeled": 70, "n_transfer": 70, "n_test": 10}
    good, bad = seeds_by_outcome(task, **sizes)
    assert min(len(good), len(bad)) > 5
    fixed = LEVEL | sizes | {"task": task}
    check_draws(Block(fixed, (Axis.single("seed", good),)))
    told = rf"are left; taken: 10 test, 70 labeled; classes: '1' 82, '0' 75; ask for fewer \(seed {bad[0]}; items of one group stay together, in one part\)"
    with pytest.raises(FieldError, match=told):
        check_draws(Block(fixed, (Axis.single("seed", [*good, bad[0]]),)))


def test_seeds_are_drawn_only_where_groups_could_matter(tmp_path, monkeypatch):
    task, tried = grouped_task(tmp_path, large=[10]), []
    monkeypatch.setattr(tasks, "_try_draw", lambda level, seed: tried.append(seed))
    seeds = Axis.single("seed", list(range(5)))
    few = LEVEL | {"n_labeled": 2, "n_transfer": 2, "n_test": 2, "task": task}
    check_draws(Block(few, (seeds,)))
    assert tried == [0]
    assert seeds_by_outcome(task, n_labeled=2, n_transfer=2, n_test=2)[1] == []
    check_draws(Block(few | {"group_column": None, "n_labeled": 90}, (seeds,)))
    assert tried == [0, 0]
    check_draws(Block(few | {"n_labeled": 60}, (seeds,)))
    assert tried[2:] == [0, 1, 2, 3, 4]
    monkeypatch.setattr(tasks, "_LOOKED_AT", 2 * 100)
    check_draws(Block(few | {"n_labeled": 60}, (seeds,)))
    assert tried[7:] == [0, 1, 2]
