"""What every study's columns mean to a sabotage, and whether its claims notice what they say they notice.

``python tests/support/sabotaged.py RUN [RUN ...]`` records the rows of runs of one study, for studies whose small grids take too
long for every test run: configs/charikar2024/small/synthetic.yaml and molecules.yaml, configs/burns2023/small/probes.yaml.
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


def _passed(table: DataFrame, level: object) -> object:
    return np.where(table["filter"] == "ridge", level / (level + table["ridge"]), -np.expm1(-table["time"] * level))


def _oracles(before: DataFrame, after: DataFrame) -> DataFrame:
    """What the study derives from both models' errors, were they independent."""
    scaled = before["oracle_error_01_theory"] * after["weak_error_01"] / before["weak_error_01"]
    return after.assign(oracle_error_01_theory=scaled)


_BINARY = {"student_error": math.log(2), "student_error_01": 0.5}

DOCTORS: Mapping[str, Doctor] = {
    "burns2023.probes": Doctor(_BINARY),
    "burns2023.text": Doctor(_BINARY),
    "charikar2024.molecules": Doctor({"student_error": "power"}),
    "charikar2024.synthetic": Doctor({"student_error": "label_power"}, _cross_terms),
    "dong2025.features": Doctor({"student_error": 1.0, "student_error_01": 0.9}),
    "dong2025.regression": Doctor({"student_error": "signal"}),
    "goel2025.similarity": Doctor({"student_error": math.log(4), "student_error_01": 0.75}, _oracles),
    "medvedev2025.random_features": Doctor({"student_error": 1.0}, _closed_forms),
    "mulgund2025.bregman": Doctor({"student_error": "uniform_error"}),
    "xu2025.posterior_mean": Doctor({"student_error": "constant_error"}),
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
    kept = rows.drop(columns=[name for name in left if name in rows]).dropna(axis=1, how="all")
    kept.to_parquet(path, index=False, compression="zstd", compression_level=19)
    return path


if __name__ == "__main__":
    print(record(sys.argv[1:]))
