"""The entry point. Help lists the commands in the order in which their modules are imported here."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

# isort: off
from sweeper.cli.app import app
from sweeper.cli.commands import catalogue, explaining, running, looking, picturing, travelling, outside, machine  # noqa: F401  (each registers its commands)
from sweeper.cli.store import store_app

# isort: on
from sweeper.cli.guard import write_any_text
from sweeper.cli.supervisor import supervise

__all__ = ["main"]

_OBJECTS = 50_000
"""Objects made between two collections of garbage, 70 times as many as usual: imports leave none, and looking took 0.04 s."""
_SOLVING = ("launch", "plan", "rerun", "atlas")

app.add_typer(store_app, name="store")


def main() -> None:
    """Run ``w2s-sweep`` with the arguments of this process; commands that run a study's code do so in a child."""
    write_any_text()
    gc.set_threshold(_OBJECTS)
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in _SOLVING:
        sys.exit(supervise(_run, again=name in ("launch", "atlas")))
    _run()


def _run() -> None:
    _keep_only(sys.argv[1] if len(sys.argv) > 1 else "")
    app(prog_name="w2s-sweep")  # the name under which shells complete it


def _keep_only(name: str) -> None:
    """Drop the commands beside one that is named, since to read the options of thirty of them takes time."""
    named = [command for command in app.registered_commands if name == (command.name or _spelt(command.callback))]
    if named:
        app.registered_commands, app.registered_groups = named, []


def _spelt(callback: Callable[..., Any] | None) -> str:
    """Return the word by which a function without a name of its own is called."""
    return "" if callback is None else callback.__name__.replace("_", "-")
