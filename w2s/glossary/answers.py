"""Answers of ``w2s-sweep explain`` to the words that people stumble over, a page each."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ANSWERS"]

_PGR = """\
pgr: performance gap recovered

  pgr = (weak_error - student_error) / (weak_error - ceiling_error)

0: the student is as good as its weak teacher. 1: as good as the ceiling, which
saw true labels. Above 1: better than the ceiling. Below 0: worse than the
teacher.

A ratio with a small denominator says little. Where weak model and ceiling are
equally good the row has pgr null, and pgr_status says why. Summaries never
average ratios: they take the ratio of mean gain to mean gap, with an interval
that accounts for noise in both (docs/statistics.md).

pgr_01 is the same by shares of wrong classes."""

_GAIN = """\
gain: weak_error - student_error

Positive: the student, which saw only the weak model's labels, is better than
the weak model. It is measured on the same rows for both. gain_01 is the same
by shares of wrong classes."""

_MISFIT = """\
misfit: how far the student is from the labels that it was trained on

Regression: E (student(x) - label(x))^2. Classification by cross-entropy:
E KL(label || student), in nats. The labels are the last teacher's outputs,
hardened or tempered as the student got them.

weak_distance is the same distance to the outputs of the weak model, which
weak_error and gain are about. Where the labels are these outputs, both are
equal, and theorems such as "gain is at least the misfit of a projection" hold
for it. No truth is in either number."""

_OPR = """\
opr: strong_error / student_error

Many weak labels against few true ones. The strong baseline learns as the
student does (same features, same filter or recipe), from the few true labels
that the weak model had. Above 1: the student of many weak labels is better.
Below 1: training the strong model on the few true labels is better."""

_STATUS = """\
status: whether the numbers of a row can be used

  ok               they can
  singular         the weak model or the student was fitted without
                   regularisation and had no unique solution; the minimum-norm
                   one was taken
  ill_conditioned  condition above 1e12: numbers of another machine or backend
                   may differ
  nonfinite        a result was not a number; it is null
  failed           the study raised an error; message says where, traceback
                   how, every number is null, and the next launch tries again

pgr_status says the same of a ratio: whether there was a gap to recover."""

_CEILING = """\
ceiling: the strong model, trained on true labels

Two fields say on which rows (ceiling) and how it is tuned (ceiling_tuning). Its
error is what a student could reach, so it is the end of the gap that PGR
measures. It is no bound: a student can be better."""

_WEAK = """\
weak: the weak model, or teacher

Trained on n_labeled true labels with the weak representation. Its predictions
on n_transfer other rows are the labels that the student gets."""

_STUDENT = """\
student: the strong representation, trained on weak labels alone

Also called the weak-to-strong model. student_filter says how it is trained:
ridge, gradient flow or steps of gradient descent (earlier releases called the
field filter)."""

_STRONG = """\
strong: the strong baseline

The strong representation, trained like the student on the few true labels
that the weak model had. It says what the weak labels are worth: see opr."""

ANSWERS: Mapping[str, str] = {
    "pgr": _PGR,
    "misfit": _MISFIT,
    "opr": _OPR,
    "status": _STATUS,
    "gain": _GAIN,
    "weak": _WEAK,
    "student": _STUDENT,
    "strong": _STRONG,
    "ceiling": _CEILING,
}
"""Answer by word; lines of at most 80 characters."""
