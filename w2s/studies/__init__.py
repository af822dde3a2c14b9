"""Studies: a folder per paper and in it a folder per study, ``<paper>/<study>/{study,solve,claims,figures}.py``.

Nothing in the science but `tables` imports this room; the engine finds a study by name through `registry`. A new paper is a
new folder and a line in `registry`, with closed forms in ``w2s/theory``.
"""

from w2s.studies.registry import StudyError, find_study, study_names

__all__ = ["StudyError", "find_study", "study_names"]
