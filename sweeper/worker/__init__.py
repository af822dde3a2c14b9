"""What a worker does, wherever it is: solve blocks, or make one artifact; and both as tasks that travel.

A launch imports this room and hands its tasks to an executor. A new kind of work gets a module here.
"""
