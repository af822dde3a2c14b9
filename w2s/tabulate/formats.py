"""A table of texts in five notations. Each function takes headings, lines, the number of key columns, and what is said around.

Nothing but the standard library is needed.
"""

from __future__ import annotations

import html as markup
import re
import textwrap
from collections.abc import Mapping, Sequence

__all__ = ["NAME", "html", "latex", "latex_sentence", "markdown", "paragraph", "text"]

Lines = Sequence[Sequence[str]]
_GAP = "  "
NAME = "\0"
"""Stands on both sides of the name of a column in a sentence that will be LaTeX."""
_NUMBER = re.compile(r"^[+-]?(\d|\.\d|inf|nan)")


def text(headings: Sequence[str], lines: Lines, keys: int, above: str, notes: Sequence[str], width: int) -> str:
    """Write aligned columns; headings fold at blanks and underscores, and what is too wide continues in a part below.

    No cell is cut: a column that is wider than ``width`` by itself keeps its width.
    """
    folded = [_fold(heading, max((len(line[k]) for line in lines), default=0)) for k, heading in enumerate(headings)]
    widths = [
        max([len(part) for part in folded[k]] + [len(line[k]) for line in lines], default=0) for k in range(len(headings))
    ]
    parts = [_part(columns, folded, lines, widths) for columns in _parts(widths, keys, width)]
    said = [paragraph(sentence, width) for sentence in notes]
    head = [paragraph(above, width), ""] if above else []
    return "\n".join([*head, "\n\n".join(parts), *(["", *said] if said else [])]) + "\n"


def paragraph(sentence: str, width: int) -> str:
    """Fold a sentence to lines of at most ``width`` letters; no word, number or path is broken."""
    return textwrap.fill(sentence, width, break_long_words=False, break_on_hyphens=False)


def _fold(heading: str, content: int) -> list[str]:
    """Fold a heading so that it is hardly wider than what stands below it."""
    pieces = re.findall(r"[^ _]+[ _]?", heading)
    limit = max([content, *(len(piece) for piece in pieces)])
    rows = [""]
    for piece in pieces:
        if rows[-1] and len(rows[-1]) + len(piece.rstrip()) > limit:
            rows.append("")
        rows[-1] += piece
    return [row.rstrip() for row in rows]


def _parts(widths: Sequence[int], keys: int, width: int) -> list[list[int]]:
    """Distribute columns over parts that fit; every part begins with the keys."""
    first = list(range(keys))
    parts, room = [list(first)], width - sum(widths[k] + len(_GAP) for k in first)
    left = room
    for k in range(keys, len(widths)):
        if len(parts[-1]) > keys and widths[k] > left:
            parts.append(list(first))
            left = room
        parts[-1].append(k)
        left -= widths[k] + len(_GAP)
    return parts


def _part(columns: Sequence[int], folded: Sequence[Sequence[str]], lines: Lines, widths: Sequence[int]) -> str:
    deep = max((len(folded[k]) for k in columns), default=0)
    heads = [[(*("",) * (deep - len(folded[k])), *folded[k])[row] for k in columns] for row in range(deep)]
    right = {k: all(_NUMBER.match(line[k]) or line[k] == "-" for line in lines) and bool(lines) for k in columns}
    cells = [*heads, ["-" * widths[k] for k in columns], *([line[k] for k in columns] for line in lines)]
    pad = {k: str.rjust if right[k] else str.ljust for k in columns}
    return "\n".join(_GAP.join(pad[k](cell, widths[k]) for k, cell in zip(columns, row, strict=True)).rstrip() for row in cells)


def markdown(headings: Sequence[str], lines: Lines, keys: int, above: str, notes: Sequence[str]) -> str:
    """Write a pipe table; numbers stand at the right."""

    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in cells) + " |"

    rule = ["---" if k < keys else "--:" for k in range(len(headings))]
    body = [row(headings), row(rule), *(row(line) for line in lines)]
    said = ["", " ".join(notes)] if notes else []
    return "\n".join([*([above, ""] if above else []), *body, *said]) + "\n"


def latex(headings: Sequence[str], lines: Lines, caption: str, label: str | None = None) -> str:
    """Write a table environment with ``booktabs`` rules. Headings and caption are LaTeX, cells texts; numbers stand right."""
    body = [" & ".join(_tex(cell) for cell in line) + r" \\" for line in lines]
    right = [bool(lines) and all(_NUMBER.match(line[k]) or line[k] == "-" for line in lines) for k in range(len(headings))]
    inside = [
        rf"\begin{{tabular}}{{{''.join('r' if k else 'l' for k in right)}}}",
        r"\toprule",
        " & ".join(headings) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    above = [r"% needs \usepackage{booktabs}", r"\begin{table}", r"\centering", rf"\caption{{{caption}}}"]
    named = [rf"\label{{{label}}}"] if label else []
    return "\n".join([*above, *named, *inside, r"\end{table}"]) + "\n"


def latex_sentence(sentence: str, symbols: Mapping[str, str]) -> str:
    """Write a sentence in LaTeX; a name between two :data:`NAME` becomes its symbol, and all else is escaped."""
    parts = sentence.split(NAME)
    return "".join(symbols.get(part) or _tex(part) if k % 2 else _tex(part) for k, part in enumerate(parts))


_TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "†": r"$^{\dagger}$",
}


def _tex(cell: str) -> str:
    if power := re.fullmatch(r"(-?\d+(?:\.\d+)?)e([+-]\d+)(†?)", cell):
        times = "" if power[1] == "1" else rf"{power[1]} \times "
        return rf"${times}10^{{{int(power[2])}}}${_TEX['†'] if power[3] else ''}"
    escaped = "".join(_TEX.get(letter, letter) for letter in cell)
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", escaped)


def html(headings: Sequence[str], lines: Lines, keys: int, above: str, notes: Sequence[str]) -> str:
    """Write a ``table`` element with a caption; keys are row headings."""
    caption = " ".join(filter(None, [f"{above}." if above else "", *notes]))
    heads = "".join(f'<th scope="col">{markup.escape(heading)}</th>' for heading in headings)
    body = "".join(f"<tr>{''.join(_html_cell(cell, k < keys) for k, cell in enumerate(line))}</tr>\n" for line in lines)
    said = f"<caption>{markup.escape(caption)}</caption>\n" if caption else ""
    return f"<table>\n{said}<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"


def _html_cell(cell: str, key: bool) -> str:
    return f'<th scope="row">{markup.escape(cell)}</th>' if key else f"<td>{markup.escape(cell)}</td>"
