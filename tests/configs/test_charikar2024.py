"""The grids of Charikar et al. 2024: what they hold, and that the small ones decide every claim of their study as expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from sabotaged import faults, recorded

import w2s
from sweeper import launch, load_grid
from sweeper.report.make import make_report
from sweeper.review.rerun import rerun_cell
from sweeper.review.verify import verify
from w2s.claims.claim import decide
from w2s.files.datafile import data_folders
from w2s.studies.charikar2024.synthetic.paper_panels import PANELS, panel
from w2s.studies.registry import find_study

CONFIGS = Path(__file__).resolve().parent.parent.parent / "configs" / "charikar2024"
FIGURES = {
    "fig2a": "realizable",
    "fig2b": "pretrained",
    "fig2c": "perturbed",
    "fig3a": "pretrained_swapped",
    "fig3b": "perturbed_swapped",
    "fig3c": "low_sample",
}
NEEDS_PRETRAINING = {
    "realizable_median",
    "realizable_correlation",
    "pretrained_correlation",
    "pretrained_slope",
    "pretrained_swapped_slope",
    "low_sample_reverses",
    "nonconvex_heads_follow",
    "misfit_helps_to_choose",
}


def launched(name: str, folder: Path, size: str = "small") -> Path:
    document: dict[str, Any] = yaml.safe_load((CONFIGS / size / f"{name}.yaml").read_text())
    out = folder / name
    assert launch({**document, "out": str(out)}, executor="inline").exit == 0
    return out


def outcomes(run: Path) -> dict[str, tuple[str, str]]:
    """Outcome and numbers of every claim of a run's study."""
    table = w2s.load(run)
    found = {claim.id: decide(claim, table) for claim in find_study(table["study"].iloc[0]).claims}
    return {name: (verdict.outcome, verdict.says) for name, verdict in found.items()}


def unexpected(run: Path) -> list[str]:
    """What ``verify`` would report of a run as not expected."""
    (found,) = verify([run])
    return [f"{judged.claim.id}: {judged.verdict.says}" for judged in found.judged if not judged.as_expected]


@pytest.mark.parametrize(("name", "wanted"), FIGURES.items())
def test_a_grid_is_the_figure_it_names(name: str, wanted: str) -> None:
    grid = load_grid(CONFIGS / f"{name}.yaml")
    axes = grid.axes()
    assert len(axes["task"]) == 100
    assert axes["evaluate"] == ["fresh", "transfer"]
    cell = next(iter(grid.parts[0].block.cells()))
    assert (cell["sampling"], cell["head"], cell["n_labeled"], cell["n_transfer"], cell["n_test"]) == (
        *("per_task", "least_squares"),
        *(2000, 2000, 2000),
    )
    assert panel(pd.DataFrame([cell])).tolist() == [wanted]
    assert wanted in PANELS


def test_the_selection_grid_has_eight_weak_models_and_rows_to_score_them() -> None:
    for path, field in (("selection.yaml", "depth_weak"), ("small/perturbed.yaml", "sigma_weak")):
        parts = load_grid(CONFIGS / path).parts
        ladders = [part.block for part in parts if 0 not in part.block.values("n_validation")]
        assert [len(block.values(field)) for block in ladders] == [8]
        assert all(len(block.values("seed")) >= 40 for block in ladders)


@pytest.mark.grid
def test_perturbed_representations_decide_what_needs_no_pretraining(tmp_path: Path) -> None:
    run = launched("perturbed", tmp_path)
    found = outcomes(run)
    assert {name for name, (outcome, _) in found.items() if outcome == "untestable"} == NEEDS_PRETRAINING
    wrong = {name: said for name, said in found.items() if name not in NEEDS_PRETRAINING and said[0] != "holds"}
    assert not wrong
    table = w2s.load(run)
    drawn = {figure.id for figure in find_study("charikar2024.synthetic").figures if figure.draw(table) is not None}
    assert drawn == {"gain_misfit", "selection"}


