"""Preferences: losses at the sheet's values, pairs as tokens, a planted reward found, rows of a grid, DPO and what it writes."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import yaml
from tiny_models import WORDS, letter_task, reply_task, tiny_bert, tiny_causal

import w2s
from sweeper import launch
from sweeper.errors import Exit, GridError
from w2s.artifacts import Store
from w2s.finetune.data.formatters import find_formatter
from w2s.finetune.data.items import items
from w2s.finetune.data.tables import read_table
from w2s.finetune.data.tasks import TaskData
from w2s.finetune.evaluation.base import Seen
from w2s.finetune.evaluation.preference import PreferenceEvaluation, pair_hits

torch = pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from w2s.finetune.data.pairs import encode_pairs  # noqa: E402
from w2s.finetune.inference.generate import generate  # noqa: E402
from w2s.finetune.inference.preference import reply_log_probabilities  # noqa: E402
from w2s.finetune.models.build import Shape, build  # noqa: E402
from w2s.finetune.models.folder import ModelFolder  # noqa: E402
from w2s.finetune.models.tokenizer import load_tokenizer  # noqa: E402
from w2s.finetune.objectives.preference import DPO, Reward  # noqa: E402


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with two tiny models and a task with a planted reward."""
    folder = tmp_path_factory.mktemp("preference")
    reply_task(letter_task(folder / "data", train=60, test=30), train=700)
    tiny_bert(folder / "bert", layers=2, width=32)
    tiny_causal(folder / "llama", width=32)
    return folder


@pytest.fixture(autouse=True)
def data(place, monkeypatch):
    monkeypatch.setenv("W2S_DATA", str(place / "data"))


@pytest.fixture
def llama(place):
    return ModelFolder.find("llama", place)


class Fixed(torch.nn.Module):
    """A model that gives every text, or every token of it, one number of its own."""

    def __init__(self, values, by_token):
        super().__init__()
        self.values, self.by_token = torch.nn.Parameter(torch.tensor(values)), by_token

    def forward(self, ids, mask):
        return self.values[:, None].expand(ids.shape) if self.by_token else self.values[:, None]


def pairs(tokenizer, count=1):
    return encode_pairs(tokenizer, ["a b"] * count, ["c d e"] * count, ["f"] * count, 32)


def test_dpo_at_the_sheets_value(llama):
    """Log ratios +1 and -1 at beta 0.1: 0.598139 (sheet of Cong et al. 2025, acceptance values)."""
    texts = pairs(load_tokenizer(llama))
    sums = texts.replies([0]).sum(dim=1)
    assert sums.tolist() == [4, 2]  # tokens of the replies and the end of each
    module = Fixed([-0.5, -0.75], by_token=True)
    policy = torch.tensor([[-0.5 * 4, -0.75 * 2]])
    for targets, sign in (([[1.0, 0.0]], 1.0), ([[0.0, 1.0]], -1.0)):
        reference = policy - sign * torch.tensor([[1.0, -1.0]])
        objective = DPO(texts, [0], torch.tensor(targets), reference=reference, beta=0.1)
        loss = objective.loss(objective.outputs(module, np.array([0])), np.array([0]), 0.0)
        assert float(loss.detach()) == pytest.approx(0.598139, abs=1e-6)
    objective = DPO(texts, [0], torch.tensor([[1.0, 0.0]]), reference=policy, beta=0.1)
    loss = objective.loss(objective.outputs(module, np.array([0])), np.array([0]), 0.0)
    assert float(loss.detach()) == pytest.approx(math.log(2), abs=1e-6)
    loss.backward()  # -beta/2 for every token of the preferred reply, +beta/2 for those of the other
    assert module.values.grad.tolist() == pytest.approx([-0.05 * 4, 0.05 * 2])


@pytest.mark.parametrize("margin", [-3.0, -0.2, 0.0, 0.2, 1.0, 40.0])
@pytest.mark.parametrize("preferred", [0.0, 0.3, 1.0])
def test_the_reward_loss_is_bradley_and_terrys(llama, margin, preferred):
    """-p log sigmoid(r_2 - r_1) - (1 - p) log sigmoid(r_1 - r_2); at 0.2 and p = 1 it is DPO's value on the sheet."""
    objective = Reward(pairs(load_tokenizer(llama)), [0], torch.tensor([[1 - preferred, preferred]]))
    module = Fixed([0.25, 0.25 + margin], by_token=False)
    found = float(objective.loss(objective.outputs(module, np.array([0])), np.array([0]), 0.0).detach())
    expected = preferred * math.log1p(math.exp(-margin)) + (1 - preferred) * (
        math.log1p(math.exp(-abs(margin))) + max(margin, 0.0)
    )
    assert found == pytest.approx(expected, abs=1e-6)
    if (margin, preferred) == (0.2, 1.0):
        assert found == pytest.approx(0.598139, abs=1e-6)
    assert objective.predicted(module, np.array([0]))[0, 1] == pytest.approx(1 / (1 + math.exp(-margin)), abs=1e-6)


