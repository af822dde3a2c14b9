"""Seeds of trainings: each role of a cell has a stream of its own, named by hashing.

The seeds of :func:`member_seed` are made by arithmetic. They are part of the keys of finished artifacts, so they stay as they
are; every other role is hashed. :data:`BY_ARITHMETIC` lists such exceptions for the test that forbids more of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from w2s_kernels import stream

__all__ = ["BY_ARITHMETIC", "LARGEST_SEED", "MEMBERS", "member_seed", "role_seed"]

MEMBERS = 1000
"""Seeds of trainings per seed of a cell: one for each member of an ensemble."""
LARGEST_SEED = 2**63 // MEMBERS - 1
"""Largest seed of a cell, so that the seeds of its trainings have 63 bits."""
BY_ARITHMETIC: Mapping[str, str] = {
    "seed * MEMBERS": "seeds of teachers, students, ceilings and baselines are in the keys of stored artifacts",
}
"""Expressions that make a seed from another by arithmetic, and why they may."""


def member_seed(seed: int, member: int = 0) -> int:
    """Return the seed of one member of an ensemble; member 0 is also that of student, ceiling and strong baseline."""
    if not (0 <= member < MEMBERS and 0 <= seed <= LARGEST_SEED):
        raise ValueError(f"member {member} of seed {seed}: members are 0..{MEMBERS - 1}, seeds 0..{LARGEST_SEED}")
    return seed * MEMBERS + member


def role_seed(*role: str, seed: int) -> int:
    """Return a seed of 63 bits for a role, such as ``("self_labels", "folds")``, hashed from its words and the cell's seed."""
    return stream("w2s.finetune", *role, seed=seed).key[0] >> 1
