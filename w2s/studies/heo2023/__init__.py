"""Heo, Piratla, Wicker and Weller 2023: use perturbations when learning from explanations (arXiv 2303.06419)."""
