"""What cells share: work that is done once for many of them, and how fast a machine is at each kind of it.

Imported by studies and by the planner; imports the probes and kernels.
"""