@pytest.mark.grid
@pytest.mark.parametrize(
    "study",
    [
        pytest.param("charikar2024.synthetic", marks=pytest.mark.slow),  # 30 seconds
        "charikar2024.molecules",
        "charikar2024.transformers",
    ],
)
def test_claims_notice_what_they_declare(study: str) -> None:
    """On rows of small/synthetic.yaml, small/molecules.yaml and, of transformers.yaml, ESOL that were recorded."""
    assert faults(study, find_study(study).claims, recorded(study)) == []


@pytest.mark.slow
def test_one_launch_decides_every_synthetic_claim(tmp_path: Path) -> None:
    run = launched("synthetic", tmp_path)
    assert unexpected(run) == []
    assert {"gain_misfit.png", "heads.png", "selection.png"} <= {path.name for path in make_report(run)}


@pytest.mark.slow
@pytest.mark.data
def test_the_molecules_decide_every_claim(tmp_path: Path) -> None:
    pytest.importorskip("rdkit", reason="needs RDKit: pip install 'w2s-sweep[molecules]'")
    if not any((folder / "molecules" / "esol.csv").exists() for folder in data_folders()):
        pytest.skip("needs molecules/esol.csv in a folder named in W2S_DATA")
    run = launched("molecules", tmp_path)
    assert unexpected(run) == []
    assert {"gain_misfit.png", "selection.png"} <= {path.name for path in make_report(run)}


@pytest.mark.slow
@pytest.mark.data
def test_a_tiny_ladder_teaches_from_pretraining_to_the_pictures(tmp_path: Path) -> None:
    """tiny/ladder.yaml, then tiny/transformers.yaml on its models."""
    pytest.importorskip("transformers", reason="needs transformers: pip install 'w2s-sweep[llm]'")
    if not any((folder / "molecules" / "esol.csv").exists() for folder in data_folders()):
        pytest.skip("needs molecules/esol.csv in a folder named in W2S_DATA")
    made = launched("ladder", tmp_path, "tiny")
    assert set(w2s.load(made)["hidden"]) == {4, 8, 12, 16}
    document: dict[str, Any] = yaml.safe_load((CONFIGS / "tiny" / "transformers.yaml").read_text())
    document["fixed"]["encoders"] = [f"run:{made}:{name.rpartition(':')[2]}" for name in document["fixed"]["encoders"]]
    run = tmp_path / "transformers"
    assert launch({**document, "out": str(run)}, executor="inline").exit == 0
    table = w2s.load(run)
    assert set(table["status"]) == {"ok"}
    assert len(table) == 8 * 8 * 2
    # A stored grid names the run and its sizes, seen from the folder of the run.
    assert "run:../ladder:2x4 | " in (run / "grid.yaml").read_text()
    assert rerun_cell(run, table["cell_id"].iloc[0], "numpy").verdict("student_error") != "differs"
    assert {name for name, (outcome, _) in outcomes(run).items() if outcome == "untestable"} == set()
    assert {"gain_misfit.png", "order.png"} <= {path.name for path in make_report(run)}


@pytest.mark.parametrize("name", ["transformers", "tiny/transformers"])
def test_a_grid_of_transformers_names_the_models_of_its_ladder(name: str) -> None:
    """Read without the ladder: each weak and the strong model is a size that the ladder's grid makes."""
    document: dict[str, Any] = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    ladder: dict[str, Any] = yaml.safe_load((CONFIGS / f"{name.replace('transformers', 'ladder')}.yaml").read_text())
    cells = [{**ladder.get("fixed", {}), **part.get("fixed", {})} for part in ladder.get("grids", [ladder])]
    widths = [part.get("zip", part.get("axes", {})) | part.get("fixed", {}) for part in ladder.get("grids", [ladder])]
    hidden = [width["hidden"] if isinstance(width["hidden"], list) else [width["hidden"]] for width in widths]
    sizes = {f"{cell['layers']}x{width}" for cell, found in zip(cells, hidden, strict=True) for width in found}
    named = {text.rpartition(":")[2] for text in document["fixed"]["encoders"]}
    assert named == sizes
    assert all(text.rpartition(":")[0].endswith("ladder") for text in document["fixed"]["encoders"])
    features = [*document["axes"]["weak_features"], document["fixed"]["strong_features"]]
    assert {text.split(":")[1] for text in features} == sizes
    assert len(document["axes"]["weak_features"]) == 8
