"""Blocks and artifacts as Ray tasks. The only room that imports Ray."""
