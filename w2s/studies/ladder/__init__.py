"""Ladders of small language models that are pretrained here: bits per byte by size, and what the sizes are worth on tasks.

``pretraining`` makes models that other studies name as ``run:FOLDER:SIZE``; ``tasks`` compares them on text tasks.
"""
