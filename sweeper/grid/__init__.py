"""From the text of a grid file to a checked :class:`~sweeper.grid.model.Grid`; every complaint knows its line.

Everything in the engine may import this room; it imports the science and the errors only. A new key of grid files is read in
`read`.
"""
