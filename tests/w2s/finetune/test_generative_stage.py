"""The generative stage: its loss against sums by hand, weights carried over, no label read, and cells of a grid with both ceilings."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_models import letter_task, reply_task, tiny_bert, tiny_causal

import w2s
from sweeper import launch, load_grid
from sweeper.errors import GridError
from w2s.artifacts import Store
from w2s.finetune.data.items import items
from w2s.finetune.data.tasks import TaskData

torch = pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from safetensors.torch import load_file  # noqa: E402

from w2s.finetune.models.build import Shape, build, load_weights, reload  # noqa: E402
from w2s.finetune.models.folder import ModelFolder  # noqa: E402
from w2s.finetune.objectives.base import Source  # noqa: E402
from w2s.finetune.objectives.sequence import Language  # noqa: E402
from w2s.finetune.training.train import train  # noqa: E402

SIZES = {"labeled": 40, "transfer": 40, "validation": 0, "test": 30}
COLUMNS = {"text": "text", "label": "label", "pair": None, "group": None}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two causal models, an encoder, and pairs with a planted reward beside a task of single texts."""
    folder = tmp_path_factory.mktemp("generative")
    reply_task(letter_task(folder / "data", train=120, test=60), train=200, test=60)
    tiny_causal(folder / "llama", width=32)
    tiny_causal(folder / "gpt2", kind="gpt2", width=32)
    tiny_bert(folder / "bert", layers=1, width=16)
    return folder


@pytest.fixture(autouse=True)
def data(place, monkeypatch):
    monkeypatch.setenv("W2S_DATA", str(place / "data"))


def drawn():
    return items(task=TaskData.find("hh_harmless"), columns=COLUMNS, sizes=SIZES, balance=True, seed=0)


def source(place, base, rows=40):
    store = Store(place / "store")
    folder = store.ensure(drawn())
    given = {"loss": "xent", "options": {}, "settings": {}}
    return Source(base, folder, (folder,), "transfer", rows, 32, **given)


def test_the_loss_is_the_mean_over_all_tokens_of_both_texts(place):
    base = ModelFolder.find("llama", place)
    objective = Language.read(source(place, base))
    assert len(objective.lengths) == 80
    module = build(base, Shape(2, head="lm"), seed=0).eval()
    places = np.array([0, 7, 79])
    found = float(objective.loss(objective.outputs(module, places), places, 0.0).detach())
    total, tokens = 0.0, 0
    with torch.no_grad():
        for k in places:  # every text alone, without padding, by its logits
            ids = torch.tensor([objective.texts.tokens[objective.rows[k]]])
            logs = module.backbone(input_ids=ids).logits[0].double().log_softmax(dim=1)
            total -= float(sum(logs[t, ids[0, t + 1]] for t in range(ids.shape[1] - 1)))
            tokens += ids.shape[1] - 1
    assert found == pytest.approx(total / tokens, rel=1e-5)
    sums = objective.predicted(module, objective.rows[places])
    assert -sums.sum() / tokens == pytest.approx(found, rel=1e-6)
    with pytest.raises(ValueError, match="41 items"):
        Language.read(source(place, base, rows=41))


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_reward_model_starts_where_the_language_model_ended(place, kind):
    base, store = ModelFolder.find(kind, place), Store(place / "store")
    recipe = {"epochs": 1, "batch": 16, "learning_rate": 1e-2, "objective": {"name": "language", "options": {}}}
    shape = {"classes": 2, "tuning": "full", "head": "lm"}
    call = train(
        base=base, items=drawn(), labels=drawn(), part="transfer", shape=shape, recipe=recipe, rows=40, max_length=32, seed=1
    )
    folder = store.ensure(call)
    language, reward = reload(folder, base), build(base, Shape(1), seed=3)
    before = {name: weight.clone() for name, weight in reward.named_parameters()}
    load_weights(reward, folder, base)
    inner = getattr(language.backbone, language.backbone.base_model_prefix)
    trained = dict(inner.named_parameters())
    for name, weight in reward.named_parameters():
        if name.startswith("head."):
            assert torch.equal(weight, before[name])
        else:
            assert torch.equal(weight, trained[name.removeprefix("backbone.")])
    assert any(not torch.equal(w, before[n]) for n, w in reward.named_parameters())
    assert set(load_file(folder / "weights.safetensors")) >= {
        f"backbone.{language.backbone.base_model_prefix}.{n}" for n in trained
    }


def grid(place, **changed):
    fixed = {
        "task": "hh_harmless", "weak_model": "./gpt2", "student_model": "./llama", "n_labeled": 40, "n_transfer": 40, "n_test": 30,
        "epochs": 1, "batch": 8, "max_length": 32, "learning_rate": 1e-2, "learning_rate_labeled": 1e-2,
    } | changed  # fmt: skip
    axes = {"method": fixed.pop("method", ["naive", "generative", "generative(epochs=2, rate=0.001) + confidence"])}
    return load_grid({"study": "burns2023.text", "axes": axes, "fixed": fixed, "seeds": 1}, place)


def test_cells_have_both_ceilings_and_share_their_trainings(place):
    outcome = launch(grid(place), out=place / "runs" / "all", executor="inline", blind=True)  # truth reaches no student
    assert (outcome.exit, outcome.computed) == (0, 3)
    rows = w2s.load(place / "runs" / "all").set_index("method")
    assert set(rows["status"]) == {"ok"}
    for name in ("weak_error_01", "strong_error_01", "ceiling_error_01"):
        assert rows[name].nunique() == 1, name  # neither weak model, nor strong baseline, nor ceiling has the stage
    assert list(rows.index[rows["adjusted_ceiling_error"].isna()]) == ["naive"]
    staged = rows[rows["adjusted_ceiling_error"].notna()]
    assert staged["adjusted_ceiling_error"].nunique() == 2
    assert (staged["adjusted_ceiling_error"] != staged["ceiling_error"]).all()
    for _, row in staged.iterrows():
        gap = row["weak_error_01"] - row["adjusted_ceiling_error_01"]
        expected = (row["weak_error_01"] - row["student_error_01"]) / gap if gap > 0 else float("nan")
        assert row["adjusted_pgr_01"] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(("changed", "message"), [
    ({"task": "sentence_polarity"}, "pairs of replies"),
    ({"tuning": "lora"}, "tuning lora"),
    ({"student_model": "./bert"}, "causal"),
    ({"method": ["generative(epochs=0.5)"]}, "epochs"),
])  # fmt: skip
def test_what_cannot_have_the_stage_is_refused(place, changed, message):
    with pytest.raises(GridError, match=message):
        launch(grid(place, **changed), out=place / "runs" / "refused", executor="inline")
