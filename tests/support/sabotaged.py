"""What every study's columns mean to a sabotage, and whether its claims notice what they say they notice.

``python tests/support/sabotaged.py RUN [RUN ...]`` records the rows of runs of one study, for studies whose small grids take too
long for every test run: configs/charikar2024/small/synthetic.yaml and molecules.yaml, configs/burns2023/small/probes.yaml,
configs/burns2023/chess.yaml, configs/aligner2024/small/strings.yaml, configs/ladder/tasks.yaml; of
configs/burns2023/errors.yaml and gap.yaml for tests of their verdicts.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from pandas import DataFrame

import w2s
from w2s.claims import SABOTAGES, Claim, Doctor, overlooked
from w2s.contract.cells import cell_fields
from w2s.studies.registry import find_study
from w2s.summary import columns
from w2s.theory import medvedev2025

_UNUSED = (
    "strong_error",
    "disagreement",
    "agreement",
    "misfit_squared",
    "pgr",
    "pgr_status",
    "weak_rank",
    "student_rank",
    "weak_power",
    "n_evaluated",
)
RECORDED = Path(__file__).resolve().parent.parent / "data" / "doctored"


def _cross_terms(before: DataFrame, after: DataFrame) -> DataFrame:
    """gain - misfit, where it is no projection of the labels; and the misfit that a projection on the truth has."""
    projected = ((before["evaluate"] == "transfer") & (before["head"] == "least_squares")).to_numpy()
    ceiling = projected & (after["student_error"] == after["ceiling_error"]).to_numpy()
    misfit = np.where(ceiling, after["gain"] - before["cross_term"], after["misfit"])
    cross = np.where(projected, before["cross_term"], after["gain"] - misfit)
    return after.assign(misfit=misfit, cross_term=cross)


def _closed_forms(before: DataFrame, after: DataFrame) -> DataFrame:
    """What the study derives from the teacher's error: the lower bound, the two-level form, and how far it is no projection.

    A teacher f with <f, f* - f> = c has E f^2 = 1 - L - 2 c. The doctored one keeps its power, so its c moves against its error.
    """
    error = after["weak_error"].to_numpy(float)
    cross = before["teacher_cross"] + (before["weak_error"] - error) / 2
    linear = ((after["model"] == "linear") & (after["student"] == "infinite")).to_numpy()
    levels = medvedev2025.two_level_error(_passed(after, 1.0), _passed(after, after["d"] ** -after["decay"]), error)
    theory = np.where(linear, levels, before["student_error_theory"])
    return after.assign(lower_bound_theory=medvedev2025.lower_bound(error), student_error_theory=theory, teacher_cross=cross)


def _silent_points(before: DataFrame, after: DataFrame) -> DataFrame:
    """Where a teacher is silent, a doctored student errs as many times more as where it is not, and no more than a coin or it."""
    silent = before["student_error_uncovered"].to_numpy(float)
    errors = before["student_error"].to_numpy(float)
    times = np.divide(after["student_error"].to_numpy(float), errors, out=np.ones(len(after)), where=errors > 0)
    return after.assign(student_error_uncovered=np.minimum(silent * times, np.maximum(silent, 0.5)))


def _passed(table: DataFrame, level: object) -> object:
    return np.where(table["student_filter"] == "ridge", level / (level + table["ridge"]), -np.expm1(-table["time"] * level))


def _pred_gaps(before: DataFrame, after: DataFrame) -> DataFrame:
    """PredGap is student_error - ceiling_error less a product that no sabotage changes, and zero for a student that is the ceiling.

    What a student misses on its own rows follows its distance to others' labels, the gap on one sample follows PredGap.
    """
    product = before["student_error"] - before["ceiling_error"] - before["pred_gap"]
    gap = np.maximum(after["student_error"] - after["ceiling_error"] - product, 0.0)
    gap = np.where(after["student_error"] == after["ceiling_error"], 0.0, gap)
    taught = (after["ceiling_error"] == after["weak_error"]) & (before["ceiling_error"] != before["weak_error"])
    gap = np.where(taught, before["misfit"], gap)
    found = after.assign(pred_gap=gap)
    if "same_sample_gap" in found:
        found["same_sample_gap"] = before["same_sample_gap"] * gap / before["pred_gap"]
        found["student_fit_error"] = before["student_fit_error"] * after["misfit"] / before["misfit"]
    return found


def _patches(before: DataFrame, after: DataFrame) -> DataFrame:
    """Errors by type and what is said on the training examples, for a student that is someone else.

    A student that is off by some share is off on the hard-only inputs, where students differ.
    """
    error, was = after["student_error"].to_numpy(float), before["student_error"].to_numpy(float)
    share = before["p_hard"].to_numpy(float)
    hard = np.clip(before["student_error_hard"].to_numpy(float) + (error - was) / share, 0.0, 1.0)
    found = {"student_error_hard": hard}
    if not (error == was).all():
        wrong = before["weak_train_error"]
        for name, fit, correction in (("weak", 1.0, 0.0), ("ceiling", 1.0 - wrong, 1.0)):
            if (error == before[f"{name}_error"].to_numpy(float)).all():
                found = {"student_error_hard": before[f"{name}_error_hard"], "train_fit": fit, "label_correction": correction}
        if (error == 0.5).all():
            found = dict.fromkeys(("student_error_hard", "train_fit", "label_correction"), 0.5)
    return after.assign(**found)


def _digits(before: DataFrame, after: DataFrame) -> DataFrame:
    """Errors by type of a teacher that is someone else: the student's where it has the student's, else as many times more."""
    taught = after["weak_error"].equals(before["student_error"])
    times = after["weak_error"] / before["weak_error"]
    kinds = ("easy", "hard", "both")
    found = {
        f"weak_error_{kind}": before[f"student_error_{kind}"] if taught else before[f"weak_error_{kind}"] * times
        for kind in kinds
    }
    return _patches(before, after).assign(**found)


def _own_features(before: DataFrame, after: DataFrame) -> DataFrame:
    """Where a student has another row's error it is that row's student; where it has its teacher's, it is the teacher."""
    errors, given = before["student_error"].to_numpy(float), after["student_error"].to_numpy(float)
    own = ("easy_after", "hard_after", "corr_easy", "corr_hard")
    taught = ("easy_weak", "hard_weak", "corr_easy_weak", "corr_hard_weak")
    if np.array_equal(given, before["weak_error"].to_numpy(float)):
        return after.assign(**{name: before[teacher] for name, teacher in zip(own, taught, strict=True)})
    order = np.argsort(errors, kind="stable")
    at = order[np.minimum(np.searchsorted(errors, given, sorter=order), len(errors) - 1)]
    if not np.array_equal(errors[at], given):
        return after
    return after.assign(**{name: before[name].to_numpy()[at] for name in own})


