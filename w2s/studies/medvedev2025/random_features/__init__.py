"""Teachers and students of random features on the population: no samples, every error exact."""
