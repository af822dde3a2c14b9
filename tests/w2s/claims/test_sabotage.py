"""Doctored tables: no column betrays them, and claims that any student fulfils are found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from w2s.claims import SABOTAGES, Claim, Doctor, above, below, over_means, overlooked
from w2s.studies.registry import find_study, study_names


def table(seeds: int = 12) -> pd.DataFrame:
    """Two cells of a study that measures both losses, chooses by a score, and knows how far its models are apart."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"size": np.repeat([1, 2], seeds), "seed": np.tile(np.arange(seeds), 2)})
    for end in ("", "_01"):
        for model, mean in (("weak", 0.4), ("student", 0.3), ("strong", 0.25), ("ceiling", 0.1)):
            rows[f"{model}_error{end}"] = mean + 0.02 * rng.standard_normal(len(rows)) + 0.01 * rows["size"]
        rows[f"gain{end}"] = rows[f"weak_error{end}"] - rows[f"student_error{end}"]
        rows[f"pgr{end}"] = rows[f"gain{end}"] / (rows[f"weak_error{end}"] - rows[f"ceiling_error{end}"])
        rows[f"opr{end}"] = rows[f"strong_error{end}"] / rows[f"student_error{end}"]
    rows["misfit"] = 0.05 + 0.01 * rng.standard_normal(len(rows))
    rows["weak_validation_error"] = rows["weak_error"] + 0.01
    rows["selection_score"] = rows["weak_validation_error"] - rows["misfit"]
    rows = rows.assign(agreement_right=0.9, agreement_wrong=0.5, loss_ratio=rows["student_error"] / rows["weak_error"])
    rows = rows.assign(power=1.0, student_error_theory=0.3, status="ok")
    rows.attrs["w2s"] = {"fields": ["size"]}
    return rows


@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_what_follows_from_errors_follows_from_the_doctored_ones(sabotage: str) -> None:
    before = table()
    found = Doctor().doctored(before, sabotage)
    assert set(found.columns) >= set(before.columns)
    assert found.attrs == before.attrs
    for end in ("", "_01"):
        weak, student, strong, ceiling = (found[f"{m}_error{end}"] for m in ("weak", "student", "strong", "ceiling"))
        np.testing.assert_allclose(found[f"gain{end}"], weak - student)
        np.testing.assert_allclose(found[f"pgr{end}"], ((weak - student) / (weak - ceiling).where(weak != ceiling)))
        np.testing.assert_allclose(found[f"opr{end}"], strong / student)
        for model, given in (("strong", strong), ("ceiling", ceiling)):
            expected = before[f"weak_error{end}" if sabotage == "ceiling_is_teacher" else f"{model}_error{end}"]
            pd.testing.assert_series_equal(given, expected, check_names=False)
    np.testing.assert_allclose(found["loss_ratio"], found["student_error"] / found["weak_error"])
    pd.testing.assert_series_equal(found["student_error_theory"], before["student_error_theory"])
    errors = ["weak_error", "student_error", "ceiling_error"]
    assert not found[errors].equals(before[errors])
    pd.testing.assert_frame_equal(found, Doctor().doctored(before, sabotage))


def test_each_sabotage_does_what_its_name_says() -> None:
    before, doctor = table(), Doctor({"student_error": "power", "student_error_01": 0.5})
    found = {name: doctor.doctored(before, name) for name in SABOTAGES}
    teacher, ceiling, constant = (found[f"student_{name}"] for name in ("is_teacher", "is_ceiling", "constant"))
    assert (teacher["student_error_01"] == before["weak_error_01"]).all()
    assert (teacher["misfit"] == 0).all()
    assert (teacher[["agreement_right", "agreement_wrong"]] == 1).all(axis=None)
    np.testing.assert_allclose(teacher["selection_score"], before["weak_validation_error"])
    assert (ceiling["student_error"] == before["ceiling_error"]).all()
    np.testing.assert_allclose(ceiling["misfit"], before["weak_error"] + before["ceiling_error"])
    np.testing.assert_allclose(ceiling["agreement_wrong"], before["ceiling_error_01"])
    assert (constant["student_error"] == 1).all()
    assert (constant["student_error_01"] == 0.5).all()
    for name, moved in (("student_shuffled", before), ("seeds_permuted", before.groupby("size"))):
        parts = [before] if moved is before else [part for _, part in moved]
        for part in parts:  # the same results, with the distances that belong to them, at other places
            rows = found[name].loc[part.index]
            key = ["student_error", "student_error_01", "misfit"]
            assert sorted(map(tuple, rows[key].to_numpy())) == sorted(map(tuple, part[key].to_numpy()))
            assert (rows["student_error"] != part["student_error"]).any()
            np.testing.assert_allclose(rows["weak_validation_error"] - rows["selection_score"], rows["misfit"])
    np.testing.assert_allclose(found["teacher_up"]["weak_error"], 1.1 * before["weak_error"])
    np.testing.assert_allclose(found["teacher_down"]["weak_error_01"], 0.9 * before["weak_error_01"])
    for one, other in (("weak_error", "student_error"), ("student_error_01", "weak_error_01")):
        assert (found["flipped"][one] == before[other]).all()
    for model, name in (("weak", "teacher_noisy"), ("student", "student_noisy")):
        factor = found[name][f"{model}_error"] / before[f"{model}_error"]
        assert factor.between(0.7, 1.3).all()
        assert factor.nunique() == len(before)


def test_columns_of_a_studys_own_are_finished_by_it() -> None:
    doctor = Doctor(finish=lambda before, after: after.assign(power=before["weak_error"] - after["weak_error"]))
    assert (doctor.doctored(table(), "teacher_down")["power"] > 0).all()


def claim(test: object) -> Claim:
    return Claim("it", "it is so", "Fig. 1", test)  # type: ignore[arg-type]


def test_a_claim_that_any_student_fulfils_is_found() -> None:
    trivial = claim(lambda rows, _: above("least error", float(rows["student_error"].min()), (0.01, 1.0), 0.0, 12))
    assert overlooked(trivial, table()) == tuple(SABOTAGES)

    def halved(rows: pd.DataFrame, _limits: object) -> object:
        by_seed = rows.groupby("seed")["pgr"].mean()
        value, interval, seeds = over_means(by_seed.index, by_seed, float)
        return below("PGR", value, interval, 0.5, seeds)

    found = overlooked(claim(halved), table())
    assert {"student_constant", "seeds_permuted"} <= set(found)
    assert "student_is_ceiling" not in found


def test_a_claim_without_its_verdict_has_none_to_lose() -> None:
    with pytest.raises(ValueError, match="no expected verdict to lose"):
        overlooked(claim(lambda rows, _: above("gain", 0.0, (-1.0, 1.0), 0.0, 12)), table())


@pytest.mark.parametrize("name", [name for name in study_names() if find_study(name).claims])
def test_registered_claims_declare_thresholds_and_what_they_overlook(name: str) -> None:
    for made in find_study(name).claims:
        assert set(made.overlooks) <= set(SABOTAGES), made.id
        assert all(made.overlooks.values()), made.id
        assert set(made.overlooks) != set(SABOTAGES), f"{made.id} notices nothing"
        assert bool(made.basis) == bool(made.thresholds), f"{made.id}: why these thresholds?"
