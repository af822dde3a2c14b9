"""Where tasks run: in this process, in local processes, on a Ray cluster, or wherever a user's own executor sends them.

An executor takes tasks and hands back what became of them; it knows nothing of grids, blocks or retries, so this room imports
leaves only, and the grid may ask it which executors there are. A new executor is one module here and one line in `registry`.
"""
