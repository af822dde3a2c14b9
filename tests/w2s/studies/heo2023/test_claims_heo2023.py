"""The strengths at which methods are compared are chosen on the seeds that are reported: intervals know of the choice."""

from __future__ import annotations

import numpy as np
import pandas as pd

from w2s.claims.claim import Claim, Verdict, decide
from w2s.contract.cells import cell_fields
from w2s.studies.heo2023.decoy.study import Decoy

CLAIM: Claim = next(claim for claim in Decoy.claims if claim.id == "robust_at_least_gradient")
SEEDS = np.arange(16)
TILT = np.where(SEEDS % 2 == 0, 0.02, -0.02)
OURS = 0.5 + 0.01 * np.sin(SEEDS)


def verdict(*penalised: np.ndarray) -> Verdict:
    """Compare pgd with rrr, whose errors are given at one strength after another."""
    methods = [("pgd", np.nan, 0.3, OURS), *(("rrr", 0.1 * (k + 1), np.nan, errors) for k, errors in enumerate(penalised))]
    parts = [
        pd.DataFrame({"method": name, "penalty": penalty, "radius": radius, "student_error": errors, "seed": SEEDS})
        for name, penalty, radius, errors in methods
    ]
    table = pd.concat(parts, ignore_index=True).assign(law="digits", side="random", status="ok")
    table.attrs["w2s"] = {"fields": [name for name in cell_fields(Decoy.Cell) if name in table]}
    return decide(CLAIM, table)


def test_every_resample_chooses_its_own_strengths() -> None:
    chosen, first, second = verdict(0.6 + TILT, 0.6 - TILT), verdict(0.6 + TILT), verdict(0.6 - TILT)
    assert {found.outcome for found in (chosen, first, second)} == {"holds"}
    for fixed in (first, second):
        assert chosen.statistic is not None
        assert abs(chosen.statistic - (fixed.statistic or 0.0)) < 1e-9  # on all seeds both strengths are as good
        assert chosen.interval != fixed.interval  # resamples of even or odd seeds prefer one or the other


def test_a_strength_that_is_never_chosen_changes_nothing() -> None:
    assert verdict(0.6 + TILT, 0.9 + TILT).interval == verdict(0.6 + TILT).interval