def _oracles(before: DataFrame, after: DataFrame) -> DataFrame:
    """What the study derives from both models' errors, were they independent."""
    scaled = before["oracle_error_01_theory"] * after["weak_error_01"] / before["weak_error_01"]
    return after.assign(oracle_error_01_theory=scaled)


def _weights(before: DataFrame, after: DataFrame) -> DataFrame:
    """Learned weights, and errors on unshifted items, are the student's: they go where its results go, and no one else has any."""
    own = ["best_found", "weight_best", "student_error_in"]
    errors, given = before["student_error"].to_numpy(float), after["student_error"].to_numpy(float)
    if np.array_equal(errors, given) or not np.isin(given, errors).all():
        noisy = not np.array_equal(errors, given) and len(np.unique(given)) > 1 and np.corrcoef(errors, given)[0, 1] > 0.8
        kept = np.array_equal(errors, given) or (noisy and not np.array_equal(given, before["weak_error"].to_numpy(float)))
        return after if kept else after.assign(**dict.fromkeys(own, np.nan))
    order = np.argsort(errors, kind="stable")
    at = order[np.minimum(np.searchsorted(errors, given, sorter=order), len(errors) - 1)]
    return after.assign(**{name: before[name].to_numpy()[at] for name in own})


def _chosen_labels(before: DataFrame, after: DataFrame) -> DataFrame:
    """Weak labels of a teacher that errs as many times more, before and after smoothing, and what is chosen from them."""
    times = after["weak_error"] / before["weak_error"]
    weak = ("weak_label_accuracy", "weak_accuracy_rest", "smoothed_accuracy_rest")
    found = {name: 1.0 - (1.0 - before[name]) * times for name in weak}
    share, own = before["selected_share"], before["own_accuracy_selected"].fillna(0.0)
    chosen = share * own + (1.0 - share) * found["smoothed_accuracy_rest"].fillna(0.0)
    taught = after["student_error"].equals(before["weak_error"])
    return after.assign(**found, label_accuracy=chosen, naive_error=before["weak_error"] if taught else before["naive_error"])


