"""Molecules: fingerprints and descriptors of the SMILES column of a table, by RDKit.

Computed once per file content and RDKit version, and kept as plain arrays in the user's cache folder.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.errors import FieldError
from w2s.files.cache import cached
from w2s.laws.table import Table

__all__ = ["BITS", "check", "descriptors", "folded", "morgan"]

Matrix = npt.NDArray[np.float64]

BITS, RADIUS = 2048, 2
LIMIT = 10.0
"""Descriptors are limited to this many standard deviations from their mean."""


def check(table: Table) -> None:
    """Raise :class:`FieldError` unless the table has a ``smiles`` column and RDKit can read all of it."""
    _smiles(table)
    try:
        import rdkit  # noqa: F401
    except ImportError:
        raise FieldError("molecule features need RDKit: pip install 'w2s-sweep[molecules]'") from None


def morgan(table: Table) -> Matrix:
    """Compute Morgan fingerprints of radius 2 folded to 2048 bits: (rows, 2048), 0 or 1."""
    return _cached(f"morgan-{BITS}-{RADIUS}", table, _morgan)


def folded(bits: Matrix, count: int) -> Matrix:
    """Fold fingerprints (rows, b) to ``count`` bits: bit j is set where some bit with number j modulo ``count`` is."""
    rows, width = bits.shape
    padded = np.pad(bits, ((0, 0), (0, -width % count)))
    return np.asarray(padded.reshape(rows, -1, count).max(axis=1))


def descriptors(table: Table) -> Matrix:
    """Compute RDKit's two-dimensional descriptors, standardised over the table: (rows, d), within +-10.

    Left out are descriptors that are undefined for some molecule of the table, or the same for all. Those that span more
    than 10^4 (``Ipc`` grows exponentially with size) go through sign(x) log(1 + |x|) first; then each is centred, divided
    by its standard deviation and cut at 10 of them, so that one odd molecule among the test rows does not decide the error.
    """
    return _cached(f"descriptors-{LIMIT:g}", table, _descriptors)


def _smiles(table: Table) -> list[str]:
    if "smiles" not in table.words:
        raise FieldError(f"{table.name}: molecule features need a text column 'smiles'")
    return [str(word) for word in table.words["smiles"]]


def _parsed(table: Table) -> list[Any]:
    from rdkit import Chem, RDLogger

    RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]
    molecules = [Chem.MolFromSmiles(word) for word in _smiles(table)]
    bad = [k for k, molecule in enumerate(molecules) if molecule is None]
    if bad:
        raise FieldError(f"{table.name}: {len(bad)} SMILES cannot be read (first in row {bad[0] + 1})")
    return molecules


def _morgan(table: Table) -> Matrix:
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
    return np.array([generator.GetFingerprintAsNumPy(molecule) for molecule in _parsed(table)], dtype=np.float64)


def _descriptors(table: Table) -> Matrix:
    from rdkit.Chem import Descriptors

    functions = [function for _, function in Descriptors.descList]
    values = np.array([[float(f(molecule)) for f in functions] for molecule in _parsed(table)])
    values = values[:, np.isfinite(values).all(axis=0)]
    wide = np.ptp(values, axis=0) > 1e4
    values[:, wide] = np.sign(values[:, wide]) * np.log1p(np.abs(values[:, wide]))
    values = values[:, np.ptp(values, axis=0) > 0]
    return np.asarray(np.clip((values - values.mean(axis=0)) / values.std(axis=0), -LIMIT, LIMIT))


def _cached(kind: str, table: Table, compute: Callable[[Table], Matrix]) -> Matrix:
    import rdkit

    return cached(f"{kind} {table.sha256} {rdkit.__version__}", lambda: compute(table))
