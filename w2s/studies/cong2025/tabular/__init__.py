"""Contrastive decoding of bigram models with a known reward: worlds, samples, students, cells, claims, figures."""
