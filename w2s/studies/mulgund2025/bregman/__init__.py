"""Linear heads and mixtures of heads, fitted to weak labels in either direction of the Kullback-Leibler divergence."""
