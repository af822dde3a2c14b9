"""Wu and Sahai 2024: weak-to-strong generalization by benign overfitting (arXiv 2410.04638).

Weak and strong model have Gaussian features with a bi-level spiked covariance; sizes are powers of the number of clean labels.
The class is the sign of one spiked coordinate that both see. The weak model interpolates n clean classes, the student n^u weak
labels, both with minimum norm. Errors are exact given the classifiers: a linear rule on Gaussians errs by its angle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Kind, Piece, Rule, Study
from w2s.sharing.results import Results
from w2s.studies.fields import occurring
from w2s.studies.wu2024.spiked import solve as solver
from w2s.studies.wu2024.spiked.claims import CLAIMS
from w2s.studies.wu2024.spiked.figures import FIGURES
from w2s.summary.population import SeedsDraw
from w2s.theory import wu2024 as theory
from w2s_kernels import Backend, flops

__all__ = ["Spiked", "SpikedCell"]

_LARGEST = 40_000
_WEAK: tuple[str, Kind] = ("weak model: its rows, factor and labels", "normals")
_STRONG: tuple[str, Kind] = ("students: rows and one factor for all counts", "syrk")
_DEPENDENT = "rows are dependent to rounding, or as many as features"


class SpikedCell(Cell):
    """One point of the spiked study. The ceiling interpolates the true classes of the student's rows."""

    n_labeled: int = field(60, description="clean labels of the weak model; n in all powers", unit="rows", ge=3, le=4000)
    p_weak: float = field(1.5, description="the weak model has n^p features", ge=0.5, le=4)
    q_weak: float = field(0.5, description="its spikes have the part n^-q of the energy", gt=0, le=4)
    r_weak: float = field(0.9, description="it has n^r spikes", ge=0, le=2)
    p_strong: float = field(1.95, description="the student has n^p features", ge=0.5, le=4)
    q_strong: float = field(0.5, description="its spikes have the part n^-q of the energy", gt=0, le=4)
    r_strong: float = field(0.17, description="it has n^r spikes", ge=0, le=2)
    u: float = field(1.0, description="the student has n^u weakly labelled rows", ge=0, le=4)
    labels: Literal["hard", "soft"] = field("hard", description="signs of the weak model, or its scores")


