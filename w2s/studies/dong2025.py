"""Dong, Li, Li, Lee and Lei 2025: regression in low intrinsic dimension (arXiv 2502.05075).

Gaussian weak and strong features with a known overlap; every error is exact for the drawn samples: a quadratic form in the
population's (``evaluate: fresh``) or in the sample's own second moments, never an average over test rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from w2s import metrics
from w2s.block import Block
from w2s.cells import FieldError, field
from w2s.laws.gaussian import Geometry, latent_sample
from w2s.probe import FILTER_FIELDS, MomentProbe, filters_of
from w2s.studies.fields import FilterCell
from w2s.study import Cost, Rule, Study
from w2s.theory import dong2025 as theory
from w2s_kernels import Backend, joint_risk, prefix_grams, ridge

__all__ = ["Regression"]

Matrix = npt.NDArray[np.float64]

GEOMETRY = ("d_weak", "d_strong", "d_overlap", "overlap", "signal", "rho_weak", "rho_strong")
TEACHER = ("n_labeled", "ridge_weak")
VIEW = ("evaluate", "risk", "ceiling")
_MODELS = ("weak", "student", "strong", "ceiling")


class RegressionCell(FilterCell):
    """One point of the regression study."""

    d_weak: int = field(description="intrinsic dimension of the weak features (d_w)", unit="features", ge=1, le=20_000)
    d_strong: int = field(description="intrinsic dimension of the strong features (d_s)", unit="features", ge=1, le=20_000)
    d_overlap: float = field(description="correlation dimension d_sw = ||V_s'V_w||_F^2", unit="features", ge=0)
    overlap: Literal["aligned", "spread"] = field(
        "aligned", description="shared directions and at most one partly shared, or all canonical cosines equal"
    )
    signal: float = field(1.0, description="E f*(x)^2", unit="label power", ge=0)
    rho_weak: float = field(0.0, description="part of the signal outside the weak features", unit="of the signal", ge=0, le=1)
    rho_strong: float = field(
        0.0, description="part of the signal outside the strong features", unit="of the signal", ge=0, le=1
    )
    noise: float = field(1.0, description="standard deviation of the label noise", unit="labels", ge=0)
    n_labeled: int = field(description="rows with true labels (n)", unit="rows", ge=2, le=2**32 - 1)
    n_transfer: int = field(description="rows that the weak model labels (N)", unit="rows", ge=2, le=2**32 - 1)
    ridge_weak: float = field(0.0, description="ridge of weak model and strong baseline", unit="feature power", ge=0)
    risk: Literal["excess", "noisy"] = field("excess", description="against f*, or against labels with noise")
    evaluate: Literal["fresh", "transfer", "labeled"] = field(
        "fresh", description="population risk, or in-sample risk on the transfer or the labelled inputs"
    )
    ceiling: Literal["transfer", "labeled+transfer"] = field(
        "labeled+transfer", description="rows whose true labels the ceiling is trained on"
    )
    ceiling_tuning: Literal["same"] = field("same", description="ceiling and student have the same filter")


class Regression(Study):
    """Ridgeless (or filtered) regression on Gaussian features of low intrinsic dimension."""

    name = "dong2025.regression"
    version = 1
    Cell = RegressionCell
    summary = "Dong et al. 2025: exact weak-to-strong risks in low intrinsic dimension, with their closed forms"
    shares = ("n_labeled", "n_transfer", "d_strong", "d_weak", *FILTER_FIELDS, "ridge_weak", "evaluate", "risk", "ceiling")
    columns: Mapping[str, str] = (
        {"opr": "double"}
        | {f"{model}_error_theory": "double" for model in _MODELS}
        | {
            "pgr_theory": "double",
            "opr_theory": "double",
        }
    )
    rules = (
        Rule(
            ("n_labeled", "d_weak"), lambda n, d: n > d + 1, "n_labeled must exceed d_weak + 1, else the weak risk has no mean"
        ),
        Rule(
            ("n_transfer", "d_strong"), lambda n, d: n > d + 1, "n_transfer must exceed d_strong + 1, else the risk has no mean"
        ),
        Rule(
            ("d_overlap", "d_weak", "d_strong"),
            lambda overlap, weak, strong: overlap <= np.minimum(weak, strong),
            "d_overlap must not exceed d_weak or d_strong",
        ),
    )

    def check(self, block: Block) -> None:
        """Refuse a geometry for which no target exists."""
        for level in block.group(*GEOMETRY).levels:
            problem = Geometry(**level).problem()
            if problem is not None:
                raise FieldError(problem)

    def cost(self, block: Block) -> Cost:
        """Grams of the latent coordinates, one eigendecomposition per fit, one quadratic form per student."""
        size = max(block.values("d_weak")) + max(block.values("d_strong")) + 2.0
        seeds, geometries = len(block.values("seed")), len(block.group(*GEOMETRY, "noise"))
        teachers, transfers = len(block.group(*TEACHER)), len(block.values("n_transfer"))
        filters = len(block.group(*FILTER_FIELDS))
        rows = max(block.values("n_labeled")) + max(block.values("n_transfer"))
        fits = geometries * (teachers + transfers + teachers * transfers) * 10 * size**3
        risks = geometries * teachers * transfers * filters * len(block.group(*VIEW)) * 4 * size**2
        grams = 2.0 * rows * size**2
        held = 8.0 * (rows * size + seeds * (teachers + transfers) * size**2 + seeds * filters * size * 4)
        return Cost(seeds * (grams + fits + risks), held)

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: second moments once per seed, then all geometries, sample counts and filters from them."""
        seeds, geometries, teachers = block.group("seed"), block.group(*GEOMETRY, "noise"), block.group(*TEACHER)
        transfers, filters, views = block.group("n_transfer"), block.group(*FILTER_FIELDS), block.group(*VIEW)
        groups = (seeds, geometries, teachers, transfers, filters, views)
        shape = tuple(len(group) for group in groups)
        names = (*(f"{model}_error" for model in _MODELS), "misfit", "gain", "condition")
        out = {name: np.full(shape, np.nan) for name in names}
        moments = _Moments(block, backend)
        for g, geometry in enumerate(geometries.levels):
            solver = _Solver(geometry, moments, filters.levels, backend)
            for t, teacher in enumerate(teachers.levels):
                for n, transfer in enumerate(transfers.values("n_transfer")):
                    for v, view in enumerate(views.levels):
                        for name, values in solver.solve(teacher, transfer, view).items():
                            out[name][:, g, t, n, :, v] = values
        columns = {name: block.gather(table, *groups) for name, table in out.items()}
        columns["opr"] = metrics.opr(columns["strong_error"], columns["student_error"])
        columns["solver"] = np.full((1,) * len(block.axes), "gram", dtype=object)
        return columns | _theory(block)


