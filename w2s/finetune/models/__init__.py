"""Pretrained models as cell values, their tokenizers, and the classifiers built on them.

Imported by training, inference and the studies. A new way to load or to top a model goes here.
"""
