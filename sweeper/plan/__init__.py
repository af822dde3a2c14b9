"""What a grid will compute: how it is cut into blocks, which artifacts it takes, how long that should take.

Pure: nothing here runs, waits or writes a run folder. Imported by the folder, the launch and the commands. A new question
about a grid that can be answered before anything runs goes here.
"""