class _Moments:
    """Second moments of the latent coordinates and the noise, for every seed and sample count of a block.

    ``labeled[n]`` and ``transfer[N]`` are sums over rows: (seeds, D + 1, D + 1) over [s, e, t, noise] at the largest widths.
    """

    def __init__(self, block: Block, backend: Backend) -> None:
        self.d_strong, self.d_weak = max(block.values("d_strong")), max(block.values("d_weak"))
        seeds = block.values("seed")
        self.labeled = self._sums("labeled", seeds, sorted(block.values("n_labeled")), backend)
        self.transfer = self._sums("transfer", seeds, sorted(block.values("n_transfer")), backend)

    def _sums(self, role: str, seeds: list[int], counts: list[int], backend: Backend) -> dict[int, Matrix]:
        size = self.d_strong + self.d_weak + 2
        sums = np.empty((len(counts), len(seeds), size, size))
        for k, seed in enumerate(seeds):
            rows = latent_sample(role, seed, counts[-1], self.d_strong, self.d_weak, backend)
            sums[:, k] = backend.to_numpy(prefix_grams(rows, counts, backend=backend))
        return dict(zip(counts, sums, strict=True))

    def select(self, sums: Matrix, d_strong: int, d_weak: int) -> Matrix:
        """Sub-moments of narrower features: [s[:d_strong], e[:d_weak], t, noise]."""
        weak = self.d_strong + np.arange(d_weak)
        rest = self.d_strong + self.d_weak + np.arange(2)
        index = np.concatenate([np.arange(d_strong), weak, rest])
        return np.ascontiguousarray(sums[:, index[:, None], index[None, :]])


