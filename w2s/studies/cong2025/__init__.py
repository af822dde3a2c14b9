"""Contrastive Weak-to-Strong Generalization (Jiang et al. 2025, arXiv 2510.07884): a folder for each study."""
