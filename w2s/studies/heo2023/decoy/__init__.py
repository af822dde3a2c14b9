"""How far each method closes the gap that a decoy opens between plain training and training where the decoy says nothing."""
