"""Trainings over several processes: the same model as on one device, exact to resume, and no rank is left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_bert
from waiting import watchdog

torch = pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")
if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
    pytest.skip("this build of torch has no gloo", allow_module_level=True)

from safetensors.torch import load_file  # noqa: E402

from w2s.artifacts import Store, artifact  # noqa: E402
from w2s.errors import FieldError  # noqa: E402
from w2s.finetune.data.items import items, truth  # noqa: E402
from w2s.finetune.data.labels import truth_labels  # noqa: E402
from w2s.finetune.data.tables import read_table  # noqa: E402
from w2s.finetune.data.tasks import TaskData  # noqa: E402
from w2s.finetune.inference.predict import predict  # noqa: E402
from w2s.finetune.models.folder import ModelFolder  # noqa: E402
from w2s.finetune.objectives import losses  # noqa: E402
from w2s.finetune.training import sharded  # noqa: E402
from w2s.finetune.training.ranks import OUT_OF_MEMORY, RankError, run_ranks  # noqa: E402
from w2s.finetune.training.run import Training, operations_per_token  # noqa: E402
from w2s.finetune.training.sharded import LOOPBACK, learn_part, main, train_sharded  # noqa: E402
from w2s.finetune.training.train import train  # noqa: E402


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A small random BERT with three layers."""
    return ModelFolder.find(str(tiny_bert(tmp_path_factory.mktemp("bert"), length=32)))


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Letters of which one class has more early ones, as a file of one's own."""
    place = tmp_path_factory.mktemp("texts") / "letters.jsonl"
    generator = np.random.default_rng(0)
    rows = []
    for _ in range(300):
        label = int(generator.integers(2))
        letters = generator.integers(0, 18, size=generator.integers(3, 12)) + 8 * (1 - label)
        rows.append({"text": " ".join(chr(97 + k) for k in letters), "label": label})
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return TaskData.find(str(place))


def arguments(bert, texts, epochs=5, **recipe):
    sizes = {"labeled": 99, "transfer": 60, "validation": 20, "test": 40}
    columns = {"text": "text", "label": "label", "pair": None, "group": None}
    drawn = {"task": texts, "columns": columns, "sizes": sizes, "balance": False, "seed": 1}
    given = items(**drawn)
    labels = truth_labels(items=given, truth=truth(**drawn), part="labeled", classes=2)
    recipe = {"epochs": epochs, "batch": 16, "learning_rate": 1e-3, **recipe}
    return {
        "base": bert,
        "items": given,
        "labels": labels,
        "part": "labeled",
        "shape": {"classes": 2},
        "recipe": recipe,
        "rows": 99,
        "max_length": 32,
        "seed": 4,
    }


def training(store, call):
    """The value that :func:`train_sharded` takes, from a call whose inputs are made here."""
    for needed in call.inputs:
        store.ensure(needed)
    found = call.with_folders(store.get)
    return Training(**{**{name: value for name, value in found.items() if name != "shards"}, "labels": (found["labels"],)})


def difference(one, other):
    first, second = load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors")
    assert list(first) == list(second)
    return max(float((first[name] - second[name]).abs().max()) for name in first)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    said: list[str] = []
    program = str(Path(__file__).with_name("sharded_cases.py"))
    run_ranks([sys.executable, program, str(folder)], 2, folder, said.append, LOOPBACK)
    results = [json.loads(line) for line in said[1:]]
    return {result["case"]: result for result in results}


@pytest.mark.parametrize("case", ["naive", "naive in pieces", "confidence", "confidence in pieces", "legal", "learned weights"])
def test_two_ranks_train_what_one_device_trains(cases, case):
    found = cases[case]
    assert found["moved"] > 1e-2
    assert found["weights"] < 1e-5
    assert found["loss"] < 1e-5
    assert found["predictions"] < 1e-5
    assert found["steps"][0] == found["steps"][1]
    assert found["tokens"][0] == found["tokens"][1]
    assert found["best"][0] == found["best"][1]
    assert (found["best"][0] is not None) == (case == "legal")


def test_a_resumed_training_of_two_ranks_has_the_bits_of_an_uninterrupted_one(cases):
    resumed = {case: found["resumed"] for case, found in cases.items() if found["resumed"] is not None}
    assert resumed == {"naive in pieces": True, "legal": True, "learned weights": True}


def test_two_ranks_learn_the_weights_that_one_device_learns(cases):
    alone, together = cases["learned weights"]["learned"]
    assert together == pytest.approx(alone, abs=1e-6)
    assert max(alone) - min(alone) > 0.01


def test_a_rank_holds_its_share_of_the_weights(cases):
    assert all(found["held"] < 0.52 for found in cases.values())  # tables of 21 rows and biases of 2 do not halve exactly


