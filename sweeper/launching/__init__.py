"""A launch: what is missing, what can run now, how far it is.

Imported by the commands, and by tools that launch. It hands work to an executor and never knows which one.
"""