def _rewarded(before: DataFrame, after: DataFrame) -> DataFrame:
    """A text's reward follows from the error; where a student has another row's error it is that row's student, or its teacher."""
    errors, given = before["student_error"].to_numpy(float), after["student_error"].to_numpy(float)
    found = after.assign(student_reward=after["length"] * (after["top_reward"] - given))
    if np.array_equal(given, before["weak_error"].to_numpy(float)):
        return found.assign(student_implicit=before["weak_implicit"])
    order = np.argsort(errors, kind="stable")
    at = order[np.minimum(np.searchsorted(errors, given, sorter=order), len(errors) - 1)]
    return (
        found.assign(student_implicit=before["student_implicit"].to_numpy()[at]) if np.array_equal(errors[at], given) else found
    )


def _pretrained(before: DataFrame, after: DataFrame) -> DataFrame:
    """Bits per byte are the error in other units, and those of another text move with it."""
    times = after["student_error"] / before["student_error"]
    bits = ("bits_per_byte", "other_bits_per_byte")
    return after.assign(**{name: before[name] * times for name in bits if name in before})


def _tuned_probes(before: DataFrame, after: DataFrame) -> DataFrame:
    """A probe of a student's features is off by as much as the student is."""
    errors, given = before["student_error_01"].to_numpy(float), after["student_error_01"].to_numpy(float)
    moved = before["tuned_probe_error_01"].to_numpy(float) + given - errors
    return after.assign(tuned_probe_error_01=np.clip(moved, 0.0, 1.0))


def _adjusted(before: DataFrame, after: DataFrame) -> DataFrame:
    """A ceiling that had a stage is the teacher where the ceiling is: both are strong models that learned the truth."""
    taught = after["ceiling_error_01"].equals(after["weak_error_01"]) and not before["ceiling_error_01"].equals(
        before["weak_error_01"]
    )
    known = before["adjusted_ceiling_error_01"]
    return after.assign(adjusted_ceiling_error_01=after["weak_error_01"].where(known.notna()) if taught else known)


_BINARY = {"student_error": math.log(2), "student_error_01": 0.5}