@pytest.mark.slow
@pytest.mark.fault
def test_a_killed_rank_ends_the_call_and_the_next_attempt_ends_with_the_model_of_one_device(bert, texts, tmp_path):
    store = Store(tmp_path / "store")
    given = arguments(bert, texts, loss="confidence", evaluate_every=13)
    start = train(**given | {"recipe": {**given["recipe"], "epochs": 1}, "seed": 5})
    alone, together = train(**given, start=start), train(**given, start=start, shards=2)
    assert alone.key != together.key  # the last bits differ
    assert (alone.cpus, alone.gpus, together.cpus, together.gpus) == (1, 1, 2, 2)
    one = store.ensure(alone)
    kill_one_rank(training(store, together), tmp_path / "value", store.path / "scratch" / together.key)
    notes: list[str] = []
    two = store.compute(together, notes.append)
    assert re.fullmatch(r"resumed at step \d+ of 35", notes[1])
    assert not (store.path / "scratch" / together.key).exists()
    assert difference(one, two) < 1e-5
    assert_same_files(one, two)
    predicted = [
        store.ensure(predict(model=model, base=bert, items=given["items"], parts=("test",), max_length=32))
        for model in (alone, together)
    ]
    values = [np.array(read_table(place, "predictions")["p_1"]) for place in predicted]
    assert values[0] == pytest.approx(values[1], abs=1e-5)


