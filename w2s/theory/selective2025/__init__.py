"""Closed forms of selective weak-to-strong generalization."""
