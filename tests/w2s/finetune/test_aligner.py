"""The corrector method: its columns, rounds, controls, what it may read, copies, kills."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

import w2s
from sweeper import launch
from sweeper.errors import GridError
from w2s.artifacts import Store
from w2s.finetune.data.items import items
from w2s.finetune.data.tables import read_table
from w2s.finetune.data.tasks import TaskData
from w2s.measure.edits import edits
from w2s.prompts.registry import TASKS

torch = pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from finetune_grids import kill_in_training, same_rows  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from w2s.finetune.data.answers import answers_of, draft_answers, reference_answers  # noqa: E402
from w2s.finetune.data.items import truth  # noqa: E402
from w2s.finetune.data.labels import part_ids  # noqa: E402
from w2s.finetune.data.preferences import answer_pairs  # noqa: E402
from w2s.finetune.data.stacked import first_answers, stacked_prompt, stacked_prompts  # noqa: E402
from w2s.finetune.data.targets import encode_targets  # noqa: E402
from w2s.finetune.inference.generate import Prompt, continuations  # noqa: E402
from w2s.finetune.inference.sampling import Sampling  # noqa: E402
from w2s.finetune.models.build import Shape, build  # noqa: E402
from w2s.finetune.models.folder import ModelFolder  # noqa: E402
from w2s.finetune.models.tokenizer import load_tokenizer  # noqa: E402
from w2s.finetune.objectives.sequence import Sequences  # noqa: E402
from w2s.finetune.training.loop import Recipe, Trainer  # noqa: E402

COLUMNS = {"text": "text", "label": "label", "pair": None, "group": None}
FIXED = {
    "task": "struck_digits",
    "weak_model": "made:decoder-1x16",
    "student_model": "made:decoder-1x32",
    "n_labeled": 24,
    "n_transfer": 24,
    "n_test": 16,
    "batch": 8,
    "epochs": 1,
    "learning_rate": 0.005,
    "learning_rate_labeled": 0.005,
    "max_length": 32,
    "answer_length": 7,
}


def grid(place, name, methods, study="aligner2024.strings", **fixed):
    content = {
        "study": study,
        "axes": {"method": methods},
        "fixed": {**FIXED, **fixed},
        "seeds": 1,
        "compute": {"executor": "inline", "backend": "numpy"},
    }
    path = place / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


METHODS = [
    "aligner",
    "aligner(rounds=0)",
    "aligner(rounds=2)",
    "aligner(warmup=0)",
    "aligner(writer=self)",
    "aligner(writer=weak)",
    "aligner(mode=dpo)",
    "aligner(mode=dpo, writer=self)",
    "aligner(upstream=labeled)",
    "aligner(upstream=pretrained, warmup=0)",
]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    place = tmp_path_factory.mktemp("aligner")
    outcome = launch(grid(place, "all", METHODS), out=place / "run", blind=True)
    assert outcome.exit == 0
    rows = w2s.load(place / "run").set_index("method")
    rows.attrs["store"] = place / ".w2s-store"
    return rows


def test_every_variant_has_a_row_and_its_accounting(table):
    assert (table["status"] == "ok").all()
    assert len(table) == len(METHODS)
    np.testing.assert_allclose(table["stacked_accuracy"], table["stacked_expected"], atol=1e-12)
    for text in table["rounds_edits"]:
        for found in json.loads(text):
            assert found["corrected"] == pytest.approx(found["expected"], abs=1e-12)
    assert table.loc["aligner", "copy_rate"] == table.loc["aligner(rounds=2)", "copy_rate"] <= 1.0
    assert table["copy_rate"].isna().tolist() == [method not in _WITH_COPIES for method in table.index]


_WITH_COPIES = {"aligner", "aligner(rounds=0)", "aligner(rounds=2)", "aligner(mode=dpo)", "aligner(upstream=labeled)"}


def test_without_a_round_the_student_is_the_upstream(table):
    row = table.loc["aligner(rounds=0)"]
    assert 1.0 - row["student_error_01"] == pytest.approx(row["upstream_accuracy"], abs=1e-12)
    assert row["stacked_accuracy"] == table.loc["aligner", "stacked_accuracy"]
    labeled = table.loc["aligner(upstream=labeled)"]
    assert labeled["upstream_accuracy"] == pytest.approx(1.0 - labeled["strong_error_01"], abs=1e-12)


def test_a_round_begins_with_the_answers_of_the_model_of_the_round_before(table):
    first, second = json.loads(table.loc["aligner(rounds=2)", "rounds_edits"])
    assert first["corrected"] == table.loc["aligner", "stacked_accuracy"]
    assert second["accuracy"] == pytest.approx(1.0 - table.loc["aligner", "student_error_01"], abs=1e-12)


def test_copies_alone_change_nothing_by_dpo_to_the_last_bit(table):
    """Both replies of every pair are the same: the gradient is zero, and the weights stay."""
    row = table.loc["aligner(mode=dpo, writer=self)"]
    assert 1.0 - row["student_error_01"] == pytest.approx(row["upstream_accuracy"], abs=1e-12)
    assert row["edit_rate"] == 0.0
    folders = [path.parent for path in table.attrs["store"].glob("*/*/model.json")]
    contents = [load_file(folder / "weights.safetensors") for folder in folders]
    twins = [
        (a, b)
        for k, a in enumerate(contents)
        for b in contents[:k]
        if a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    ]
    assert len(twins) == 1  # the upstream, and what DPO on copies made of it


def test_the_weak_models_answers_are_those_of_the_row(table):
    row = table.loc["aligner(writer=weak)"]
    assert row["stacked_accuracy"] == pytest.approx(1.0 - row["weak_error_01"], abs=1e-12)
    assert table.loc["aligner(writer=self)", "edit_rate"] == 0.0


def test_what_does_not_fit_is_refused(tmp_path):
    wrong = [
        ({"task": "sst2"}, ["aligner"], "aligner2024.strings", "sst2"),
        ({}, ["aligner(rounds=0, upstream=pretrained)"], "aligner2024.strings", "nothing is trained"),
        ({}, ["aligner(writer=me)"], "aligner2024.strings", "is not one of: aligner, weak, self"),
        ({}, ["aligner + confidence"], "aligner2024.strings", "needs class probabilities"),
    ]
    for fixed, methods, study, message in wrong:
        with pytest.raises((GridError, ValueError), match=message):
            launch(grid(tmp_path, "wrong", methods, study, **fixed), out=tmp_path / "run")


@pytest.mark.fault
def test_a_killed_launch_ends_with_the_same_rows(tmp_path):
    path = grid(tmp_path, "killed", ["aligner(mode=dpo)"])
    began = []

    def later(scratch):
        began.append(scratch.name)
        return len(set(began)) > 3  # in the fourth training: some are finished, one is half-way

    kill_in_training(path, tmp_path / "killed", later, step=2, seconds=0.05)
    launch(path, out=tmp_path / "killed")
    (tmp_path / "whole").mkdir()
    launch(path, out=tmp_path / "whole" / "run")
    same_rows(tmp_path / "killed", tmp_path / "whole" / "run")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def drawing():
    sizes = {"labeled": 12, "transfer": 20, "validation": 0, "test": 8}
    return {"task": TaskData.find("struck_digits"), "columns": COLUMNS, "sizes": sizes, "balance": True, "seed": 3}


def test_stacked_prompts_and_pairs_keep_their_ids(store):
    drawn = items(**drawing())
    drafts, answers = (
        draft_answers(items=drawn, part="transfer"),
        reference_answers(items=drawn, truth=truth(**drawing()), part="transfer"),
    )
    stacked = stacked_prompts(items=drawn, answers=drafts, parts=("transfer",), width=8)
    some = first_answers(answers=drafts, items=drawn, part="transfer", count=5)
    pairs = answer_pairs(items=drawn, chosen=answers, rejected=drafts, part="transfer")
    places = [store.ensure(call) for call in (drawn, drafts, answers, stacked, some, pairs)]
    ids = part_ids(places[0], "transfer")
    texts = dict(zip(*(read_table(places[0], "items")[c].to_pylist() for c in ("item_id", "text")), strict=True))
    first, second = answers_of(places[1], ids), answers_of(places[2], ids)
    rows = read_table(places[3], "items")
    assert rows["item_id"].to_pylist() == ids
    assert rows["text"].to_pylist() == [f"{texts[k]}{draft.ljust(8, '_')}=" for k, draft in zip(ids, first, strict=True)]
    assert set(rows["part"].to_pylist()) == {"transfer"}
    assert read_table(places[4], "answers")["item_id"].to_pylist() == ids[:5]
    table = read_table(places[5], "items")
    assert (table["pair"].to_pylist(), table["other"].to_pylist()) == (second, first)
    prefers = read_table(places[5], "labels")["p_0"].to_pylist()
    assert prefers == [0.5 if a == b else 1.0 for a, b in zip(first, second, strict=True)]
    assert {0.5, 1.0} == set(prefers)


def test_a_longer_answer_than_the_field_is_not_cut():
    assert stacked_prompt("ab>", "123", 5) == "ab>123__="
    assert stacked_prompt("ab>", "123456", 5) == "ab>123456="


def test_edits_of_nothing_are_nothing():
    right = np.array([True, True])
    found = edits(right, right, ~right)
    assert (found.accuracy, found.corrected, found.expected, found.broken, found.edited) == (1.0, 1.0, 1.0, 0.0, 0.0)
    assert np.isnan(found.fixed)
    assert np.isnan(found.helped)


def test_pure_copies_are_learned(tmp_path):
    """Trained on copies alone, a corrector copies 95 % or more of held-out answers exactly."""
    task, model = TASKS["struck_digits"], ModelFolder.find("made:decoder-2x32")
    tokenizer, width = load_tokenizer(model), 7
    prompts = list(dict.fromkeys(task.prompts("train", 1200)))
    pairs = [(stacked_prompt(prompt, task.draft(prompt), width), task.draft(prompt)) for prompt in prompts]
    learned, held_out = pairs[:1000], pairs[1000:1100]
    texts = encode_targets(tokenizer, [text for text, _ in learned], [answer for _, answer in learned], 32)
    module = build(model, Shape(1, head="lm"), seed=0)
    Trainer(module, Sequences(texts, range(1000)), Recipe(batch=16, epochs=5, learning_rate=0.005, warmup=0.05), 0).run()
    asked = [Prompt(str(k), 0, tuple(tokenizer(text)["input_ids"])) for k, (text, _) in enumerate(held_out)]
    found = {}
    for places, tokens in continuations(module.eval().backbone, asked, Sampling(0.0, max_new_tokens=7), 0, {1}, 0, rows=50):
        found |= dict(zip(places, tokenizer.batch_decode(tokens, skip_special_tokens=True), strict=True))
    assert np.mean([found[k] == answer for k, (_, answer) in enumerate(held_out)]) >= 0.95
