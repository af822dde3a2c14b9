"""Reasons not to notice a sabotage that claims of several studies share, for :attr:`w2s.claims.claim.Claim.overlooks`."""

from __future__ import annotations

__all__ = ["ANY_ORDER", "AVERAGED", "NO_CEILING", "NO_STUDENT", "ONE_FACTOR", "STUDENT_AVERAGED", "TEACHER_AVERAGED"]

Reasons = dict[str, str]

_SCALED = ("teacher_up", "teacher_down")
_STUDENTS = ("student_is_teacher", "student_is_ceiling", "student_constant", "student_shuffled", "seeds_permuted")

ANY_ORDER: Reasons = {"seeds_permuted": "means over seeds are the same in any order of the seeds"}
ONE_FACTOR: Reasons = dict.fromkeys(_SCALED, "a factor of all errors of the teacher changes no order, slope or correlation")
TEACHER_AVERAGED: Reasons = {"teacher_noisy": "noise of mean zero averages out over seeds and rows"}
STUDENT_AVERAGED: Reasons = {"student_noisy": TEACHER_AVERAGED["teacher_noisy"]}
AVERAGED: Reasons = {**TEACHER_AVERAGED, **STUDENT_AVERAGED}
NO_STUDENT: Reasons = dict.fromkeys((*_STUDENTS, "student_noisy"), "no student is in the sentence")
NO_CEILING: Reasons = {"ceiling_is_teacher": "neither the ceiling nor the strong baseline is in the sentence"}