def kill_one_rank(given, folder, scratch):
    """Kill rank 1 as soon as there is a checkpoint; the call must fail, leave nothing but the checkpoint, and nobody."""
    folder.mkdir(), scratch.mkdir(parents=True)
    notes: list[str] = []

    def kill() -> None:
        while not list(scratch.glob("step-*")):
            time.sleep(0.01)
        os.kill(int(re.findall(r"\d+", notes[0])[2]), signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with pytest.raises(RankError, match="rank 1 of 2: ended by SIGKILL"):
        train_sharded(given, 2, folder, scratch, notes.append, checkpoint_seconds=0.0)
    killer.join(timeout=10)
    for pid in map(int, re.findall(r"\d+", notes[0])[1:]):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert list(folder.iterdir()) == []
    assert list(scratch.glob("step-*"))


def assert_same_files(one, two):
    assert sorted(item.name for item in one.iterdir()) == sorted(item.name for item in two.iterdir())
    for name in ("curve", "steps"):
        first, second = read_table(one, name).to_pydict(), read_table(two, name).to_pydict()
        assert list(first) == list(second)
        for column, values in first.items():
            if isinstance(values[0], float):
                assert second[column] == pytest.approx(values, abs=1e-5), column
            else:
                assert second[column] == values, column
    first, second = (json.loads((place / "training.json").read_text()) for place in (one, two))
    assert first["weights"] == second["weights"] == first["held_weights"]
    assert second["held_weights"] < 0.52 * second["weights"]
    assert (first["devices"], second["devices"]) == (1, 2)
    for name in ("steps", "tokens", "trained_weights", "cut_items"):
        assert first[name] == second[name]


def ranks(code, tmp_path, count=2, notes=None):
    run_ranks([sys.executable, "-c", code], count, tmp_path, (notes if notes is not None else []).append)


def test_what_a_rank_says_and_how_it_fails(tmp_path):
    notes: list[str] = []
    ranks("import sys; print('I am', sys.argv[1])", tmp_path, notes=notes)
    assert notes[1:] == ["I am 0"]
    with pytest.raises(RankError, match=r"^rank 1 of 2: ValueError: no room$") as caught:
        ranks("import sys, time\nif sys.argv[1] == '1': raise ValueError('no room')\ntime.sleep(60)", tmp_path)
    assert not caught.value.out_of_memory
    with pytest.raises(RankError) as caught:
        ranks(f"import sys; sys.exit({OUT_OF_MEMORY} if sys.argv[1] == '1' else 1)", tmp_path)
    assert caught.value.out_of_memory


def test_a_rank_that_ignores_a_polite_end_is_ended_all_the_same(tmp_path):
    stubborn = (
        "import signal, sys, time\nsignal.signal(15, signal.SIG_IGN)\nif sys.argv[1] == '0': sys.exit('over')\ntime.sleep(60)"
    )
    notes: list[str] = []
    with watchdog(20), pytest.raises(RankError, match="rank 0 of 2: over"):
        ranks(stubborn, tmp_path, notes=notes)
    _, polite, rude = map(int, re.findall(r"\d+", notes[0]))
    for pid in (polite, rude):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.fault
def test_ranks_do_not_outlive_the_call(tmp_path):
    import subprocess

    rank = "from w2s.finetune.training.ranks import end_with_parent; import time; end_with_parent(); print('up', flush=True); time.sleep(60)"
    parent = (
        "import sys; from pathlib import Path; from w2s.finetune.training.ranks import run_ranks\n"
        f"run_ranks([sys.executable, '-c', {rank!r}], 2, Path({str(tmp_path)!r}), lambda text: print(text, flush=True))"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        pids = [int(pid) for pid in re.findall(r"\d+", process.stdout.readline())[1:]]
        assert process.stdout.readline() == "up\n"
        process.kill()
    assert len(pids) == 2
    until = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_out_of_memory_begins_again_with_half_the_rows(monkeypatch, bert, tmp_path):
    tried: list[int] = []

    def run(attempt, shards, folder, scratch, note, seconds):
        tried.append(attempt.recipe["micro_batch"])
        if len(tried) < enough:
            raise RankError("full", out_of_memory=True)

    monkeypatch.setattr(sharded, "_run", run)
    given = Training(bert, tmp_path, (tmp_path,), "labeled", {"classes": 2}, {"batch": 20}, 99, 32, 0)
    notes: list[str] = []
    enough = 3
    train_sharded(given, 4, tmp_path, tmp_path, notes.append)
    assert tried == [5, 3, 2]
    assert notes[0] == "out of memory: 3 rows at once on each of 4 devices from the last checkpoint"
    tried, enough = [], 9
    with pytest.raises(RankError):
        train_sharded(given, 4, tmp_path, tmp_path, notes.append)
    assert tried == [5, 3, 2, 1]


@pytest.mark.parametrize("later", [{}, {"start": Path("/before"), "features": Path("/states"), "layer": 2}])
def test_a_rank_reads_the_training_that_it_is_asked_for(monkeypatch, bert, tmp_path, later):
    read: list[Training] = []

    def rank(command, *_others):
        read.append(sharded._training(json.loads(Path(command[-1]).read_text())["training"]))

    monkeypatch.setattr(sharded, "run_ranks", rank)
    given = Training(bert, tmp_path, (tmp_path, tmp_path / "b"), "labeled", {"classes": 2}, {"batch": 20}, 99, 32, 0, **later)
    train_sharded(given, 2, tmp_path, tmp_path, [].append)
    assert read == [replace(given, recipe={"batch": 20, "micro_batch": 10})]


def test_a_rank_tells_running_out_of_memory_by_its_exit_code(monkeypatch, tmp_path):
    monkeypatch.setattr(sharded, "end_with_parent", lambda: None)
    (tmp_path / "job.json").write_text("{}")
    for error, code in ((torch.OutOfMemoryError("full"), OUT_OF_MEMORY), (ValueError("wrong"), 1)):

        def fail(*_arguments, error=error):
            raise error

        monkeypatch.setattr(sharded, "train_as_rank", fail)
        assert main([str(tmp_path / "job.json"), "0"]) == code


def test_a_rank_learns_a_loss_of_ones_own_from_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr(losses.LOSSES, "known", dict(losses.LOSSES.known))
    (tmp_path / "mine.py").write_text(
        "from w2s.finetune.losses import loss\n"
        "@loss('mine', scale=2.0)\n"
        "def mine(logits, targets, progress, scale):\n"
        "    return scale * logits.sum()\n"
    )
    learn_part("loss", "xent", "a file that is not looked for")
    with pytest.raises(FieldError, match="unknown loss 'mine'"):
        losses.find_loss("mine")
    learn_part("loss", "mine", str(tmp_path / "mine.py"))
    assert losses.find_loss("mine").options.defaults == {"scale": 2.0}


def test_shares_of_a_machine_may_depend_on_the_arguments():
    @artifact(version=1, cpus=lambda size, **_: size / 2, gpus=0.25)
    def made(work, *, size, other=0):
        raise AssertionError

    assert (made(size=3).cpus, made(size=3).gpus) == (1.5, 0.25)


def test_operations_count_what_is_multiplied(bert):
    given = {"items": Path(), "labels": Path(), "part": "", "recipe": {}, "rows": 0, "max_length": 8, "seed": 0}
    full, head = (
        operations_per_token(Training(bert, shape={"classes": 2, "tuning": tuning}, **given).build())
        for tuning in ("full", "head_only")
    )
    module = Training(bert, shape={"classes": 2}, **given).build()
    tables = sum(layer.weight.numel() for layer in module.modules() if isinstance(layer, torch.nn.Embedding))
    pooler = sum(weight.numel() for name, weight in module.named_parameters() if "pooler" in name)
    every = sum(weight.numel() for weight in module.parameters()) - tables
    assert full == 6 * every - 2 * pooler
    assert head == 2 * every + 4 * (16 * 2 + 2)
