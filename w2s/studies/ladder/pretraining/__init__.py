"""Small decoders, pretrained on one corpus in one recipe; held-out bits per byte by size."""
