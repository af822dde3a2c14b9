"""Students of several bootstrapped teachers, and the mean of these teachers."""
