"""What the documents promise: links lead somewhere, examples run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from claims_page import page

from sweeper import launch, load_grid
from sweeper.cli.show.catalogue import starting_grid
from sweeper.grid.yaml import read_yaml
from sweeper.report.make import make_report
from sweeper.review.verify import exit_code, verify
from sweeper.tools.atlas_page import atlas_page
from w2s.studies.registry import find_study, study_names
from w2s.summary.intervals import mean_interval

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def code_blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", document.read_text(), flags=re.DOTALL)


def named_block(document: Path, name: str) -> str:
    return next(block for block in code_blocks(document, "yaml") if block.startswith(f"# {name}\n"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)\)", document.read_text())
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("name", ["reliability.md", "security.md"])
def test_tests_that_a_page_names_exist(name: str) -> None:
    missing = []
    for line in (ROOT / "docs" / name).read_text().splitlines():
        file = ROOT
        for reference in re.findall(r"`((?:[\w/]+\.py)?(?:::\w+)?)`", line):
            path, _, test = reference.partition("::")
            file = ROOT / ("" if path.startswith("benchmarks") else "tests") / path if path else file
            if not file.is_file() or (test and f"def {test}(" not in file.read_text()):
                missing.append(reference)
    assert missing == []


def test_the_study_of_the_manual_runs(tmp_path: Path) -> None:
    manual = ROOT / "docs" / "studies.md"
    (tmp_path / "my_study.py").write_text(code_blocks(manual, "python")[0])
    (tmp_path / "my_grid.yaml").write_text(named_block(manual, "my_grid.yaml"))
    assert len(code_blocks(manual, "python")[0].splitlines()) <= 50
    outcome = launch(tmp_path / "my_grid.yaml", executor="inline")
    assert (outcome.exit, outcome.computed, outcome.failed) == (0, 2 * 2 * 11 * 50, 0)

    import w2s

    rows = w2s.load(tmp_path / "runs" / "my_grid")
    unchanged = rows[rows["shrink"] == 1]
    assert unchanged["gain"].abs().max() < 1e-12
    noisy = rows[(rows["d"] == 100) & (rows["n_labeled"] == 20)]
    best = w2s.best(noisy, over="shrink", by=["d"])
    assert 0 < best["shrink"].iloc[0] < 0.5  # about |f*|^2 / (|f*|^2 + d sigma^2 / n) = 1/6
    assert best["pgr_low"].iloc[0] > 0


def test_the_stages_of_the_manual_give_the_same_rows(tmp_path: Path) -> None:
    code, rows = code_blocks(ROOT / "docs" / "studies.md", "python"), {}
    for name, blocks in (("by_hand", code[:1]), ("stages", code[:2])):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "my_study.py").write_text("\n\n".join(blocks))
        (folder / "my_grid.yaml").write_text(named_block(ROOT / "docs" / "studies.md", "my_grid.yaml"))
        run = launch(folder / "my_grid.yaml", executor="inline").run
        rows[name] = pd.read_parquet(run / "results").sort_values("cell_id", ignore_index=True)
    assert (rows["by_hand"]["cell_id"] == rows["stages"]["cell_id"]).all()
    for column in ("weak_error", "student_error", "ceiling_error", "gain", "misfit", "pgr"):
        np.testing.assert_allclose(rows["stages"][column], rows["by_hand"][column], rtol=1e-9, atol=1e-12)


def test_the_claim_and_the_figure_of_the_manual(tmp_path: Path) -> None:
    manual = ROOT / "docs" / "studies.md"
    (tmp_path / "my_study.py").write_text("\n\n".join(code_blocks(manual, "python")))
    (tmp_path / "my_grid.yaml").write_text(named_block(manual, "my_grid.yaml"))
    run = launch(tmp_path / "my_grid.yaml", executor="inline").run
    (verification,) = verify([run])
    assert [judged.verdict.outcome for judged in verification.judged] == ["holds"]
    written = [path.name for path in make_report(run)]
    assert written[:3] + written[-1:] == ["summary.csv", "digest.csv", "gain.png", "index.html"]
    assert {"axis-line.png", "axis-scatter.png"} <= set(written), "figures that every study has"
    calm = {"study": "my_study.py:MyStudy", "axes": {"shrink": [0, 0.5]}, "fixed": {"d": 10, "n_labeled": 100}, "seeds": 8}
    run = launch(load_grid(calm, tmp_path), out=tmp_path / "calm", executor="inline").run
    assert exit_code(verify([run])) == 4  # no teacher is that noisy


def test_the_claims_of_the_manual_meet_doctored_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manual = ROOT / "docs" / "studies.md"
    (tmp_path / "my_study.py").write_text("\n\n".join(code_blocks(manual, "python")))
    (tmp_path / "my_grid.yaml").write_text(named_block(manual, "my_grid.yaml"))
    launch(tmp_path / "my_grid.yaml", executor="inline")
    monkeypatch.chdir(tmp_path)
    (block,) = code_blocks(ROOT / "docs" / "claims.md", "python")
    capsys.readouterr()
    exec(block, {})
    said = capsys.readouterr().out
    assert said.startswith("half_of_a_noisy_teacher does not notice (")
    assert "student_is_teacher" not in said


def test_the_page_of_claims_says_what_the_claims_say() -> None:
    assert page() == (ROOT / "docs" / "claims.md").read_text(), "run: python tests/support/claims_page.py"


def test_the_page_of_papers_is_made_from_its_json() -> None:
    docs = ROOT / "docs"
    content = json.loads((docs / "papers.json").read_text())
    assert atlas_page(content, docs) == (docs / "papers.md").read_text(), "run: make papers"
    assert content["unread"] == []


LEFT_OPEN = {
    "burns2023.chess": "a thousand puzzles and eight seeds; chess.yaml decides all claims, on rows in tests/data/doctored",
    "burns2023.reward": "decoders that know nothing: the grid shows that everything works",
    "burns2023.saliency": "one seed: the grid shows that everything works",
    "burns2023.text": "eight seeds of a small gap; finetunes.yaml and stronger.yaml decide with a larger one, of a model that is fetched",
}
"""Studies whose small grid leaves claims open."""
DECIDED_OTHERWISE = {
    "burns2023.text": {
        "agreement": "students of teachers with a hundred labels follow them in right and wrong; it holds on finetunes.yaml and stronger.yaml"
    },
}
"""Claims that small grids decide against what is expected, with the reason."""


def test_the_page_of_papers_has_the_claims_as_they_are_now() -> None:
    content = json.loads((ROOT / "docs" / "papers.json").read_text())
    told = {study["study"]: study["claims"] for study in content["studies"]}
    apart = {other["study"] for other in content["without_grids"]}
    claiming = {name: find_study(name).claims for name in study_names() if find_study(name).claims}
    assert set(told) | apart == set(claiming), "run: make papers"
    for name, claims in told.items():
        now = [(c.id, c.says, c.where, c.expected, dict(c.thresholds)) for c in claiming[name]]
        then = [(c["id"], c["says"], c["where"], c["expected"], c["thresholds"]) for c in claims]
        assert then == now, f"{name}: run: make papers"
        open_ones = {c["id"] for c in claims if not c["as_expected"] and c["outcome"] in ("unresolved", "untestable")}
        others = {c["id"] for c in claims if not c["as_expected"]} - open_ones
        assert others == set(DECIDED_OTHERWISE.get(name, {})), name
        assert not open_ones or name in LEFT_OPEN, (name, open_ones)


def test_the_page_of_claims_has_the_chances_of_its_seeds() -> None:
    text = (ROOT / "docs" / "claims.md").read_text()
    seeds, chances = (
        [cell.strip(" %") for cell in line.split("|")[2:-1]]
        for line in text.splitlines()
        if line.startswith(("| seeds |", "| decided, at 1.6"))
    )
    rng = np.random.Generator(np.random.Philox(key=11))
    for count, chance in zip(seeds, chances, strict=True):
        found = mean_interval(1.6 + rng.standard_normal((20_000, int(count))), level=0.99)
        assert np.mean(found.low > 0) == pytest.approx(int(chance) / 100, abs=0.02)


def test_the_table_of_ones_own_of_the_manual_runs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    full = rng.standard_normal((700, 6))
    columns = {f"full_{k}": full[:, k] for k in range(6)} | {f"basic_{k}": full[:, k] for k in range(2)}
    price = full.sum(axis=1) + 0.1 * rng.standard_normal(700)
    pd.DataFrame({**columns, "price": price}).to_csv(tmp_path / "houses.csv", index=False)
    (tmp_path / "houses.yaml").write_text(named_block(ROOT / "docs" / "studies.md", "houses.yaml"))
    outcome = launch(tmp_path / "houses.yaml", executor="inline")
    assert (outcome.exit, outcome.computed) == (0, 11 * 2 * 20)


def test_the_examples_of_the_page_on_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    for block in code_blocks(ROOT / "docs" / "tables.md", "python"):
        exec(compile(block, block.splitlines()[0], "exec"), found)
    difference = found["difference"]
    assert isinstance(difference, pd.DataFrame)
    assert set(difference["status"]) == {"ok"}
    assert (difference["low"] < difference["high"]).all()
    assert (tmp_path / "runs" / "compare" / "results").is_dir()
    ratio, low, high, status = found["recovered"]  # type: ignore[misc]
    assert list(status) == ["ok", "ok"]
    assert ((low < ratio) & (ratio < high)).all()
    np.testing.assert_allclose(ratio, 0.5, atol=0.1)  # (0.30 - 0.22) / (0.30 - 0.14)


def test_a_closed_pipe_stops_no_sweep(tmp_path: Path) -> None:
    manual = ROOT / "docs" / "studies.md"
    (tmp_path / "my_study.py").write_text(code_blocks(manual, "python")[0])
    (tmp_path / "my_grid.yaml").write_text(named_block(manual, "my_grid.yaml"))
    command = f"{sys.executable} -m sweeper launch my_grid.yaml --executor inline 2>&1 | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, timeout=120, check=False)
    assert done.returncode == 0
    assert len(pd.read_parquet(tmp_path / "runs" / "my_grid" / "results")) == 2 * 2 * 11 * 50


@pytest.mark.parametrize("study", ["probe.table", "dong2025.regression"])
def test_a_new_grid_runs_as_printed(tmp_path: Path, study: str) -> None:
    (tmp_path / "grid.yaml").write_text(starting_grid(study))
    assert load_grid(tmp_path / "grid.yaml").cells > 0


def test_the_grid_of_the_readme_is_one(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text()
    block = re.search(r"( {4}study: dong2025.*?)\n\n`grids:`", text, flags=re.DOTALL)
    assert block is not None
    (tmp_path / "grid.yaml").write_text("\n".join(line[4:] for line in block[1].splitlines()) + "\n")
    grid = load_grid(tmp_path / "grid.yaml")
    assert grid.cells == 32 * 2 * (12 * 20 - 1 * 4 * 2)


def test_commands_of_the_readme_name_the_folders_that_its_launches_make() -> None:
    commands = re.findall(r"^    \S*w2s-sweep (\w+) (\S+)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    grids = [ROOT / name for command, name in commands if command == "launch"]
    made = {(grid.parent / read_yaml(grid)[0].get("out", f"runs/{grid.stem}")).resolve() for grid in grids}
    named = {(ROOT / name).resolve() for command, name in commands if command in ("verify", "report", "status")}
    assert len(named) >= 2
    assert named <= made, "a folder that no launch there makes"
