"""Templates of pages, read from a folder: every value that is filled in is escaped, and a missing one is an error."""

from __future__ import annotations

import functools
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

__all__ = ["page_template"]


@functools.cache
def page_template(folder: Path, name: str) -> Template:
    """Return a template, read once. Raises jinja2.TemplateNotFound where the folder lacks it."""
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)
