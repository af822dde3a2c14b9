"""What the command line prints: one module per subject, each a function from a result to lines on the console.

Only the commands import this room. What a new command prints gets a module here.
"""