def test_a_row_of_a_data_set_is_a_prompt_with_two_replies():
    read = find_formatter("hh_harmless").read
    labels = []
    for k in range(60):
        start = f"\n\nHuman: q{k}\n\nAssistant: x\n\nHuman: more\n\nAssistant:"
        example = read({"chosen": f"{start} A good\n\nAssistant: one", "rejected": f"{start} A bad one"})
        assert example.text == example.group == start
        assert (example.pair, example.other)[example.label].startswith(" A good")
        swapped = read({"chosen": f"{start} A bad one", "rejected": f"{start} A good\n\nAssistant: one"})
        assert (swapped.pair, swapped.other, swapped.label) == (example.pair, example.other, 1 - example.label) or (
            (swapped.pair, swapped.other, swapped.label) == (example.other, example.pair, example.label)
        )
        labels.append(example.label)
    assert 15 < sum(labels) < 45
    for bad in ({"chosen": "x", "rejected": "y"}, {"chosen": "\n\nAssistant: a", "rejected": "\n\nAssistant: a"}):
        with pytest.raises(ValueError, match="no two replies"):
            read(bad)


def words(ids):
    return " ".join(WORDS[k] for k in ids)


def test_pairs_as_tokens(place, llama):
    bert = load_tokenizer(ModelFolder.find("bert", place))
    found = encode_pairs(bert, ["a b"], ["c"], ["d e"], 32)
    assert [words(ids) for ids in found.sides.tokens] == ["[CLS] a b [SEP] c [SEP]", "[CLS] a b [SEP] d e [SEP]"]
    assert found.replies([0]).int().tolist() == [[0, 0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 1, 1, 1]]
    found = encode_pairs(load_tokenizer(llama), ["a b", "g h i j k l m"], ["c", "n"], ["d e", "o p q r s t u v"], 8)
    assert [words(ids) for ids in found.sides.tokens] == [
        "a b c [SEP]",
        "a b d e [SEP]",
        "h i j k l m n [SEP]",  # a prompt loses its beginning
        "m o p q r s t [SEP]",  # a reply its end, where a quarter is left to the prompt
    ]
    assert found.cut == 1
    ids, mask = found.batch([1, 0])
    assert [words(row[kept.bool()]) for row, kept in zip(ids, mask, strict=True)][2] == "a b c [SEP]"
    assert found.lengths.tolist() == [9, 16]


def test_log_probabilities_of_replies_by_hand(llama):
    texts = encode_pairs(load_tokenizer(llama), ["a b", "c d e"], ["c", "d e f"], ["g h", "i"], 32)
    module = build(llama, Shape(2, head="lm"), seed=0)
    with torch.no_grad():
        found = reply_log_probabilities(module, texts, np.array([1, 0]), torch.device("cpu"))
        for row, item in ((0, 1), (1, 0)):
            for side in (0, 1):
                ids, start = texts.sides.tokens[2 * item + side], texts.places[item][1 + side]
                logits = module.backbone(input_ids=torch.tensor([ids])).logits[0].log_softmax(dim=1)
                by_hand = sum(float(logits[k - 1, ids[k]]) for k in range(start, len(ids)))
                assert float(found[row, side]) == pytest.approx(by_hand, abs=1e-5)


def test_pair_accuracies():
    truth = np.array([0, 1, 1, 0])
    given = np.array([[0.9, 0.1], [0.9, 0.1], [0.5, 0.5], [np.nan, np.nan]])
    assert pair_hits(given, truth)[:3].tolist() == [1.0, 0.0, 0.5]
    assert np.isnan(pair_hits(given, truth)[3])
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=400)
    right = np.eye(2)[truth] * 0.8 + 0.1
    weak = np.where((rng.random(400) < 0.3)[:, None], right[:, ::-1], right)
    row = PreferenceEvaluation().row(truth, Seen([weak], right, right, np.full((400, 2), 0.5)))
    assert row["weak_pair_accuracy"] == pytest.approx(1 - row["weak_error_01"])
    assert row["weak_pair_accuracy_low"] < row["weak_pair_accuracy"] < row["weak_pair_accuracy_high"]
    half_width = 1.96 * math.sqrt(row["weak_pair_accuracy"] * (1 - row["weak_pair_accuracy"]) / 400)
    assert row["weak_pair_accuracy"] - row["weak_pair_accuracy_low"] == pytest.approx(half_width, rel=0.15)
    assert (row["student_pair_accuracy_high"], row["strong_pair_accuracy"]) == (1.0, 0.5)
    assert row["student_pair_accuracy_low"] == pytest.approx(400 / (400 + 1.959964**2), rel=1e-6)  # none of 400 is wrong
    assert np.isnan(row["strong_pair_accuracy_low"])  # all items have one number
    assert set(PreferenceEvaluation.columns) <= set(row)


BASE = {
    "task": "hh_harmless",
    "n_labeled": 300,
    "n_transfer": 300,
    "batch": 16,
    "epochs": 3,
    "learning_rate": 3e-3,
    "learning_rate_labeled": 3e-3,
    "max_length": 32,
}


