"""Where files of a run lie: on a file system, or in an object store; the few operations that a run needs of either.

Imported by the run folder, by loading tables and by the artifact store. Another kind of place is a module here, a subclass of
`base.Place`, and a scheme in `where`.
"""
