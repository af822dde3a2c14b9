"""Work as values that travel: some blocks to solve, or one artifact to make. An executor calls them wherever they arrive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sweeper.worker.make import ArtifactReceipt, make_artifact
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
        """Study, number of blocks and cells."""
        count = len(self.blocks)
        return f"{self.job.study} {count} block{'s' if count > 1 else ''} of {self.blocks[0].wanted} cells"

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

    @property
    def name(self) -> str:
        """Function and first digits of the key."""
        return f"{self.function} {self.key[:8]}"

    def __call__(self, note: Callable[[str], None] = _silent) -> ArtifactReceipt:
        """Make the artifact; it is in the store when this returns without an error in its receipt."""
        self.job.check_folders()
        return make_artifact(self.job, self.owner, self.key, note)
