"""Work as values that travel: some blocks to solve, or one artifact to make. An executor calls them wherever they arrive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sweeper.worker.make import ArtifactReceipt, make_artifact
from sweeper.worker.names import block_words
from sweeper.worker.solve import Job, Receipt, solve_blocks
from w2s.contract.block import Block

__all__ = ["ArtifactTask", "BlocksTask"]


def _silent(_text: str) -> None:
    return None


@dataclass(frozen=True)
class BlocksTask:
    """Solve blocks one after another on one core; its result is a receipt for each."""

    job: Job
    blocks: tuple[Block, ...]

    @property
    def name(self) -> str:
        """Ranges of the fields that vary: ``solve d_weak=20..200 seed 5``."""
        return block_words(self.blocks)

    @property
    def cpus(self) -> float:
        """Return 1: a block is solved on one thread."""
        return 1

    @property
    def gpus(self) -> float:
        """Return 1 with the CuPy backend, else 0."""
        return float(self.job.backend == "cupy")

    def __call__(self, note: Callable[[str], None] = _silent) -> list[Receipt]:  # noqa: ARG002
        """Solve the blocks; their parts are on disk when this returns."""
        self.job.check_folders()
        return solve_blocks(self.job, self.blocks)


@dataclass(frozen=True)
class ArtifactTask:
    """Make the artifact call ``key``, which a worker derives again from ``owner``, a block that needs it."""

    job: Job
    owner: Block
    key: str
    function: str
    cpus: float = 1
    gpus: float = 0
    words: str = ""

    @property
    def name(self) -> str:
        """What the study calls it (``words``); without these function and first digits of the key."""
        return self.words or f"{self.function} {self.key[:8]}"

    def __call__(self, note: Callable[[str], None] | None = None) -> ArtifactReceipt:
        """Make the artifact; it is in the store when this returns without an error in its receipt."""
        self.job.check_folders()
        return make_artifact(self.job, self.owner, self.key, note)
