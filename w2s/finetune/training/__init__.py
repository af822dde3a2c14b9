"""One training: the loop, its checkpoints, one device or several, and the artifact that wraps it.

Imported by methods and studies. It takes an objective and never knows which method asked.
"""
