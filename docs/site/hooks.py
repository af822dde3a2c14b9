"""What the documentation site has beside the pages of ``docs/``: files that pages link, and pages made from code.

mkdocs calls the functions that begin with ``on_``. The pages stay readable without a site: a link such as
``../configs/x.yaml`` is one from the page's file, and only here becomes one of the site.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
_AT_ROOT = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages of the checkout's root, and what they are called on the site."""
_LINK = re.compile(r"(?<=\]\()([^)\s#]+)(#[^)\s]*)?(?=\))")
_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the root, the pages made from code, and every file of the checkout that a page links."""
    made = {name: (ROOT / source).read_text(encoding="utf-8") for source, name in _AT_ROOT.items()}
    made |= {
        "gallery.md": "\n".join(gallery()),
        "commands.md": "\n".join(commands()),
        "python.md": "\n".join(python_functions()),
    }
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    for path in sorted(_linked_files(files)):
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_others: Any) -> str:
    """Turn links between files of the checkout into links of the site."""
    source = _source_of(page.file.src_uri)

    def on_site(match: re.Match[str]) -> str:
        link, anchor = match[1], match[2] or ""
        target = (source.parent / link).resolve()
        if "://" in link or not target.is_file():
            return match[0]
        up = "../" * page.file.src_uri.count("/")
        return f"{up}{_place_of(target)}{anchor}"

    return _LINK.sub(on_site, markdown)


def gallery() -> Iterator[str]:
    """Yield the gallery's lines: every picture of a study's page, its paper's grids, and what became of the claims."""
    yield "# Gallery\n"
    yield "Every picture of the studies' pages. A picture leads to the page that says which grid drew it.\n"
    studies = json.loads((ROOT / "docs" / "papers.json").read_text(encoding="utf-8"))["studies"]
    for path in sorted((ROOT / "docs" / "studies").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        pictures = list(dict.fromkeys(_PICTURE.findall(text)))
        if not pictures:
            continue
        yield f"## {_title(text)}\n"
        own = [study for study in studies if study["paper"] == path.stem]
        if own:
            grids = dict.fromkeys(grid["grid"] for study in own for grid in study["grids"])
            yield "Grids: " + ", ".join(f"[{Path(grid).name}]({grid})" for grid in grids) + "."
            outcomes = [claim["verdict"] for study in own for claim in study["claims"]]
            counted = ", ".join(f"{outcomes.count(name)} {name}" for name in dict.fromkeys(outcomes))
            yield f"[Claims](papers.md#{path.stem}): {counted}.\n"
        for says, link in pictures:
            yield f'[![{says}]({link.removeprefix("../")}){{ width=420 loading=lazy }}](studies/{path.name} "{says}")'
        yield ""


def commands() -> Iterator[str]:
    """Yield the help of every command of ``w2s-sweep``, as the terminal shows it in 100 columns."""
    from sweeper.cli import app

    yield "# Commands\n"
    yield "What `w2s-sweep COMMAND --help` prints.\n"
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        for path, one in (
            ((f"{name} {inner}", other) for inner, other in command.commands.items())
            if hasattr(command, "commands")
            else [(name, command)]
        ):
            context = one.make_context(
                f"w2s-sweep {path}", [], resilient_parsing=True, max_content_width=100, terminal_width=100
            )
            yield f"## {path}\n\n```text\n{one.get_help(context)}\n```\n"


def python_functions() -> Iterator[str]:
    """Yield the reference of what ``import w2s`` and ``import sweeper`` give, from its docstrings."""
    yield "# Python\n"
    yield "What `import w2s` and `import sweeper` give. The [kernels](architecture.md) are a package of their own.\n"
    for package in ("w2s", "sweeper"):
        module = importlib.import_module(package)
        yield f"## {package}\n"
        for name in sorted(module.__all__):
            thing = getattr(module, name)
            home, own = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
            if isinstance(home, str) and isinstance(own, str) and home.startswith(("w2s", "sweeper")):
                yield f"### {name}\n\n::: {home}.{own}\n    options:\n      show_root_heading: false\n      heading_level: 4\n"


def _linked_files(files: Files) -> set[Path]:
    """Find the files outside ``docs/`` that pages link."""
    found: set[Path] = set()
    for file in files:
        if not file.src_uri.endswith(".md"):
            continue
        source = _source_of(file.src_uri)
        for link, _ in _LINK.findall(file.content_string):
            target = (source.parent / link).resolve()
            if target.is_file() and target.is_relative_to(ROOT) and not target.is_relative_to(ROOT / "docs"):
                found.add(target)
    return {path for path in found if path.relative_to(ROOT).as_posix() not in _AT_ROOT}


def _source_of(name: str) -> Path:
    """Return the file from which the links of a page of the site are told."""
    for source, page in _AT_ROOT.items():
        if page == name:
            return ROOT / source
    return ROOT / "docs" / name


def _place_of(target: Path) -> str:
    """Return where on the site a file of the checkout is."""
    name = target.relative_to(ROOT).as_posix()
    return _AT_ROOT.get(name, name.removeprefix("docs/"))


def _title(text: str) -> str:
    return next(line.removeprefix("# ") for line in text.splitlines() if line.startswith("# "))
