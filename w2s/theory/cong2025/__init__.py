"""Exact numbers for contrastive weak-to-strong generalization: means over texts of a bigram model, losses of preferences.

A module for each; all of their functions are here too.
"""

from w2s.theory.cong2025.chains import divergence, per_token
from w2s.theory.cong2025.losses import dpo_loss, wspo_loss

__all__ = ["divergence", "dpo_loss", "per_token", "wspo_loss"]
