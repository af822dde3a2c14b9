"""Contrastive texts, regression on weak log ratios and search: against loops of single tokens, hand values, rows, kills."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml

import w2s
from sweeper import launch, load_grid
from sweeper.errors import GridError
from w2s.artifacts import Store
from w2s.decoding.contrastive import contrastive
from w2s.decoding.search import Search, draw_tokens
from w2s.errors import FieldError
from w2s.finetune.data.items import items
from w2s.finetune.data.tables import read_table, write_table
from w2s.finetune.data.tasks import TaskData
from w2s.finetune.inference.sampling import Sampling, choose, draws

torch = pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from finetune_grids import kill_in_training, same_rows  # noqa: E402
from small_trainings import Certain  # noqa: E402

from w2s.finetune.data.preferences import careless_answers, ranked_pairs  # noqa: E402
from w2s.finetune.data.targets import encode_targets  # noqa: E402
from w2s.finetune.inference.contrast import Contrast  # noqa: E402
from w2s.finetune.inference.generate import Prompt, continuations, generate  # noqa: E402
from w2s.finetune.inference.guided import next_logs  # noqa: E402
from w2s.finetune.inference.preference import reference_log_probabilities  # noqa: E402
from w2s.finetune.inference.target_logs import implicit_reward, target_logs  # noqa: E402
from w2s.finetune.models.folder import ModelFolder  # noqa: E402
from w2s.finetune.models.pretrained import causal_model  # noqa: E402
from w2s.finetune.models.tokenizer import load_tokenizer  # noqa: E402
from w2s.finetune.objectives.wspo import WSPO  # noqa: E402

COLUMNS = {"text": "text", "label": "label", "pair": None, "group": None}
SIZES = {"labeled": 12, "transfer": 12, "validation": 0, "test": 8}
BASE = {
    "task": "syllables",
    "weak_model": "made:decoder-1x16",
    "student_model": "made:decoder-1x32",
    "n_labeled": 24,
    "n_transfer": 24,
    "n_test": 16,
    "batch": 8,
    "epochs": 1,
    "learning_rate": 3e-3,
    "learning_rate_labeled": 3e-3,
    "max_length": 24,
    "answer_length": 5,
}
METHODS = [
    "cong",
    "cong(careless=0.5, stage=sft)",
    "cong(stage=sft, samples=5)",
    "cong(cd_lambda=0, plausible=0, stage=sft)",
    "wspo",
    "search",
]


def grid(place: Path, name: str, axes=None, **fixed) -> Path:
    content = {
        "study": "burns2023.text",
        "axes": axes or {},
        "fixed": {key: value for key, value in {**BASE, **fixed}.items() if key not in (axes or {})},
        "seeds": 1,
        "compute": {"executor": "inline", "backend": "numpy"},
    }
    path = place / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def names():
    return ModelFolder.find("made:decoder-1x16"), ModelFolder.find("made:decoder-2x16")


@pytest.fixture(scope="module")
def models(names):
    return [causal_model(name, "a test") for name in names]


@pytest.fixture(scope="module")
def drawing():
    return items(task=TaskData.find("syllables"), columns=COLUMNS, sizes=SIZES, balance=False, seed=0)


def prompts(count=11):
    rng = np.random.default_rng(0)
    return [Prompt(f"item-{k}", k % 2, tuple(rng.integers(5, 90, size=rng.integers(1, 9)).tolist())) for k in range(count)]


def written(models, given, sampling, lam, plausible, seed=0):
    found = {}
    contrast = Contrast(models[1], lam, plausible)
    for places, tokens in continuations(models[0], given, sampling, seed, (1,), 0, contrast=contrast):
        found |= dict(zip(places, tokens, strict=True))
    return [found[k] for k in range(len(given))]


def logs_of(model, tokens):
    with torch.inference_mode():
        return model(input_ids=torch.tensor([tokens])).logits[0, -1].double().log_softmax(dim=-1).numpy()


def one_by_one(models, prompt, sampling, lam, plausible, seed=0):
    text, numbers = list(prompt.tokens), draws(prompt.name, prompt.sample, seed, sampling.max_new_tokens)
    for number in numbers:
        p, q = (logs_of(model, text) for model in models)
        text.append(choose(contrastive(p, q, lam, plausible), number, sampling))
        if text[-1] == 1:
            break
    return text[len(prompt.tokens) :]


@pytest.mark.parametrize(("lam", "plausible"), [(0.6, 0.1), (1.0, 0.0), (0.0, 0.3)])
def test_contrastive_texts_are_those_of_single_tokens(models, lam, plausible):
    sampling = Sampling(temperature=0.8, top_p=0.95, max_new_tokens=6)
    together = written(models, prompts(), sampling, lam, plausible)
    assert together == [one_by_one(models, prompt, sampling, lam, plausible) for prompt in prompts()]
    assert together == [written(models, [prompt], sampling, lam, plausible)[0] for prompt in prompts()]


def test_no_contrast_and_no_filter_is_the_model_itself(models):
    sampling, found = Sampling(max_new_tokens=6), {}
    for places, tokens in continuations(models[0], prompts(), sampling, 0, (1,), 0):
        found |= dict(zip(places, tokens, strict=True))
    assert written(models, prompts(), sampling, 0.0, 0.0) == [found[k] for k in range(11)]


def test_a_model_against_itself_draws_from_plausible_tokens_evenly(models):
    """So the token at u is the floor of u times their number."""
    found = written([models[0], models[0]], prompts(), Sampling(max_new_tokens=1), 1.0, 0.2)
    for prompt, (token,) in zip(prompts(), found, strict=True):
        p = logs_of(models[0], list(prompt.tokens))
        kept = np.flatnonzero(p >= p.max() + np.log(0.2))
        assert token == kept[int(draws(prompt.name, prompt.sample, 0, 1)[0] * len(kept))]


def test_numbers_of_a_contrast_are_checked(models):
    with pytest.raises(FieldError, match="plausible"):
        Contrast(models[1], 0.5, 1.5)


def test_keys_of_plain_generations_stay(names, drawing):
    given = {"base": names[0], "items": drawing, "parts": ("test",), "sampling": {"max_new_tokens": 4}, "seed": 0}
    plain = generate(**given)
    assert generate(**given, cd_lambda=0.0, plausible=0.0).key == plain.key != generate(**given, plausible=0.1).key
    assert "model" not in reference_log_probabilities(base=names[0], items=drawing, max_length=16).arguments


def test_the_regression_at_the_sheets_value(names):
    """With gamma .1, a student's log ratio of .3 and a weak one of .05 the loss is .0004, and its gradient 2 gamma (-.02)."""
    texts = encode_targets(load_tokenizer(names[0]), ["ab>"], ["xy"], 32)
    made = WSPO(texts, [0])
    reference = np.array([-1.0, -0.5, -2.0])
    made.gamma, made.wanted = 0.1, [torch.tensor(0.1 * reference + 0.05, dtype=torch.float32)]
    module = Certain([0.0, -1.0, -np.inf, *(reference + 0.3)])
    loss = made.loss(made.outputs(module, np.array([0])), np.array([0]), 0.0)
    assert float(loss.detach()) == pytest.approx(0.0004, abs=1e-6)
    loss.backward()
    assert module.values.grad.tolist() == pytest.approx([0, 0, 0, *[2 * 0.1 * -0.02 / 3] * 3], abs=1e-7)


