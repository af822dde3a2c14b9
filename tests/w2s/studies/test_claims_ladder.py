"""Every claim about ladders: a table where it holds, one where it is false, one that cannot tell; and a row without a teacher."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sabotaged import faults, recorded

from w2s.claims.claim import Claim, decide
from w2s.contract.block import Axis, Block
from w2s.contract.rows import rows_table
from w2s.studies.ladder.pretraining.claims import CLAIMS as OF_PRETRAINING
from w2s.studies.ladder.pretraining.figures import FIGURES as OF_BITS
from w2s.studies.ladder.pretraining.study import Pretraining
from w2s.studies.ladder.tasks.claims import CLAIMS as OF_TASKS
from w2s.studies.ladder.tasks.claims import accuracies
from w2s.studies.ladder.tasks.figures import FIGURES as OF_ACCURACIES

(BITS,) = OF_PRETRAINING
CLAIMS: dict[str, Claim] = {claim.id: claim for claim in OF_TASKS}


def ladder(bits: tuple[float, ...] = (3.0, 2.8, 2.5, 2.1), seeds: int = 8, noise: float = 0.01) -> pd.DataFrame:
    """Bits per byte of one ladder by size and seed."""
    rng = np.random.default_rng(0)
    rows = [
        {"hidden": 4 * 2**k, "learning_rate": 0.01 / 2**k, "seed": seed, "parameters": 1000 * 4**k, "bits_per_byte": value}
        for k, mean in enumerate(bits)
        for seed, value in enumerate(mean + noise * rng.standard_normal(seeds))
    ]
    found = pd.DataFrame(rows).assign(status="ok", corpus="c", layers=2, heads=2, weak_error=np.nan, ceiling_error=np.nan)
    found["student_error"] = found["bits_per_byte"] * math.log(2)
    found["other_bits_per_byte"] = found["bits_per_byte"] + 0.5
    found.attrs["w2s"] = {"fields": ["corpus", "layers", "hidden", "heads", "learning_rate", "seed"]}
    return found


def test_bits_that_fall_with_size() -> None:
    assert decide(BITS, ladder()).outcome == "holds"
    assert decide(BITS, ladder((3.0, 2.8, 2.5, 2.6))).outcome == "fails"
    assert decide(BITS, ladder((3.0, 2.8, 2.5, 2.499), noise=0.05)).outcome == "unresolved"
    assert decide(BITS, ladder(seeds=7)).outcome == "unresolved"
    assert decide(BITS, ladder((3.0, 2.8, 2.5))).outcome == "untestable"
    assert decide(BITS, ladder(seeds=1)).outcome == "untestable"
    both = pd.concat([ladder(), ladder((3.0, 2.8, 2.9, 2.1)).assign(corpus="d")])
    both.attrs = ladder().attrs
    assert decide(BITS, both).outcome == "fails"  # the worst ladder decides
    assert faults("ladder.pretraining", [BITS], ladder()) == []


def tasks(
    gains: tuple[float, ...] = (0.05, 0.08), sizes: int = 4, seeds: int = 8, noise: float = 0.005, level: float = 0.3
) -> pd.DataFrame:
    """Errors of probes by task, size and seed; ``gains`` are the accuracies that the largest model has above the smallest."""
    rng = np.random.default_rng(0)
    rows = []
    for k, gain in enumerate(gains):
        for at in range(sizes):
            for seed in range(seeds):
                ceiling, weak, student = (level - gain * at / (sizes - 1), level, level - 0.5 * gain * at / (sizes - 1))
                errors = {"ceiling_error_01": ceiling, "weak_error_01": weak, "student_error_01": student}
                noisy = {name: value + noise * rng.standard_normal() for name, value in errors.items()}
                rows.append(
                    {"task": f"task{k}", "student_model": f"m{at}", "student_parameters": 1000 * 4**at, "seed": seed} | noisy
                )
    found = pd.DataFrame(rows).assign(status="ok", weak_model="m0")
    found.attrs["w2s"] = {"fields": ["task", "weak_model", "student_model", "seed"]}
    return found


def test_accuracies_are_those_of_ceilings() -> None:
    table = tasks()
    found = accuracies(table)
    assert list(found) == ["task0", "task1"]
    seeds, sizes, values = found["task1"]
    assert (seeds == np.arange(8)).all()
    assert sizes.tolist() == [1000, 4000, 16000, 64000]
    one = table[(table["task"] == "task1") & (table["seed"] == 3) & (table["student_parameters"] == 16000)]
    assert values[3, 2] == 1 - one["ceiling_error_01"].item()
    again = pd.concat([table, table.assign(weak_model="m1")])
    again.attrs = table.attrs
    assert list(accuracies(again)) == ["task0", "task1", "task0 #2", "task1 #2"]


def test_accuracy_that_rises_with_size() -> None:
    claim = CLAIMS["accuracy_rises_with_size"]
    assert decide(claim, tasks()).outcome == "holds"
    assert decide(claim, tasks((0.05, -0.05))).outcome == "fails"
    assert decide(claim, tasks((0.05, 0.0))).outcome == "unresolved"  # one task of two shows nothing
    assert decide(claim, tasks(seeds=7)).outcome == "unresolved"
    assert decide(claim, tasks(sizes=2)).outcome == "untestable"
    assert decide(claim, tasks((0.05,) * 40)).outcome == "holds"
    found = decide(claim, tasks())
    assert (found.intervals, found.chance) == (0, 0.01)


def test_the_largest_beats_the_smallest() -> None:
    claim = CLAIMS["largest_beats_smallest"]
    assert decide(claim, tasks()).outcome == "holds"
    assert decide(claim, tasks((0.05, 0.01), noise=0.001)).outcome == "fails"
    assert decide(claim, tasks((0.05, 0.02))).outcome == "unresolved"


def test_claims_notice_what_they_declare() -> None:
    assert faults("ladder.tasks", OF_TASKS, tasks()) == []


def test_claims_on_recorded_rows() -> None:
    """The rows of configs/ladder/tasks.yaml, which needs pretrained models and takes minutes: 16 seeds, three tasks, four sizes."""
    rows = recorded("ladder.tasks")
    for claim in OF_TASKS:
        verdict = decide(claim, rows)
        assert claim.as_expected(verdict), verdict.says
    assert faults("ladder.tasks", OF_TASKS, rows) == []
    found = {task: values.mean(axis=0) for task, (_, _, values) in accuracies(rows).items()}
    assert set(found) == {"sentence_polarity", "subjectivity", "pros_cons"}
    assert all(means[-1] == means.max() for means in found.values())
    assert found["subjectivity"][1] < found["subjectivity"][0]  # a trend, not a rise from each size to the next


def test_figures_are_drawn() -> None:
    (bits,), (known,) = OF_BITS, OF_ACCURACIES
    assert bits.draw(ladder()) is not None
    assert bits.draw(ladder(seeds=1).assign(other_bits_per_byte=np.nan)) is not None
    assert bits.draw(ladder((3.0,))) is None
    assert known.draw(tasks()) is not None
    assert known.draw(tasks(sizes=2)) is None


def test_a_row_without_a_teacher_is_ok_and_says_nothing_of_one(tmp_path: Path) -> None:
    """What the study names as finite must be; the rest is null."""
    (tmp_path / "corpus.txt").write_text("a line\n" * 10)
    fixed = {"corpus": None, "hidden": 8}
    block = Block(fixed, (Axis(("seed",), ((0,), (1,))),))
    nothing = np.full(2, np.nan)
    solved = {"weak_error": nothing, "ceiling_error": nothing, "misfit": nothing, "student_error": np.array([1.0, np.nan])}
    provenance = {"backend": "numba", "blas": "", "dtype": "float64", "threads": 1, "elapsed_s": 1.0}
    rows = rows_table(Pretraining, block, solved, provenance).to_pylist()
    assert [row["status"] for row in rows] == ["ok", "nonfinite"]
    assert all(rows[0][name] is None for name in ("weak_error", "ceiling_error", "misfit", "gain", "pgr", "weak_distance"))


@pytest.mark.parametrize("claim", [BITS, *OF_TASKS], ids=lambda claim: claim.id)
def test_claims_say_where_their_thresholds_come_from(claim: Claim) -> None:
    assert claim.basis
    assert claim.thresholds["seeds"] == 8
