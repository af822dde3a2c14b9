"""Mutated files: a number only where plain rules give it, else a message (tests/support/mutations.py).

``W2S_MUTATIONS=2000 pytest tests/w2s/files/test_mutations.py`` makes more of them; ``W2S_MUTATIONS=5000:7000`` those between.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from mutations import CONTENTS, MESSAGES, a_cell, as_arrow, as_csv, as_json, expected, fault_of, faults, found_numbers
from plain_rules import Content


def asked() -> range:
    first, _, last = os.environ.get("W2S_MUTATIONS", "200").rpartition(":")
    return range(int(first or 0), int(last))


@pytest.mark.timeout(3600)
def test_mutated_files_give_the_number_that_they_say_or_a_message(tmp_path: Path) -> None:
    assert faults(asked(), tmp_path) == []


@pytest.mark.parametrize("make", CONTENTS)
@pytest.mark.parametrize("style", [as_csv, as_json, as_arrow])
def test_clean_contents_have_a_meaning_in_every_style(tmp_path: Path, make, style) -> None:
    rng = np.random.default_rng(1)
    content: Content = make(rng)
    file = style(content, rng)
    (tmp_path / file.name).write_bytes(file.data)
    meaning = expected(content, frozenset(), tmp_path)
    assert meaning is not None
    if content.kind not in ("table", "labelled") or style is as_csv:  # elsewhere a number can be stored as text
        found = found_numbers(content.kind, tmp_path, file.name)
        assert found == (meaning if content.kind == "task" else pytest.approx(meaning))


def test_a_wrong_number_a_silent_one_and_a_traceback_are_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mutations

    monkeypatch.setattr(mutations, "CONTENTS", (mutations.classes,))
    monkeypatch.setattr(mutations, "DAMAGE", (mutations.nothing,))
    monkeypatch.setattr(mutations, "BYTES", (mutations.in_gzip,))
    assert fault_of(0, tmp_path) is None
    numbers = mutations.found_numbers
    for seed, (name, value) in enumerate(
        {"found_numbers": lambda *args: {k: v + 0.1 for k, v in numbers(*args).items()}}.items(), 1
    ):
        with monkeypatch.context() as patch:
            patch.setattr(mutations, name, value)
            assert "instead of" in str(fault_of(seed, tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(mutations, "expected", lambda *args: None)
        assert "where nothing is meant" in str(fault_of(2, tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(mutations, "found_numbers", lambda *args: [][0])
        assert "IndexError" in str(fault_of(3, tmp_path))


def test_cells_are_damaged() -> None:
    content = CONTENTS[0](np.random.default_rng(0))
    damaged = a_cell(content, np.random.default_rng(0))
    assert sum(a != b for name in content.cells for a, b in zip(content.cells[name], damaged.cells[name], strict=True)) == 1


def test_damaged_parquet_and_arrow_files_are_told(tmp_path: Path) -> None:
    """What a changed byte of such a file means, no one can say: nothing but a message or a number may come of it."""
    told = 0
    for seed in range(asked().stop // 5):
        rng = np.random.default_rng([9, seed])
        content = CONTENTS[rng.integers(len(CONTENTS))](rng)
        file = as_arrow(content, rng)
        data, place = bytearray(file.data), int(rng.integers(len(file.data)))
        data[place:] = b"" if rng.random() < 0.4 else bytes([data[place] ^ 0x55]) + data[place + 1 :]
        (tmp_path / f"{seed}").mkdir()
        (tmp_path / f"{seed}" / file.name).write_bytes(data)
        try:
            found_numbers(content.kind, tmp_path / f"{seed}", file.name)
        except MESSAGES:
            told += 1
    assert told > asked().stop // 10
