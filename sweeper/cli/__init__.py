"""The command line: one function per command, and in ``show/`` what each of them prints.

Top room of the engine: nothing imports it. A new command goes into `commands`, what it prints into a module of ``show/``.
"""

from sweeper.cli.commands import app, main

__all__ = ["app", "main"]
