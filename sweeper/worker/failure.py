"""What a worker says of an exception that a study's code has raised: the error, where in the study's files, the traceback."""

from __future__ import annotations

import inspect
import linecache
import traceback
from pathlib import Path
from typing import Any

from sweeper.signals import interrupted
from w2s.user_files import in_package, place_of, plain_name

__all__ = ["describe_error", "describe_trace", "folder_of", "raise_interrupt"]

_LONGEST = 4000


def raise_interrupt(problem: BaseException) -> None:
    """Raise what a signal has raised, whatever the study has made of that: KeyboardInterrupt, SystemExit in some workers.

    Either of them without a signal is the study's own, and an error like any other.
    """
    if interrupted():
        raise (KeyboardInterrupt() if isinstance(problem, Exception) else problem)


def describe_error(problem: BaseException, owner: Any = None) -> str:
    """Write an exception as a row's message: type, text, and its line in a file of the user's own.

    Without such a line it is the one in the folder of ``owner`` (a study, a function).

    Letters that UTF-8 has not are written as escapes, and a text of more than 4,000 letters is cut.
    """
    text = "".join(traceback.format_exception_only(problem)).strip().removeprefix(_import_folder(type(problem)))
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}..."
    place = place_of(problem) or _place(problem, owner)
    return f"{text} ({place})" if place else text


def describe_trace(problem: BaseException, owner: Any = None) -> str:
    """Write the calls that led to an exception, outermost first, a line each: file, line, function and the code there.

    Files are named from the folder of ``owner``, or from the package that they are in, never from the root of a machine: rows
    travel. The engine's own calls are left out. Of a very long list the innermost calls stay.
    """
    home, lines = folder_of(owner), []
    for frame, line in traceback.walk_tb(problem.__traceback__):
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] == "sweeper":
            continue
        file = Path(frame.f_code.co_filename)
        named = file.relative_to(home) if home is not None and file.is_relative_to(home) else in_package(file, module)
        code = linecache.getline(str(file), line, frame.f_globals).strip()
        lines.append(f"{named}:{line} in {frame.f_code.co_name}: {code}")
    text = "\n".join([*lines, "".join(traceback.format_exception_only(problem)).strip()])
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= _LONGEST else f"...{text[-_LONGEST:]}"


def folder_of(owner: Any) -> Path | None:
    """Return the folder of the file in which a study or a function is written; None where there is none."""
    try:
        return Path(inspect.getfile(owner)).parent
    except (TypeError, OSError):
        return None


def _import_folder(kind: type[BaseException]) -> str:
    """Return the part of an error's name that says from which folder it was imported, and differs between machines."""
    name = plain_name(kind.__module__)
    return f"{kind.__module__.removesuffix(name)}" if kind.__module__ != name else ""


def _place(problem: BaseException, owner: Any) -> str | None:
    """Return file and line of the innermost frame that lies in the folder of the owner's file; None where there is none."""
    home, found = folder_of(owner), None
    if home is None:
        return None
    for frame, line in traceback.walk_tb(problem.__traceback__):
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(home):
            found = f"{file.relative_to(home)}:{line}"
    return found
