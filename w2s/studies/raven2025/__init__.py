"""Jeon et al. 2025: weak-to-strong generalization under distribution shifts, with learned weights of supervisors."""
