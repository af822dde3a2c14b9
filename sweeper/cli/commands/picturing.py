"""Figures, tables and comparisons of one's own choice, and one page over many runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sweeper.cli.app import RunName, TrustCode, app
from sweeper.cli.guard import command

__all__: list[str] = []  # commands are reached through the application

Select = Annotated[
    list[str] | None,
    typer.Option(metavar="AXIS=VALUE", help="keep one value of an axis, or several: AXIS=V1,V2; may be given several times"),
]
BestOver = Annotated[
    str | None,
    typer.Option(metavar="AXIS", help="take the best value of an axis: chosen on even seeds, reported on odd ones"),
]
TableFormat = Annotated[
    Literal["text", "md", "csv", "latex", "tex", "html"] | None,
    typer.Option("--format", help="how it is written; default: as --out ends, else text"),
]
Width = Annotated[int, typer.Option(min=20, help="columns of text")]
Caption = Annotated[
    str | None, typer.Option(metavar="LATEX", help="caption of a LaTeX table; default: what it shows, in words")
]
Label = Annotated[str | None, typer.Option(metavar="NAME", help="label of a LaTeX table, for \\ref")]
Out = Annotated[Path | None, typer.Option(metavar="FILE", help="write it to a file instead of printing it")]


@command(app, "Draw a metric against axes of a run, with intervals, and say in the figure what is held fixed.")
def plot(
    run: RunName,
    x: Annotated[str | None, typer.Option("--x", help="axis; a metric for scatter")] = None,
    y: Annotated[str | None, typer.Option("--y", help="metric, or METRIC,METRIC,... of one unit; an axis for heatmap")] = None,
    panel: Annotated[str | None, typer.Option(help="axis with a panel for every value")] = None,
    color: Annotated[str | None, typer.Option(help="axis with a line for every value; the metric of a heatmap")] = None,
    kind: Annotated[
        Literal["line", "heatmap", "scatter", "parallel"] | None, typer.Option(help="default: judged by what x and y are")
    ] = None,
    select: Select = None,
    best_over: BestOver = None,
    form: Annotated[
        Literal["png", "svg", "pdf"] | None,
        typer.Option("--format", help="default: as --out ends, else png"),
    ] = None,
    style: Annotated[Literal["paper", "slides"], typer.Option(help="widths of a paper's columns, or slides")] = "paper",
    title: Annotated[str | None, typer.Option(help="title of a slide")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="default: RUN/report/plot-WORDS.FORMAT")] = None,
    trust_code: TrustCode = False,
) -> None:
    from sweeper.console import say
    from sweeper.showing.pictures import draw_picture, picture_form

    written = picture_form(out, form)
    words = {"x": x, "y": y, "panel": panel, "color": color, "kind": kind, "style": style, "title": title}
    caption, path = draw_picture(run, words, select or [], best_over, written, out, trust_code=trust_code)
    say(caption)
    say(f"wrote {path}")


@command(app, "Print metrics with intervals against axes of a run, as text of 80 columns, Markdown, CSV, LaTeX or HTML.")
def table(
    run: RunName,
    by: Annotated[str | None, typer.Option(metavar="AXIS,...", help="axes of the lines; default: all that vary")] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="METRIC,...", help="columns; default: errors, gain, misfit and PGR")
    ] = None,
    form: TableFormat = None,
    select: Select = None,
    best_over: BestOver = None,
    width: Width = 80,
    caption: Caption = None,
    label: Label = None,
    out: Out = None,
    trust_code: TrustCode = False,
) -> None:
    from sweeper.showing.pictures import run_rows_table, table_form, written_table

    written = table_form(out, form)
    made = run_rows_table(run, by, metrics, select or [], best_over, trust_code=trust_code)
    _give(written_table(made, written, width, caption, label), out)


@command(
    app,
    "Compare runs of one study, or values of an axis of one run: paired by seed, corrected by Holm, with a conclusion.",
)
def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN [RUN...]", help="run folders; the first is the baseline", show_default=False)
    ],
    metric: Annotated[str | None, typer.Option(help="column to compare; default: the student's error")] = None,
    over: Annotated[str | None, typer.Option(metavar="AXIS", help="axis of one run whose values are compared")] = None,
    baseline: Annotated[str | None, typer.Option(metavar="VALUE", help="value that the others are compared with")] = None,
    by: Annotated[str | None, typer.Option(metavar="AXIS,...", help="axes of the groups; default: all that vary")] = None,
    better: Annotated[Literal["auto", "lower", "higher"], typer.Option(help="which values are better")] = "auto",
    select: Select = None,
    best_over: BestOver = None,
    form: TableFormat = None,
    width: Width = 80,
    caption: Caption = None,
    label: Label = None,
    out: Out = None,
    trust_code: TrustCode = False,
) -> None:
    from sweeper.showing.comparing import compare_runs
    from sweeper.showing.pictures import table_form, written_table

    written = table_form(out, form)
    made = compare_runs(runs, metric, over, baseline, by, better, select or [], best_over, trust_code=trust_code)
    _give(written_table(made, written, width, caption, label), out)


@command(app, "Write one page over all runs in a folder: what each found, in words, and links to their reports.")
def index(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="folder with run folders, at any depth", show_default=False)],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="default: FOLDER/index.html")] = None,
    trust_code: TrustCode = False,
) -> None:
    from sweeper.console import say
    from sweeper.showing.run_index import write_index

    runs, path = write_index(folder, out, trust_code=trust_code)
    say(f"{runs} runs; wrote {path}")


def _give(text: str, out: Path | None) -> None:
    """Print a table, or write it to a file."""
    from sweeper.console import printable, say, short
    from sweeper.showing.pictures import write_text

    if out is None:
        typer.echo(printable(text), nl=False)
    else:
        write_text(out, text)
        say(f"wrote {short(out)}")
