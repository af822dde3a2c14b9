"""Naive finetuning against refinement with a latent concept: cells and grid, arithmetic, claims, figures."""
