"""Studies of Ildiz, Gozeten, Taga, Mondelli and Oymak 2024 (arXiv 2410.18837)."""
