"""Logistic students trained by gradient steps on the labels of a teacher with structured or random errors."""
