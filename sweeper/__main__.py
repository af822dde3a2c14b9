"""The program: ``w2s-sweep``, or ``python -m sweeper``. A signal while it loads ends it without a traceback."""

from __future__ import annotations

import os
import signal
from types import FrameType

from sweeper.errors import Exit
from sweeper.signals import heard

__all__ = ["main"]


def main() -> None:
    """Load the command line and run it with the arguments of this process."""
    before = {number: signal.signal(number, _end) for number in heard()}
    from sweeper.cli import main as run

    for number, handler in before.items():
        signal.signal(number, handler)
    run()


def _end(_number: int, _frame: FrameType | None) -> None:
    """End at once: nothing has begun, and an interrupt raised inside an import may be lost or become another error."""
    os.write(2, b"interrupted\n")
    os._exit(int(Exit.INTERRUPTED))


if __name__ == "__main__":
    main()