class _Solver:
    """All fits of one geometry. Vectors over z = [s, e, t, noise]; y = f* + sigma noise; an error is a form in moments of z."""

    def __init__(
        self,
        level: Mapping[str, Any],
        moments: _Moments,
        filters: tuple[Mapping[str, Any], ...],
        backend: Backend,
    ) -> None:
        self.noise = float(level["noise"])
        geometry = Geometry(**{name: level[name] for name in GEOMETRY})
        self.geometry, self.moments, self.filters, self.backend = geometry, moments, filters_of(filters), backend
        pad = ((0, 0), (0, 1))
        self.weak_map, self.strong_map = np.pad(geometry.weak_map(), pad), np.pad(geometry.strong_map(), pad)
        self.target = np.append(geometry.target(), 0.0)
        self.label = np.append(geometry.target(), self.noise)
        self._fits: dict[tuple[Any, ...], tuple[Matrix, Matrix]] = {}

    def solve(self, teacher: Mapping[str, Any], n_transfer: int, view: Mapping[str, Any]) -> dict[str, Matrix]:
        """Errors of all models for one teacher and transfer count: arrays (seeds, filters)."""
        n, ridge_weak = teacher["n_labeled"], teacher["ridge_weak"]
        labeled, transfer = self._sums(n, n_transfer)
        weak, weak_condition = self._fit("weak", labeled, n, ridge_weak, ("weak", n, ridge_weak))
        strong, _ = self._fit("strong", labeled, n, ridge_weak, ("strong", n, ridge_weak))
        student, condition = self._student(transfer, n_transfer, weak, (n, ridge_weak, n_transfer))
        joined = view["ceiling"] == "labeled+transfer"
        sums, rows = (labeled + transfer, n + n_transfer) if joined else (transfer, n_transfer)
        ceiling, _ = self._ceiling(sums, rows, (joined, n if joined else 0, n_transfer))
        second = {"fresh": None, "transfer": transfer / n_transfer, "labeled": labeled / n}[view["evaluate"]]
        goal = self.target if view["risk"] == "excess" else self.label
        errors = {
            "weak_error": self._error(weak - goal, second),
            "student_error": self._error(student - goal, second),
            "strong_error": self._error(strong - goal, second),
            "ceiling_error": self._error(ceiling - goal, second),
            "misfit": self._error(student - weak, second),
        }
        errors["gain"] = errors["misfit"] + 2.0 * self._inner(weak - student, student - goal, second)
        return errors | {"condition": np.maximum(condition, weak_condition)}

    def _sums(self, n_labeled: int, n_transfer: int) -> tuple[Matrix, Matrix]:
        widths = self.geometry.d_strong, self.geometry.d_weak
        labeled = self.moments.select(self.moments.labeled[n_labeled], *widths)
        return labeled, self.moments.select(self.moments.transfer[n_transfer], *widths)

    def _fit(self, role: str, sums: Matrix, rows: int, strength: float, key: tuple[Any, ...]) -> tuple[Matrix, Matrix]:
        """Weak model or strong baseline as a vector over z: (seeds, 1, D), and its condition (seeds, 1)."""
        if key not in self._fits:
            features = self.weak_map if role == "weak" else self.strong_map
            self._fits[key] = self._regress(features, sums, rows, sums @ self.label, ridge([strength]))
        return self._fits[key]

    def _student(self, sums: Matrix, rows: int, weak: Matrix, key: tuple[Any, ...]) -> tuple[Matrix, Matrix]:
        key = ("student", *key)
        if key not in self._fits:
            weak_labels = np.einsum("sij,sj->si", sums, weak[:, 0])
            self._fits[key] = self._regress(self.strong_map, sums, rows, weak_labels, self.filters)
        return self._fits[key]

    def _ceiling(self, sums: Matrix, rows: int, key: tuple[Any, ...]) -> tuple[Matrix, Matrix]:
        key = ("ceiling", *key)
        if key not in self._fits:
            self._fits[key] = self._regress(self.strong_map, sums, rows, sums @ self.label, self.filters)
        return self._fits[key]

    def _regress(self, features: Matrix, sums: Matrix, rows: int, moment: Matrix, filters: Any) -> tuple[Matrix, Matrix]:
        """Fit ``features`` z to a label with moments E z y = moment / rows; return vectors over z and conditions."""
        probe = MomentProbe(features @ sums @ features.T / rows, self.backend)
        theta = probe.fit((moment / rows @ features.T)[..., None], filters)[..., 0]
        return theta @ features, probe.condition(filters)

    def _error(self, difference: Matrix, second: Matrix | None) -> Matrix:
        """E (v'z)^2 for vectors (seeds, L, D): (seeds, L)."""
        if second is None:
            return np.asarray(np.sum(difference * difference, axis=-1))
        return np.asarray(joint_risk(difference[..., None], second)[..., 0])

    def _inner(self, first: Matrix, other: Matrix, second: Matrix | None) -> Matrix:
        if second is None:
            return np.asarray(np.sum(first * other, axis=-1))
        return np.asarray(np.sum((first @ second) * other, axis=-1))


def _theory(block: Block) -> dict[str, npt.NDArray[Any]]:
    """Closed-form expectations of the errors, null where none is known."""
    names = ("d_weak", "d_strong", "d_overlap", "signal", "rho_weak", "rho_strong", "noise", "n_labeled", "n_transfer")
    fields = {name: block.column(name) for name in names}
    ridgeless = (block.column("ridge_weak") == 0) & (block.column("ridge") == 0)
    group = block.group(*GEOMETRY)
    dots = np.array([theory.target_products(Geometry(**level)) for level in group.levels])[group.codes]
    values = theory.errors(
        **fields, products=dots, evaluate=block.column("evaluate"), risk=block.column("risk"), ceiling=block.column("ceiling")
    )
    columns = {f"{model}_error_theory": np.where(ridgeless, values[model], np.nan) for model in _MODELS}
    weak, student, strong, ceiling = (columns[f"{model}_error_theory"] for model in _MODELS)
    columns["pgr_theory"] = metrics.pgr(weak, student, ceiling)[0]
    columns["opr_theory"] = metrics.opr(strong, student)
    return columns
