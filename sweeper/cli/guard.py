"""What every command does with an error, an interrupt and a closed pipe."""

from __future__ import annotations

import functools
import io
import locale
import os
import re
import sys
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand

from sweeper.errors import Exit, UserError
from sweeper.signals import interrupted
from w2s.errors import nearest
from w2s.places.bucket import PlaceError

__all__ = ["command", "mute_output", "write_any_text"]

Function = Callable[..., Any]
_QUOTED = re.compile("'([^']*)'")


def command(app: typer.Typer, help_text: str, name: str | None = None) -> Callable[[Function], Function]:
    """Register a guarded function as a command. Its help is an argument, since ``python -OO`` removes docstrings."""
    return lambda function: app.command(name, cls=_Command, help=help_text)(_guarded(function))


class _Command(TyperCommand):
    """A command that tells the nearest word where an option takes one of several."""

    def make_context(self, *arguments: Any, **settings: Any) -> Any:
        """Read the options."""
        try:
            return super().make_context(*arguments, **settings)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            if " is not one of " in error.message:
                given, *allowed = _QUOTED.findall(error.message)
                error.message = f"{error.message.removesuffix('.')}{nearest(given, allowed)}"
            raise


def _guarded(function: Function) -> Function:
    """Show a user error as one message with its exit code; end quietly on an interrupt or a closed pipe."""

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except UserError as error:
            _say(f"error: {error}")
            raise typer.Exit(int(error.code)) from None
        except PlaceError as error:
            _say(f"error: {error.filename}: {error.strerror}")
            raise typer.Exit(int(Exit.FAILED)) from None
        except UnicodeEncodeError as error:
            _say(f"error: {_unwritable(error)}")
            raise typer.Exit(int(Exit.BAD_INPUT)) from None
        except KeyboardInterrupt:
            raise _interrupt() from None
        except BrokenPipeError:
            mute_output()
            raise typer.Exit(0) from None
        except typer.Exit:
            raise
        except Exception:
            if interrupted():  # compiled code of others turns an interrupt into an error of its own
                raise _interrupt() from None
            raise

    return run


def _interrupt() -> typer.Exit:
    _say("interrupted")
    return typer.Exit(int(Exit.INTERRUPTED))


def _say(text: str) -> None:
    from sweeper.console import say  # a command that goes well does not load it for this

    say(text, err=True)


def mute_output() -> None:
    """Discard all further output: the reader of the pipe has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_any_text() -> None:
    """Let the terminal show ``?`` for a letter that its encoding lacks, where Python would end with a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _unwritable(error: UnicodeEncodeError) -> str:
    text = error.object.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return (
        f"the locale ({locale.setlocale(locale.LC_CTYPE)}) has no letters for {text!r}: "
        "set PYTHONUTF8=1, or a locale such as LC_ALL=C.UTF-8"
    )
