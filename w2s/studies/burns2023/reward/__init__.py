"""Kinds of tasks side by side: rewards, with and without a generative stage, classes, and classes answered as words."""
