"""One training: the loop, its checkpoints, one device or several, and the artifact that wraps it.

Imported by the kit of methods and by pretraining. It takes an objective and never knows which method asked.
"""