def table(folder: Path, name: str, content: dict) -> Path:
    folder.mkdir()
    write_table(folder, name, pa.table(content))
    return folder


def made(artifact, folder: Path, **arguments):
    class Work:
        scratch = folder

        def note(self, text):
            pass

    folder.mkdir()
    Work.folder = folder
    artifact.function(Work(), **arguments)
    return folder


def test_answers_are_ranked_and_joined_by_item(tmp_path):
    """In another order than the prompts': best and worst by the task's check, one half where nothing is better."""
    columns = {
        "item_id": ["a", "b", "c"],
        "text": ["bd>", "fg>", "kl>"],
        "group": ["1", "2", "3"],
        "part": ["labeled"] * 2 + ["test"],
    }
    asked = table(tmp_path / "items", "items", columns)
    given = {
        "item_id": ["b", "a", "b", "a", "c", "a"],
        "sample": [1, 2, 0, 1, 0, 0],
        "text": ["x", "bada", "x", "baxx", "q", "zz"],
    }
    answers = table(tmp_path / "given", "generations", given)
    task = {"task": TaskData.find("syllables"), "columns": COLUMNS}
    folder = made(ranked_pairs, tmp_path / "ranked", generations=answers, items=asked, part="labeled", **task)
    rows = read_table(folder, "items").to_pylist()
    assert [(row["item_id"], row["text"], row["pair"], row["other"], row["part"]) for row in rows] == [
        ("a", "bd>", "bada", "zz", "labeled"),
        ("b", "fg>", "x", "x", "labeled"),
    ]
    assert read_table(folder, "labels").to_pydict() == {"item_id": ["a", "b"], "p_0": [1.0, 0.5], "p_1": [0.0, 0.5]}