class Spiked(Study):
    """Students that interpolate weak labels, with the deterministic equivalents of all errors beside every row."""

    name = "wu2024.spiked"
    version = 1
    error_unit = "share of wrong answers"
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    Cell: ClassVar[type[Cell]] = SpikedCell
    summary = "Wu and Sahai 2024: interpolation of weak labels under spiked covariances, exact errors and closed forms"
    shares = ("labels", "u")
    columns: ClassVar[Mapping[str, str]] = {
        "n_transfer": "int64",
        "d_weak": "int64",
        "spikes_weak": "int64",
        "d_strong": "int64",
        "spikes_strong": "int64",
        "weak_cosine": "double",
        "student_cosine": "double",
        "weak_error_theory": "double",
        "student_error_theory": "double",
        "ceiling_error_theory": "double",
        "lower_u_theory": "double",
        "upper_u_theory": "double",
    }
    rules = (
        Rule(
            ("n_labeled", "p_weak"),
            lambda n, p: n**p <= _LARGEST,
            f"the weak model has n_labeled^p_weak features: at most {_LARGEST:,}",
        ),
        Rule(
            ("n_labeled", "p_strong"),
            lambda n, p: n**p <= _LARGEST,
            f"the student has n_labeled^p_strong features: at most {_LARGEST:,}",
        ),
        Rule(
            ("n_labeled", "u"),
            lambda n, u: n**u <= _LARGEST,
            f"the student has n_labeled^u rows: at most {_LARGEST:,}",
        ),
    )
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {"n_labeled": 60, "u": [0.6, 1.0, 1.4], "labels": ["hard", "soft"]}

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of the widest rows of weak model and student, and of the Gram."""
        held = 0.0
        for level in block.group(*solver.WEAK, *solver.STRONG[1:]).levels:
            weak, strong, counts = _sizes(level, block)
            most = float(counts[-1])
            held = max(held, (level["n_labeled"] + most) * weak.d + 3.0 * most * strong.d + 4.0 * min(most, strong.d) ** 2)
        return Cost(sum(piece.flops for piece in self.pieces(block)), 8.0 * (held + 14.0 * block.size))

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List per seed and pair of shapes the weak fit once, and one factor of the student's rows for all their counts."""
        pieces, seeds, labels = [], float(len(block.values("seed"))), len(block.values("labels")) + 1.0
        for level in block.group(*solver.WEAK, *solver.STRONG[1:]).levels:
            weak, strong, counts = _sizes(level, block)
            n, most = float(level["n_labeled"]), float(counts[-1])
            fit = flops.syrk(max(n, weak.d), min(n, weak.d)) + flops.cholesky(min(n, weak.d))
            pieces.append(
                Piece(*_WEAK, seeds, seeds * ((n + most) * weak.d * 150.0 + fit), ("u", "labels"), "rows are nested", weak.d)
            )
            small, large = min(most, float(strong.d)), max(most, float(strong.d))
            factor = flops.syrk(large, small) + flops.cholesky(small) + 150.0 * most * strong.d
            factor += flops.gemm(strong.d, small, labels * len(counts)) + flops.trsm(small, 2.0 * labels * len(counts))
            more = [float(m) for m in counts if m > strong.d]
            factor += sum(flops.syrk(m, strong.d) + flops.cholesky(strong.d) for m in more)
            pieces.append(
                Piece(*_STRONG, seeds, seeds * factor, ("u", "labels"), "a factor of many rows holds that of few", small)
            )
        return pieces

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: per seed and pair of shapes one weak fit and one factor, then all counts of rows and labels."""
        groups = [block.group(*names) for names in (("seed",), (*solver.WEAK, *solver.STRONG[1:]), ("u",), ("labels",))]
        seeds, shapes, exponents, labels = groups
        asked = occurring(block, shapes, exponents)
        results, soft = Results(block, groups, solver.NUMBERS), [kind == "soft" for kind in labels.values("labels")]
        whole = Results(block, groups[1:3], (), _WHOLE)
        for k in np.flatnonzero(asked.any(axis=1)):
            level, chosen = shapes.levels[k], np.flatnonzero(asked[k])
            weak, strong = (solver.sizes(level, model) for model in ("weak", "strong"))
            wanted = [_count(level["n_labeled"], exponents.levels[u]["u"]) for u in chosen]
            counts = sorted(set(wanted))
            places = [counts.index(m) for m in wanted]
            whole.put((k, chosen), {"n_transfer": np.array(wanted)})
            sizes = {"d_weak": weak.d, "spikes_weak": weak.spikes, "d_strong": strong.d, "spikes_strong": strong.spikes}
            whole.put((k, chosen), {name: np.array(value) for name, value in sizes.items()})
            for s, seed in enumerate(seeds.values("seed")):
                found = solver.results(level["n_labeled"], weak, strong, seed, counts, soft, backend)
                spread = {name: values if len(values) == 1 else values[places] for name, values in found.items()}
                results.put((s, k, chosen), spread)
        return _completed(block, results.columns() | whole.columns())


_WHOLE = ("n_transfer", "d_weak", "spikes_weak", "d_strong", "spikes_strong")


def _count(n: int, u: float) -> int:
    return max(round(float(n**u)), 1)


def _sizes(level: Mapping[str, Any], block: Block) -> tuple[solver.Shape, solver.Shape, list[int]]:
    """Return both shapes of a level and all counts of rows of a block, ascending."""
    counts = sorted({_count(level["n_labeled"], u) for u in block.values("u")})
    return solver.sizes(level, "weak"), solver.sizes(level, "strong"), counts


def _completed(block: Block, columns: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Turn cosines into errors, and add the closed forms and the thresholds."""
    weak, student, ceiling = (columns[f"{model}_cosine"] for model in ("weak", "student", "ceiling"))
    del columns["ceiling_cosine"]
    columns["weak_error"], columns["student_error"] = theory.sign_error(weak), theory.sign_error(student)
    columns["ceiling_error"], columns["misfit"] = theory.sign_error(ceiling), theory.disagreement(student, weak)
    n, soft = block.column("n_labeled"), block.column("labels") == "soft"
    small = (columns["d_weak"], columns["spikes_weak"], n ** -block.column("q_weak"), n)
    large = (columns["d_strong"], columns["spikes_strong"], n ** -block.column("q_strong"), columns["n_transfer"])
    clean = theory.alignment(1.0)
    taught = theory.expected_cosine(*small, clean)
    columns["weak_error_theory"] = theory.sign_error(taught)
    columns["student_error_theory"] = theory.sign_error(theory.expected_cosine(*large, theory.alignment(taught, soft)))
    columns["ceiling_error_theory"] = theory.sign_error(theory.expected_cosine(*large, clean))
    powers = [[block.column(f"{name}_{model}") for name in "pqr"] for model in ("weak", "strong")]
    low, high = theory.student_range(theory.classification_margin(*powers[0]), *powers[1])
    columns["lower_u_theory"], columns["upper_u_theory"] = low, high
    columns["message"] = np.where(np.isnan(columns["student_error"]), np.array(_DEPENDENT, dtype=object), np.array(None))
    columns["solver"] = np.array(["cholesky"], dtype=object)
    return columns
