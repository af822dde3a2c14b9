"""Predicted time of artifacts: operations over a rate, from a card's name, from the store, or from matrix products."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path

import pytest
import yaml

from sweeper import launch
from sweeper.cli.show.documents import plan_document
from sweeper.cli.show.plan import print_plan
from sweeper.errors import GridError
from sweeper.grid.read import load_grid
from sweeper.plan.artifacts import absent_files, artifact_lines
from sweeper.plan.cut import make_plan
from sweeper.plan.devices import named_card
from sweeper.plan.making import on_card, on_this_machine, rates_in
from sweeper.plan.rates import load_rates
from w2s.artifacts import Store
from w2s.errors import FieldError
from w2s.files.datafile import DataFileError
from w2s.files.unseen import split_stated
from w2s.finetune.models import folder as models
from w2s.finetune.models.check import check_model
from w2s.finetune.models.folder import ModelChain, ModelFolder
from w2s.finetune.models.weights import model_config, multiplied_weights, parameter_count
from w2s.finetune.training.train import training_cost

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def no_hub(monkeypatch):
    def snapshot(name, _patterns):
        raise DataFileError(f"model {name}: the hub does not answer")

    monkeypatch.setattr(models, "snapshot", snapshot)


def costly_grid(folder, weak):
    """A teacher and a student for each value, of 1e9 operations each."""
    (folder / "study.py").write_text((ROOT / "tests" / "studies" / "chained.py").read_text())
    fixed = {"log": str(folder / "log"), "strong": 5, "seconds": 0.02}
    return load_grid({"study": "study.py:Chained", "axes": {"weak": weak}, "fixed": fixed, "out": "run"}, folder)


def test_hours_are_operations_over_a_rate(tmp_path, capsys):
    plan = make_plan(costly_grid(tmp_path, [1, 2, 3]))
    empty = Store(tmp_path / "none")
    lines = artifact_lines(plan, empty)
    made = on_card(lines, named_card("H200", 0.5))
    assert (made.flops, made.seconds) == (6e9, pytest.approx(6e9 / (989e12 * 0.5)))
    assert "one H200 at 50 % of 9.89e+14 operations a second, an assumption" in made.remark
    here = on_this_machine(lines, empty)
    assert here.seconds == pytest.approx(6e9 / load_rates()[0].rate("gemm", 512.0))
    assert "by one worker; chained.learn, chained.teach as matrix products of 512 rows" in here.remark
    print_plan(plan, named_card("A100", 0.1))
    text = " ".join(capsys.readouterr().out.split())
    assert "artifacts: 6e+09 nominal operations, about" in text
    assert "on one A100 at 10 %" in text
    assert plan_document(plan, named_card("A100", 0.1))["making"].seconds == pytest.approx(6e9 / (312e12 * 0.1))
    with pytest.raises(GridError, match=r"--device H20: no such card \(did you mean 'H200'\?\); known: H200, H100"):
        named_card("H20")
    for share in (-3.0, 0.0, 1.1, float("nan")):
        with pytest.raises(GridError, match="--utilisation"):
            named_card("H200", share)


def test_values_in_the_store_tell_the_rate(tmp_path):
    launch(costly_grid(tmp_path, [1, 2]), store=str(tmp_path / "store"), executor="inline", backend="numpy")
    store = Store(tmp_path / "store")
    records = [record for record in store.manifests() if record["function"] == "chained.teach"]
    assert [record["flops"] for record in records] == [1e9, 1e9]
    teach = 2e9 / sum(record["seconds"] for record in records)
    rates = rates_in(store)
    assert rates["chained.teach"] == pytest.approx(teach)
    lines = artifact_lines(make_plan(costly_grid(tmp_path, [1, 2, 3])), store)
    (line,) = [line for line in lines if line.function == "chained.teach"]
    assert (line.flops, line.missing_flops) == (3e9, 1e9)
    made = on_this_machine([line], store)
    assert made.seconds == pytest.approx(1e9 / teach)
    assert made.remark == "by one worker; chained.teach as fast as in the store"


def test_a_model_of_the_hub_is_planned_by_its_stated_size(no_hub):
    base = ModelFolder.find("hub:me/it@abc#1.5B")
    assert base.absent
    assert (parameter_count(base), multiplied_weights(base)) == (1.5e9, 1.5e9)
    check_model(base)
    with pytest.raises(FieldError, match="its files are not here"):
        model_config(base)
    assert base != ModelFolder.find("hub:me/it@abc#1.6B")
    assert ModelChain.find("hub:me/it@abc#2M > hub:me/it@abc#3M").absent
    with pytest.raises(DataFileError, match="the hub does not answer"):
        ModelFolder.find("hub:me/it@abc")
    for wrong in ("hub:me/it@abc#", "hub:me/it@abc#1.5", "hub:me/it@abc#0M", "hub:me/it@abc#1B#2B"):
        with pytest.raises(DataFileError, match="write its number of weights as in"):
            ModelFolder.find(wrong)
    assert split_stated("minilm-l6") == ("minilm-l6", None)
    cost = training_cost(base=base, recipe={"epochs": 2}, rows=100, max_length=64, shape={"tuning": "lora"})
    assert cost == 4.0 * 1.5e9 * 200 * 16
    assert training_cost(base=base, recipe={}, rows=100, max_length=64, shape={"tuning": "full"}) == 1.5 * cost


def test_files_that_are_there_tell_their_size_themselves(monkeypatch):
    made = ModelFolder.find("made:decoder-4x32")
    monkeypatch.setattr(models, "snapshot", lambda name, _patterns: made.path if name == "hub:me/it@abc" else None)
    base = ModelFolder.find("hub:me/it@abc#900B")
    assert not base.absent
    assert parameter_count(base) == parameter_count(made) < 1e6
    table = 98 * 32  # letters by width
    assert multiplied_weights(base) == parameter_count(made) - table
    half = dataclasses.replace(made, name="made:decoder-4x32:2")
    assert multiplied_weights(half) == (parameter_count(made) - table) / 2


@pytest.mark.grid
def test_the_grid_for_a_gpu_is_planned_without_its_models_and_not_launched(no_hub, tmp_path, capsys):
    if "W2S_DATA" not in os.environ:
        pytest.skip("needs the data sets that W2S_DATA names")
    place = ROOT / "configs" / "burns2023"
    written = yaml.safe_load((place / "gpu.yaml").read_text())
    checked = load_grid(written | {"seeds": 1}, place)  # all seeds need the same models
    assert len(absent_files(checked)) == 7
    print_plan(make_plan(checked), named_card("H200"))
    text = " ".join(capsys.readouterr().out.split())
    assert (
        "known by their stated size alone, so this can be planned here, not launched: hub:Qwen/Qwen1.5-1.8B@main#1.8B" in text
    )
    assert re.search(r"about \d+ (s|min|h)\b.* on one H200 at 20 %", text)
    with pytest.raises(GridError, match="it can be planned, not launched"):
        launch(checked, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
