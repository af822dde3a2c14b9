"""What every command does with an error, an interrupt and a closed pipe."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from sweeper.errors import Exit, UserError

__all__ = ["guarded", "mute_output"]


def guarded(command: Callable[..., Any]) -> Callable[..., Any]:
    """Show a user error as one message with its exit code; end quietly on an interrupt or a closed pipe."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except UserError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(int(error.code)) from None
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(int(Exit.INTERRUPTED)) from None
        except BrokenPipeError:
            mute_output()
            raise typer.Exit(0) from None

    return run


def mute_output() -> None:
    """Send what is still to be printed nowhere: the reader of a pipe has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