def grid(place, name, axes=None, **fixed):
    given = {"weak_model": "bert:1", "student_model": "bert", **BASE, **fixed}
    content = {
        "study": "burns2023.text",
        "axes": axes or {},
        "fixed": {key: value for key, value in given.items() if key not in (axes or {})},
        "seeds": 1,
        "compute": {"executor": "inline", "backend": "numpy"},
    }
    path = place / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def launched(place, name, axes=None, **fixed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("W2S_DATA", str(place / "data"))
        outcome = launch(grid(place, name, axes, **fixed), out=place / "runs" / name)
    assert outcome.exit == Exit.DONE
    return w2s.load(place / "runs" / name).set_index("method")


@pytest.fixture(scope="module")
def by_dpo(place):
    return launched(place, "dpo", student_model="llama", method="dpo(beta=0.5)", learning_rate=1e-2)


def test_reward_models_find_a_planted_reward(place):
    rows = launched(place, "rewards", {"method": ["naive", "confidence + ensemble(2)"]}, control="flip")
    assert (rows["status"] == "ok").all(), rows[["status", "message"]].to_string()
    for model in ("weak", "student", "strong", "ceiling"):
        assert (rows[f"{model}_pair_accuracy_low"] > 0.6).all(), rows.filter(like="pair_accuracy").T.to_string()
    assert np.allclose(rows["student_pair_accuracy"], 1 - rows["student_error_01"])
    assert rows["weak_pair_accuracy"].nunique() == 2  # one reward model, and the mean of two
    known = ["gain", "misfit", "agreement", "weak_calibration", "n_items", "tokens", "student_flip_error_01"]
    assert rows[known].notna().all().all()


def test_dpo_finds_a_planted_reward(by_dpo):
    (row,) = by_dpo.to_dict("records")
    assert row["status"] == "ok", row["message"]
    assert row["weak_pair_accuracy_low"] > 0.6
    assert row["student_pair_accuracy_low"] > 0.6
    assert row["ceiling_error_01"] == pytest.approx(1 - row["ceiling_pair_accuracy"])


def test_learned_dpo_finds_a_planted_reward_with_two_supervisors(place):
    method = "dpo_learned(beta=0.5, easy=0.2, rate=0.1) + ensemble(2)"
    (row,) = launched(place, "dpo_learned", student_model="llama", method=method, learning_rate=1e-2).to_dict("records")
    assert row["status"] == "ok", row["message"]
    assert row["student_pair_accuracy_low"] > 0.5
    weights = json.loads(row["learned_weights"])
    assert len(weights) == 2
    assert sum(weights) == pytest.approx(1.0)
    assert weights != [0.5, 0.5]
    assert 0 < row["agreed_items"] <= 1
    assert row["misfit"] == row["misfit"]


def test_a_model_trained_by_dpo_writes_what_is_preferred(by_dpo, place, llama):
    store = Store(place / "runs" / ".w2s-store")
    drawn = {"columns": {"text": "text", "label": "label", "pair": None, "group": None}, "balance": True, "seed": 0}
    sizes = {"labeled": 300, "transfer": 300, "validation": 0, "test": None}
    prompts = items(task=TaskData.find("hh_harmless"), sizes=sizes, **drawn)
    assert store.has(prompts)
    trained = next(m for m in store.manifests() if m["function"] == "w2s.train" and m["arguments"]["shape"].get("head") == "lm")
    policy = store.path / trained["key"][:2] / trained["key"]
    shares = []
    for number, model in enumerate([None, policy]):
        target = place / f"written-{number}"
        for part in ("value", "scratch"):
            (target / part).mkdir(parents=True)
        sampling = {"max_new_tokens": 6}
        work = w2s.artifacts.Work(target / "value", target / "scratch")
        given = {
            "base": llama,
            "items": store.get(prompts),
            "parts": ("test",),
            "sampling": sampling,
            "seed": 0,
            "max_length": 32,
            "model": model,
        }
        generate.function(work, **given)
        letters = "".join(read_table(target / "value", "generations")["text"].to_pylist()).replace(" ", "").replace("[UNK]", "")
        shares.append(np.mean([letter < "n" for letter in letters]))
    assert shares[1] > shares[0] + 0.1


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        (
            {"method": "dpo", "task": "sentence_polarity", "n_labeled": 10, "n_transfer": 10},
            "learns from pairs of replies, which this task has not",
        ),
        ({"method": "self_labels"}, "needs features of items, which a task of pairs of replies has not"),
        ({"method": "ensemble_learned + ensemble(2)"}, "takes Labelled examples, not Pair"),
        ({"method": "naive", "shards": 2}, "models of pairs train on one device"),
        ({"method": "dpo(beta=0)"}, "beta 0 is not a number above 0"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(place, changed, complaint):
    with pytest.raises(GridError, match=complaint):
        launch(grid(place, "refused", **changed), out=place / "runs" / "refused")
