"""Commands that are not about one run: diagnosis of the machine, calibration, benchmarks, pilots, scores and imports of files.

Only the command line imports this room. A new command that stands by itself gets a module here.
"""
