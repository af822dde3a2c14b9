"""Corrections of a finite set of answers, all of which are listed: accounting, the bound on the composition, rounds."""
