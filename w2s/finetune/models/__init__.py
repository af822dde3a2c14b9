"""Pretrained models as cell values, their tokenizers, and the classifiers built on them.

Imports no other room of the finetunes; laws and studies import it too. A new way to load or to top a model goes here.
"""
