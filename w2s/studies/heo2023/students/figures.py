"""The figure of the students study: errors of teacher, student and ceiling for every pair of trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.studies.heo2023.pictures import share_over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_REGS = {"none": "plain", "rrr": "RRR", "pgd": "PGD-Ex", "ibp": "IBP-Ex"}
_TITLES = {"intact": "student's decoys intact", "broken": "student's decoys broken"}


def _draw_students(table: DataFrame) -> Canvas | None:
    """Draw errors by the student's training, a colour for each teacher's, a panel for intact and for broken decoys."""
    rows, _ = fullest(table, ("teacher_reg", "student_reg", "transfer"))
    students = [name for name in _REGS if name in set(rows["student_reg"])]
    if len(students) < 2:
        return None
    kinds = [kind for kind in _TITLES if kind in set(rows["transfer"])]
    figure = figures.canvas(3.6 * len(kinds) + 2.0, 3.8)
    axes = figures.panels(figure, 1, len(kinds), sharey=True)[0]
    for ax, kind in zip(axes, kinds, strict=True):
        part = rows[rows["transfer"] == kind]
        for place, teacher in enumerate(name for name in _REGS if name in set(part["teacher_reg"])):
            color = figures.COLORS[place]
            mine = part[part["teacher_reg"] == teacher]
            for x, student in enumerate(students):
                values = mine.loc[mine["student_reg"] == student, "student_error"].to_numpy(float)
                if len(values):
                    mean, ends = share_over_seeds(values)
                    told = f"teacher: {_REGS[teacher]}" if x == 0 else None
                    ax.errorbar(x + 0.14 * (place - 1.5), mean, ends, fmt="o", ms=5, color=color, capsize=2, label=told)
            ax.axhline(float(mine["weak_error"].mean()), color=color, linewidth=0.9, linestyle=":")
        best = part.groupby("student_reg")["ceiling_error"].mean().reindex(students)
        ax.plot(np.arange(len(students)), best, "_", ms=22, color="#000000", label="ceiling")
        ax.set_xticks(range(len(students)), [_REGS[name] for name in students], fontsize=8)
        ax.set_xlabel("student's training", fontsize=9)
        ax.set_title(_TITLES[kind], fontsize=9)
    axes[0].set_ylabel("share of wrong classes", fontsize=9)
    axes[0].set_ylim(bottom=0.0)
    figures.beside(axes[-1])
    note = "{seeds}; dotted: teachers; bars: 95 % over seeds"
    heading_over_seeds(figure, "errors with random decoys", rows, note, f"law = {rows['law'].iloc[0]}")
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "students",
        "Errors of teachers and students",
        _draw_students,
        (
            "mask_recovers",
            "decoy_is_inherited",
            "broken_decoys_teach_nothing",
            "plain_student_takes_it_up",
            "mask_twice_loses_nothing",
        ),
    ),
)
