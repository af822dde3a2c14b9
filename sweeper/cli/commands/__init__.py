"""The commands of ``w2s-sweep``, one function each, by what they are about.

Imported by the entry point `main` alone. A new command goes into the module of its kind, or into a new one that `main`
imports; what it prints goes into ``sweeper/cli/show``. Nothing heavier than Typer is imported before a command needs it.
"""
