"""Runs that travel: two of them joined, one packed for a supplement, its rows in the forms that other tools read.

It reads finished runs and writes new files, never into a run but for its report; the command line imports it. A further form
of export goes into `forms`, another tracker into `trackers`.
"""