def test_a_careless_writer_tosses_a_coin_for_each_prompt(tmp_path):
    ids = [f"item-{k}" for k in range(400)]
    asked = table(tmp_path / "items", "items", {"item_id": ids, "part": ["labeled"] * 400})
    right, draft = (
        table(tmp_path / name, "answers", {"item_id": ids[::-1], "text": [f"{name} {k}" for k in ids[::-1]]})
        for name in ("right", "draft")
    )
    given = {"references": right, "drafts": draft, "items": asked, "part": "labeled", "seed": 3}
    folders = {share: made(careless_answers, tmp_path / f"{share}", share=share, **given) for share in (0.0, 0.3, 0.5, 1.0)}
    texts = {share: read_table(folder, "answers").to_pydict() for share, folder in folders.items()}
    assert all(found["item_id"] == ids for found in texts.values())
    drafts = {
        share: {k for k, text in zip(ids, found["text"], strict=True) if text == f"draft {k}"} for share, found in texts.items()
    }
    assert (len(drafts[0.0]), len(drafts[1.0])) == (0, 400)
    assert 90 < len(drafts[0.3]) < 150
    assert drafts[0.3] < drafts[0.5]


def test_log_probabilities_of_answers(tmp_path, names, models):
    """Token by token, in the order of the answers' table, whatever that is; the implicit reward is the mean of their means."""
    asked = table(tmp_path / "items", "items", {"item_id": ["a", "b"], "text": ["bd>", "f>"]})
    given = table(tmp_path / "answers", "answers", {"item_id": ["b", "a"], "text": ["fa", "badu"]})
    folders = [
        made(target_logs, tmp_path / f"logs-{k}", base=name, items=asked, answers=given, max_length=32)
        for k, name in enumerate(names)
    ]
    ratios = []
    for row, (prompt, answer) in enumerate((("f>", "fa"), ("bd>", "badu"))):
        text = load_tokenizer(names[0])(prompt + answer)["input_ids"] + [1]
        start, each = len(prompt), []
        for folder, model in zip(folders, models, strict=True):
            wanted = [logs_of(model, text[:t])[text[t]] for t in range(start, len(text))]
            found = read_table(folder, "logs").to_pylist()[row]
            assert found["item_id"] == ("b", "a")[row]
            np.testing.assert_allclose(found["logs"], wanted, atol=1e-5)
            each.append(np.array(wanted))
        ratios.append((each[0] - each[1]).mean())
    folder = made(implicit_reward, tmp_path / "reward", aligned=folders[0], unaligned=folders[1], column="mine")
    assert json.loads((folder / "columns.json").read_text())["mine"] == pytest.approx(np.mean(ratios), abs=1e-5)


