"""What a worker does, on any machine and under any executor: solve one block, or make one artifact.

Executors import this room; it imports the folder, the plan and the science. A new kind of work gets a module here.
"""
