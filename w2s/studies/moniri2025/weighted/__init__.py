"""Students whose penalty fits the target better than their teacher's."""