DOCTORS: Mapping[str, Doctor] = {
    "aligner2024.edits": Doctor({"student_error": 1.0}),
    "aligner2024.strings": Doctor({"student_error": 1.0, "student_error_01": 1.0}),
    "burns2023.chess": Doctor({"student_error": math.log(31), "student_error_01": "chance_error_01"}),
    "burns2023.probes": Doctor(_BINARY),
    "burns2023.prompting": Doctor(_BINARY),
    "burns2023.reward": Doctor(_BINARY, _adjusted),
    "burns2023.saliency": Doctor(_BINARY, _tuned_probes),
    "burns2023.text": Doctor(_BINARY),
    "charikar2024.molecules": Doctor({"student_error": "power"}),
    "charikar2024.synthetic": Doctor({"student_error": "label_power"}, _cross_terms),
    "charikar2024.transformers": Doctor({"student_error": "power"}),
    "cong2025.tabular": Doctor({"student_error": "uniform_error", "student_implicit": 0.0}, _rewarded),
    "dong2025.features": Doctor({"student_error": 1.0, "student_error_01": 0.9}),
    "dong2025.regression": Doctor({"student_error": "signal"}),
    "goel2025.similarity": Doctor({"student_error": math.log(4), "student_error_01": 0.75}, _oracles),
    "heo2023.decoy": Doctor({"student_error": 0.75}),
    "heo2023.students": Doctor({"student_error": 0.75}),
    "ildiz2024.surrogate": Doctor({"student_error": math.pi**2 / 6.0}),
    "ladder.pretraining": Doctor({"student_error": 5.55}, _pretrained),  # ln 256: every byte is as probable
    "ladder.tasks": Doctor(_BINARY),
    "lang2024.correction": Doctor({"student_error": 0.5}, _silent_points),
    "medvedev2025.random_features": Doctor({"student_error": 1.0}, _closed_forms),
    "methods.compare": Doctor(_BINARY),
    "moniri2025.multi_index": Doctor({"student_error": 1.0}, _own_features),
    "moniri2025.ridge": Doctor({"student_error": "signal"}),
    "moniri2025.weighted": Doctor({"student_error": "signal"}),
    "mulgund2025.bregman": Doctor({"student_error": "uniform_error"}),
    "oh2025.mnist": Doctor({"student_error": 0.5}, _digits),
    "oh2025.patches": Doctor({"student_error": 0.5}, _patches),
    "raven2025.shift": Doctor({"student_error": 0.5}, _weights),
    "selective2025.regions": Doctor({"student_error": 0.5}, _chosen_labels),
    "selective2025.transfer": Doctor({"student_error": 0.5}),
    "shin2024.overlap": Doctor({"student_error": 0.5}, _patches),
    "somerstep2024.refinement": Doctor({"student_error": 0.5}),
    "wu2024.spiked": Doctor({"student_error": 0.5}),
    "xu2025.posterior_mean": Doctor({"student_error": "constant_error"}),
    "xue2025.features": Doctor({"student_error": "label_power", "student_error_01": 0.9}, _pred_gaps),
    "xue2025.toy": Doctor({"student_error": "signal"}, _pred_gaps),
    "yao2025.limits": Doctor(_BINARY),
}
"""By study: what a student has that gives one answer to everything, and the columns of its own."""


def faults(study: str, claims: Iterable[Claim], table: DataFrame) -> list[str]:
    """Say where claims and their declarations differ on a table on which all of them have their expected verdict."""
    found, doctor = [], DOCTORS[study]
    for claim in claims:
        missed = set(overlooked(claim, table, doctor))
        found += [f"{claim.id} does not notice {name}" for name in SABOTAGES if name in missed - set(claim.overlooks)]
        found += [f"{claim.id} notices {name}: declare it" for name in SABOTAGES if name in set(claim.overlooks) - missed]
    return found


def recorded(study: str) -> DataFrame:
    """Read the recorded rows of a study. The power of a table's target is that of its worst weak model's error, nearly."""
    rows = pd.read_parquet(RECORDED / f"{study}.parquet")
    if "data" in rows:
        rows["power"] = rows.groupby("data")["weak_error"].transform("max")
    fields = list(cell_fields(find_study(study).Cell))
    found = rows.reindex(columns=list(dict.fromkeys([*rows, *fields])))  # a field that is null everywhere was not written
    found.attrs["w2s"] = {"fields": fields}
    return found


def record(runs: Iterable[str]) -> Path:
    """Write the rows of runs of one study, every cell once, without what says how they were made."""
    rows = pd.concat([w2s.load(run) for run in runs]).drop_duplicates("cell_id")
    (study,) = rows["study"].unique()
    path = RECORDED / f"{study}.parquet"
    path.parent.mkdir(exist_ok=True)
    left = [*columns.PROVENANCE, "cell_id", "message", *_UNUSED]
    left += [name for name in rows if name.endswith(("_low", "_high"))]  # intervals over items, which no claim reads
    kept = rows.drop(columns=[name for name in left if name in rows]).dropna(axis=1, how="all")
    kept.to_parquet(path, index=False, compression="zstd", compression_level=19)
    return path


if __name__ == "__main__":
    print(record(sys.argv[1:]))
