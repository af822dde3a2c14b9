"""The command line: one function per command, and in ``show/`` what each of them prints.

Top room of the engine: nothing imports it. A new command goes into a module of ``commands/``, what it prints into one of
``show/``.
"""

from sweeper.cli.app import app
from sweeper.cli.main import main

__all__ = ["app", "main"]
