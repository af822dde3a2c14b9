"""Best moves of chess puzzles, chosen among the legal moves by models that see less or more of the game."""
