"""Xue, Li and Mirzasoleiman 2025 on a toy where everything is known (arXiv 2502.00620): when tails are fitted and forgotten.

Latent coordinates z ~ N(0, I) carry the target y = theta'z + noise. The strong representation is z with an isotropic tail of
``tail_width`` coordinates, the weak one the first ``d_weak`` of z (seen at a ``cosine``) with a tail of its own. Both heads are
ridge regressions, and a tail is wide enough to fit what it is given. Errors and PredGap are exact over the population, given
the fitted heads, so there are no test rows.
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
from w2s.studies.xue2025.principal import PREDICTED, RULE
from w2s.studies.xue2025.toy.claims import CLAIMS
from w2s.studies.xue2025.toy.figures import FIGURES
from w2s.studies.xue2025.toy.solve import solve_world
from w2s.summary.population import SeedsDraw
from w2s_kernels import Backend, flops

__all__ = ["Toy", "ToyCell"]

WORLD = ("latent", "tail_width", "tail_power", "signal", "noise", "n_labeled", "n_transfer")
TEACHER = ("d_weak", "cosine", "ridge_weak")
_NORMAL = 40.0  # operations of one normal deviate
_DRAWS: tuple[str, Kind] = ("rows with tails", "normals")
_KERNELS: tuple[str, Kind] = ("kernels of the rows", "syrk")
_TEACHERS: tuple[str, Kind] = ("teachers: Cholesky factors of their kernels", "cholesky")
_STUDENTS: tuple[str, Kind] = ("students: Cholesky factors of the strong kernel", "cholesky")
_SPECTRA: tuple[str, Kind] = ("principal directions of the kernels", "eigh")
_WEIGHTS: tuple[str, Kind] = ("weights of all heads", "gemm")


class ToyCell(Cell):
    """One point of the toy: a weak model, a student, and the rule by which principal directions are found."""

    latent: int = field(10, description="latent coordinates, which carry the target", ge=1, le=1000)
    d_weak: int = field(description="latent coordinates that the weak model sees", ge=1, le=1000)
    cosine: float = field(1.0, description="how far the weak model sees them: its coordinate is cosine z + noise", gt=0, le=1)
    tail_width: int = field(1500, description="coordinates of a tail", unit="features", ge=1, le=100_000)
    tail_power: float = field(5.0, description="variance of a tail, all coordinates together", unit="feature power", ge=0)
    signal: float = field(1.0, description="power of the target, E (theta'z)^2, in equal parts on the latent coordinates", gt=0)
    noise: float = field(0.1, description="standard deviation of label noise", ge=0)
    n_labeled: int = field(800, description="rows with true labels, for the weak model", unit="rows", ge=3, le=20_000)
    n_transfer: int = field(800, description="rows that the weak model labels", unit="rows", ge=3, le=20_000)
    ridge_weak: float = field(0.01, description="beta_w of (K + beta_w I)^-1 y, K = H H'/n", unit="feature power", gt=0, le=1e6)
    ridge: float = field(0.01, description="beta_s of student and ceiling", unit="feature power", gt=0, le=1e6)
    principal: Literal["latent", "eigengap", "variance"] = field(
        "latent",
        description="principal directions: the latent coordinates, as known; those before the widest quotient of eigenvalues "
        "of the kernel; the fewest with a share of its trace",
    )
    share: float = field(0.5, description="share of the trace", when={"principal": ["variance"]}, gt=0, le=1)


class Toy(Study):
    """Ridge heads on latent coordinates with isotropic tails: PredGap against its prediction."""

    name = "xue2025.toy"
    version = 1
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    Cell: ClassVar[type[Cell]] = ToyCell
    summary = "Xue et al. 2025: PredGap of the population where tails are fitted and forgotten, measured and predicted"
    shares = ("n_labeled", "ridge", *RULE, *TEACHER)
    columns: ClassVar[Mapping[str, str]] = {
        "pred_gap": "double",
        "pred_gap_full_theory": "double",
        "pred_gap_limit_theory": "double",
        "same_sample_gap": "double",
        "student_fit_error": "double",
        **PREDICTED,
    }
    rules = (
        Rule(
            ("d_weak", "latent"),
            lambda d_weak, latent: d_weak <= latent,
            "the weak model sees latent coordinates: d_weak must not exceed latent",
        ),
        Rule(
            ("latent", "n_labeled", "n_transfer"),
            lambda latent, labeled, transfer: (latent < labeled) & (latent < transfer),
            "principal directions are fewer than rows: latent must be below n_labeled and n_transfer",
        ),
    )
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {
        "d_weak": [2, 4, 6, 8, 10],
        "tail_width": 600,
        "n_labeled": 300,
        "n_transfer": 300,
    }

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of samples, kernels and their factors."""
        width = max(block.values("tail_width"))
        n, labeled = max(block.values("n_transfer")), max(block.values("n_labeled"))
        held = width * (2.0 * n + labeled) * 2.0 + 6.0 * max(n, labeled) ** 2 + 20.0 * block.size
        return Cost(sum(piece.flops for piece in self.pieces(block)), 8.0 * held)

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List per world and seed samples and kernels, per teacher two factors, per student one, per rule the spectra."""
        teachers, ridges = (len(block.group(*names)) for names in (TEACHER, ("ridge",)))
        sights = len(block.group("d_weak", "cosine"))
        found = sum(level["principal"] != "latent" for level in block.group(*RULE).levels)
        worlds, seeds = block.group(*WORLD), float(len(block.values("seed")))
        pieces = []
        for level in worlds.levels:
            n, labeled, width = (float(level[name]) for name in ("n_transfer", "n_labeled", "tail_width"))
            drawn = _NORMAL * width * (2.0 * n + labeled)
            kernels = flops.syrk(width, n, 2.0) + flops.syrk(width, labeled)
            own = flops.cholesky(labeled) + flops.cholesky(n)
            solved = flops.cholesky(n) + flops.trsm(n, 2.0 * (3.0 * teachers + 1.0))
            weights = flops.gemm(width, n, ridges * (2.0 * teachers + 1.0)) + 3.0 * flops.gemm(width, n, teachers)
            served = (*TEACHER, "ridge", *RULE)
            parts = (
                (_DRAWS, 1.0, drawn, served, "one sample serves all models", width),
                (_KERNELS, 3.0, kernels, served, "teachers add few directions to one tail", n),
                (_TEACHERS, 2.0 * teachers, teachers * own, ("ridge", *RULE), "students share a teacher", n),
                (_STUDENTS, ridges, ridges * solved, (*TEACHER, *RULE), "teachers are right-hand sides", n),
                (_WEIGHTS, 1.0, weights, RULE, "", width),
                (_SPECTRA, found * (1.0 + sights), found * (1.0 + sights) * flops.eigh(n), ("ridge", "ridge_weak"), "", n),
            )
            pieces += [
                Piece(*name, seeds * count, seeds * work, serves, why, order)
                for name, count, work, serves, why, order in parts
                if count
            ]
        return pieces

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: per world and seed the samples once, then all teachers, students and rules."""
        groups = [block.group(*names) for names in (("seed",), WORLD, TEACHER, ("ridge",), RULE)]
        seeds, worlds, teachers, students, rules = groups
        asked = occurring(block, worlds, teachers)
        results = Results(block, groups)
        for w, level in enumerate(worlds.levels):
            fitted = np.flatnonzero(asked[w])
            for s, seed in enumerate(seeds.values("seed")):
                chosen = [teachers.levels[t] for t in fitted]
                found = solve_world(level, seed, chosen, students.levels, rules.levels, backend)
                results.put((s, w, fitted), found)
        columns = results.columns()
        columns["solver"] = np.full(block.shape, "cholesky", dtype=object)
        return columns
