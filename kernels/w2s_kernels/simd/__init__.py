"""Helpers that compiled CPU kernels share: vector registers and register tiles, as Numba intrinsics.

Imported by `numba.py` of a kernel, and `peak` by who asks how fast a core is: importing this room needs Numba. A helper that
two kernels need goes here; what one kernel needs stays in its folder.
"""
