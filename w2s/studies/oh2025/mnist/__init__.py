"""The teacher and the student of patches on images of handwritten digits."""
