"""What cells share: stages that are computed once for many of them, and how fast a machine is at each kind of work.

Imported by studies and by the planner; imports the probes and kernels. A helper that several solvers need gets a module here.
"""

from w2s.sharing.results import Results
from w2s.sharing.stage import Stage, Stages, Values

__all__ = ["Results", "Stage", "Stages", "Values"]
