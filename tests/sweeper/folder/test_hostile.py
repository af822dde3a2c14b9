"""Folders and parts from somebody else: one line or a note, never a traceback, a wait, or a write outside the run folder.

``W2S_MUTATIONS=500 pytest tests/sweeper/folder/test_hostile.py`` mutates more parts; ``W2S_MUTATIONS=500:700`` those between.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hostile import KINDS, Place, copy_place, faults, make_place, mutated

import w2s

pytestmark = pytest.mark.fault
SHORT = 2
"""In a short run every so many kinds have all commands run on them: the others are tried by ``make torture``."""


def asked() -> range:
    first, _, last = os.environ.get("W2S_MUTATIONS", "12").rpartition(":")
    return range(int(first or 0), int(last))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make_place(tmp_path_factory.mktemp("hostile") / "place")


def test_a_clean_folder_has_no_fault_and_every_kind_changes_it(place: Place, tmp_path: Path) -> None:
    assert faults(copy_place(place, tmp_path / "clean")) == []
    assert len(KINDS) >= 34


@pytest.mark.timeout(3600)
def test_hostile_folders(place: Place, tmp_path: Path) -> None:
    found = {}
    whole = "W2S_MUTATIONS" in os.environ
    for k, (name, spoil) in enumerate(KINDS.items()):
        if not whole and k % SHORT:
            continue
        copy = copy_place(place, tmp_path / f"{k}")
        spoil(copy)
        if fault := faults(copy):
            found[name] = fault
        shutil.rmtree(tmp_path / f"{k}")
    assert found == {}


@pytest.mark.timeout(3600)
def test_mutated_parts(place: Place, tmp_path: Path) -> None:
    found, good = {}, rows(place)
    for seed in asked():
        rng, copy = np.random.default_rng([21, seed]), copy_place(place, tmp_path / f"{seed}")
        files = [*copy.parts, copy.schema]
        what = mutated(files[rng.integers(len(files))], rng)
        fault = faults(copy)
        if what == "sealed bytes" and not rows(copy).equals(good):
            fault.append("the rows are not those that were there")
        if fault:
            found[f"seed {seed}, {what}"] = fault
        shutil.rmtree(tmp_path / f"{seed}")
    assert found == {}


def rows(place: Place):
    return w2s.load(place.run).drop(columns="elapsed_s").sort_values("cell_id", ignore_index=True)
