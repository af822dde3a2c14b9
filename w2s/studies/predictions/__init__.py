"""Models trained elsewhere: a file with what they predict gives the full row."""
