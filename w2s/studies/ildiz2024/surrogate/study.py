"""Ildiz, Gozeten, Taga, Mondelli and Oymak 2024: regression on the labels of a surrogate (arXiv 2410.18837).

Inputs are Gaussian with a power-law spectrum, the target is a power law with random signs, and the student is the ridge or
minimum-norm fit on labels of a surrogate, a linear model that is another one than the target. Risks are exact given the
student's inputs: only inputs, noise and signs are drawn.
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
from w2s.studies.ildiz2024.surrogate import solve as solver
from w2s.studies.ildiz2024.surrogate.claims import CLAIMS
from w2s.studies.ildiz2024.surrogate.figures import FIGURES
from w2s.summary.population import SeedsDraw
from w2s_kernels import Backend, flops

__all__ = ["Surrogate", "SurrogateCell"]

_FACTORS: tuple[str, Kind] = ("students: Gram of the rows and its factor", "cholesky")
_FITS: tuple[str, Kind] = ("students: labels to coefficients", "gemm")
_SINGULAR = "the rows are dependent to rounding, or there are as many rows as features without a ridge"


class SurrogateCell(Cell):
    """One point of the surrogate study. The ceiling is the student's fit to the target's labels, on the same rows and noise."""

    d: int = field(description="features; feature i has variance i^-decay", unit="features", ge=2, le=20_000)
    decay: float = field(1.5, description="exponent of the spectrum", ge=0, le=6)
    signal_decay: float = field(0.25, description="coefficients of the target are +-i^-signal_decay, signs by seed", ge=0, le=6)
    n_transfer: int = field(description="rows of the student", unit="rows", ge=1, le=20_000)
    ridge: float = field(0.0, description="lambda of (X'X/n + lambda I)^-1 X'y/n; 0 is the minimum norm", ge=0)
    noise: float = field(0.0, description="standard deviation of the noise on the labels of every model", ge=0, le=1e3)
    surrogate: Literal["truth", "optimal", "mask", "first", "learned"] = field(
        "truth",
        description="whose labels: the target's; those of least expected risk; the target's with the best features kept, or "
        "with the first `keep`; those of a minimum-norm fit of the first `keep` features to the target's labels",
    )
    keep: int = field(
        100, description="features that the surrogate has", unit="features", when={"surrogate": ["first", "learned"]}, ge=1
    )
    n_labeled: int = field(
        100, description="rows of the learned surrogate", unit="rows", when={"surrogate": ["learned"]}, ge=1, le=20_000
    )


class Surrogate(Study):
    """Students of linear surrogates, with the deterministic equivalent of their risk beside every row."""

    name = "ildiz2024.surrogate"
    version = 1
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    Cell: ClassVar[type[Cell]] = SurrogateCell
    summary = "Ildiz et al. 2024: regression on the labels of a surrogate, simulated and by its deterministic equivalent"
    shares = ("surrogate", "keep", "n_labeled", "noise", "n_transfer", "ridge")
    columns: ClassVar[Mapping[str, str]] = {
        "student_error_theory": "double",
        "ceiling_error_theory": "double",
        "omega_theory": "double",
        "kept_theory": "int64",
    }
    rules = (
        Rule(
            ("keep", "d"),
            lambda keep, d: ~(keep > d),
            "the surrogate has some of the d features: keep must not exceed d",
        ),
        Rule(
            ("n_transfer", "d", "ridge"),
            lambda rows, d, ridge: (rows != d) | (ridge > 0),
            "without a ridge the risk is infinite where n_transfer = d: change one of them",
        ),
        Rule(
            ("n_labeled", "keep"),
            lambda rows, keep: ~(rows == keep),
            "the learned surrogate has an infinite risk where n_labeled = keep: change one of them",
        ),
    )
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {
        "d": 400,
        "n_transfer": [75, 150],
        "noise": 0.2,
        "surrogate": ["truth", "optimal", "mask"],
    }

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of one seed's rows, Gram, factor and coefficients."""
        d, rows = float(max(block.values("d"))), float(max(block.values("n_transfer")))
        teachers = float(len(block.group(*solver.TEACHER)))
        learned = float(max((n or 0 for n in block.values("n_labeled")), default=0))
        held = (rows + learned) * d + 3.0 * min(rows, d) ** 2 + 8.0 * d * (teachers + 1.0) + 12.0 * block.size
        return Cost(sum(piece.flops for piece in self.pieces(block)), 8.0 * held)

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List per seed and spectrum one factor for each count of rows and ridge; labels of all surrogates are columns."""
        repeats = float(len(block.values("seed")) * len(block.group(*solver.WORLD)))
        d = float(max(block.values("d")))
        teachers = float(len(block.group(*solver.TEACHER)))
        noises = float(len(block.values("noise")))
        served = (*solver.TEACHER, "noise")
        learned = [level for level in block.group(*solver.TEACHER).levels if level["surrogate"] == "learned"]
        sizes = [float(level["n_transfer"]) for level in block.group(*solver.SAMPLE).levels]
        pieces = []
        for rows, columns in [(n, 2.0 * teachers + 2.0) for n in sizes] + [(float(t["n_labeled"]), 2.0) for t in learned]:
            small, large = min(rows, d), max(rows, d)
            factor = flops.syrk(large, small) + flops.cholesky(small) + 150.0 * rows * d
            fit = 2.0 * flops.gemm(rows, d, columns) + flops.trsm(small, 2.0 * columns)
            pieces.append(Piece(*_FACTORS, repeats, repeats * factor, served, "labels do not enter the Gram", small))
            pieces.append(Piece(*_FITS, repeats, repeats * (fit + 6.0 * d * teachers * noises), (), "", small))
        return pieces

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: per seed and spectrum the rows once, per count of rows and ridge one factor, then all labels."""
        names = (("seed",), solver.WORLD, solver.SAMPLE, ("noise",), solver.TEACHER)
        groups = [block.group(*fields) for fields in names]
        seeds, worlds, samples, noises, teachers = groups
        asked = occurring(block, worlds, samples, teachers)
        levels, every = np.array(noises.values("noise"), dtype=np.float64), np.arange(len(noises))[:, None]
        results = Results(block, groups, solver.NUMBERS)
        for w in np.flatnonzero(asked.any(axis=(1, 2))):
            world = solver.World.of(worlds.levels[w])
            here = {k: solver.Law.of(world, samples.levels[k]) for k in np.flatnonzero(asked[w].any(axis=1))}
            for s, seed in enumerate(seeds.values("seed")):
                drawn = solver.Draws.of(world, seed, max(law.n for law in here.values()), backend)
                for k, law in here.items():
                    chosen = np.flatnonzero(asked[w, k])
                    found = solver.results(drawn, law, [teachers.levels[t] for t in chosen], levels, backend)
                    results.put((s, w, k, every, chosen), found)
        columns = results.columns()
        columns["message"] = np.where(np.isnan(columns["student_error"]), np.array(_SINGULAR, dtype=object), np.array(None))
        columns["solver"] = np.array(["cholesky"], dtype=object)
        return columns