def test_one_beam_and_one_sample_is_sampling(models):
    """And more of them are another text only where the pair prefers one."""
    from w2s.finetune.inference.guided import _texts

    given, functions = prompts(), [next_logs(models[0], 0.8), next_logs(models[1]), next_logs(models[0])]
    found = _texts(given, functions, Search(1, 1, 2), 5, 0, {1})
    for prompt, text in zip(given, found, strict=True):
        tokens, numbers = list(prompt.tokens), draws(prompt.name, 0, 0, 5)
        for step in range(5):
            if tokens[-1] == 1 and step:
                break
            with torch.inference_mode():
                scaled = (models[0](input_ids=torch.tensor([tokens])).logits[:, -1].double() / 0.8).log_softmax(dim=-1)
            tokens.append(int(draw_tokens(scaled.numpy(), numbers[step : step + 1])[0]))
        own = tokens[len(prompt.tokens) :]
        assert text[: len(own)] == own
        assert set(text[len(own) :]) <= {1}
    assert _texts(given[::-1], functions, Search(2, 2, 2), 5, 0, {1})[::-1] == _texts(
        given, functions, Search(2, 2, 2), 5, 0, {1}
    )


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    place = tmp_path_factory.mktemp("pair")
    assert launch(grid(place, "all", {"method": METHODS}), out=place / "run").exit == 0
    return w2s.load(place / "run"), Store(place / ".w2s-store")


def test_rows_of_all_methods(rows):
    table, _ = rows
    assert set(table["status"]) == {"ok"}
    by = table.set_index("method")
    said = by.loc[
        METHODS[:4], ["aligned_reward", "contrast_reward", "contrast_implicit", "aligned_error_01", "contrast_error_01"]
    ]
    assert said.notna().all(axis=None)
    assert said["aligned_reward"].drop(METHODS[1]).nunique() == 1
    assert by.loc[["wspo", "search"], "contrast_reward"].isna().all()
    assert by.loc[METHODS[1:4], "misfit"].notna().all()
    assert by["weak_reward"].nunique() == by["ceiling_reward"].nunique() == 1


def test_all_methods_share_one_alignment(rows):
    """The weak model, its answers, their ranks and its training by preferences are made once."""
    _, store = rows
    names = [json.loads(path.read_text())["function"] for path in store.path.glob("??/*/artifact.json")]
    assert names.count("w2s.ranked_pairs") == 2  # a careless one too
    assert names.count("w2s.answer_pairs") == 1
    assert names.count("w2s.guided_texts") == 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"method": "cong(cd_lambda=-1)"}, "cd_lambda"),
        ({"method": "cong(stage=none)"}, "stage"),
        ({"method": "search(beams=1.5)"}, "beams"),
        ({"method": "wspo(gamma=0)"}, "gamma"),
    ],
)
def test_wrong_options_are_refused(tmp_path, changed, message):
    with pytest.raises((GridError, ValueError), match=message):
        launch(grid(tmp_path, "wrong", **changed), out=tmp_path / "run")


@pytest.mark.parametrize("method", ["cong", "wspo", "search"])
def test_other_tasks_are_refused(tmp_path, method):
    (tmp_path / "mine.csv").write_text("text,label\n" + "".join(f"word {k},{'ab'[k % 2]}\n" for k in range(100)))
    fixed = {"task": "mine.csv", "text_column": "text", "label_column": "label", "answer_length": None, "method": method}
    with pytest.raises((GridError, ValueError), match="answers to prompts"):
        launch(grid(tmp_path, "wrong", **fixed), out=tmp_path / "run")


def test_the_full_grid_is_read():
    path = Path(__file__).resolve().parents[3] / "configs" / "cong2025" / "syllables.yaml"
    assert load_grid(path).cells >= 18


@pytest.mark.fault
@pytest.mark.parametrize("method", ["cong", *(pytest.param(name, marks=pytest.mark.slow) for name in ("wspo", "search"))])
def test_a_killed_launch_ends_with_the_same_rows(tmp_path, method):
    path = grid(tmp_path, "killed", method=method)
    kill_in_training(path, tmp_path / "killed", lambda scratch: True, step=1)
    launch(path, out=tmp_path / "killed")
    (tmp_path / "whole").mkdir()
    launch(path, out=tmp_path / "whole" / "run")
    same_rows(tmp_path / "killed", tmp_path / "whole" / "run")
