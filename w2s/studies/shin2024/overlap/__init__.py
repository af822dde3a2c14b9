"""How much a student gains at each density of inputs that hold an easy and a hard pattern at once."""
