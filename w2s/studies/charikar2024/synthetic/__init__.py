"""Heads on pretrained or perturbed representations: the gain of a student is its misfit."""
