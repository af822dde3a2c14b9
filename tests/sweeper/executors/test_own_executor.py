"""An executor of one's own, as the manual shows it: found in a file or by entry point, its options checked, the same rows."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from workbench import events, table

from sweeper import GridError, launch, load_grid

MANUAL = (Path(__file__).parents[3] / "docs" / "executors.md").read_text()


def shown(language, first):
    blocks = re.findall(rf"```{language}\n(.*?)```", MANUAL, flags=re.DOTALL)
    return next(block for block in blocks if block.startswith(f"# {first}\n"))


@pytest.fixture
def folder(tmp_path):
    """The two files of the manual."""
    for language, name in (("python", "pool.py"), ("yaml", "pool.yaml")):
        (tmp_path / name).write_text(shown(language, name))
    return tmp_path


@pytest.fixture
def installed(folder, monkeypatch):
    """The same class in a package that offers it by entry point."""
    place = folder / "site"
    (place / "my_package").mkdir(parents=True)
    (place / "my_package" / "pool.py").write_text(shown("python", "pool.py"))
    (place / "my_package-1.0.dist-info").mkdir()
    (place / "my_package-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 1.0\n")
    (text,) = re.findall(r'```toml\n\[project\.entry-points\."(.+?)"\]\n(.*?)```', MANUAL, flags=re.DOTALL)
    (place / "my_package-1.0.dist-info" / "entry_points.txt").write_text(f"[{text[0]}]\n{text[1].replace(chr(34), '')}")
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.delitem(sys.modules, "my_package", raising=False)
    return folder


def test_it_is_short():
    lines = shown("python", "pool.py").partition("class Pool(Executor)")[2].splitlines()
    assert len([line for line in lines if line.strip()]) <= 20


def test_a_file_beside_the_grid_gives_the_rows_of_inline(folder):
    outcome = launch(folder / "pool.yaml")
    assert (outcome.exit, outcome.computed) == (0, 24)
    assert events(outcome.run, "launch")[-1]["executor"] == "Pool"
    inline = launch(folder / "pool.yaml", executor="inline", out=folder / "inline")
    assert table(outcome.run).equals(table(inline.run))


def test_an_installed_one_is_found_by_name(installed):
    outcome = launch(installed / "pool.yaml", executor="pool", workers=1)
    assert (outcome.exit, outcome.computed, events(outcome.run, "launch")[-1]["executor"]) == (0, 24, "Pool")


@pytest.mark.parametrize(
    ("executor", "says"),
    [
        ("./pool.py:Poll", r"pool\.py defines no 'Poll' \(did you mean 'Pool'\?\); executors in it: Pool"),
        ("./pool.py", r"write an executor of your own as file\.py:Name"),
        ("./pool.py:PoolOptions", r"is not a subclass of sweeper\.executors\.base\.Executor"),
        ("./half.py:Half", r"'\./half\.py:Half' must define wait"),
        ("./none.py:Pool", r"no such file .*none\.py"),
        (
            "proceses",
            r"'proceses' is not allowed \(did you mean 'processes'\?\); known: auto, inline, processes, ray, file\.py:Name",
        ),
    ],
)
def test_what_is_no_executor_is_said_with_its_line(folder, executor, says):
    half = "from sweeper.executors.base import Executor\nclass Half(Executor):\n    def submit(self, task): ...\n"
    (folder / "half.py").write_text(half)
    text = (folder / "pool.yaml").read_text().replace("./pool.py:Pool", executor).replace(", workers: 1", "")
    (folder / "pool.yaml").write_text(text)
    with pytest.raises(GridError, match=rf"pool\.yaml:6: compute\.executor: .*{says}"):
        load_grid(folder / "pool.yaml")


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("workers: 0", r"compute\.workers: 0 is not allowed: Input should be greater than or equal to 1"),
        ("workers: two", r"compute\.workers: 'two' is not allowed"),
        ("worker: 2", r"unknown key 'worker' \(did you mean 'workers'\?\); allowed: executor, .*workers"),
    ],
)
def test_options_are_checked_by_the_executors_own_model(folder, written, says):
    (folder / "pool.yaml").write_text((folder / "pool.yaml").read_text().replace("workers: 1", written))
    with pytest.raises(GridError, match=rf"pool\.yaml:6: {says}"):
        load_grid(folder / "pool.yaml")


def test_another_executor_leaves_its_options_behind_and_knows_none_of_them(folder):
    grid = load_grid(folder / "pool.yaml")
    assert dict(grid.compute.options) == {"workers": 1}
    assert launch(grid, executor="inline").computed == 24
    with pytest.raises(GridError, match="unknown key 'workers'"):
        launch(grid, executor="inline", workers=2)
