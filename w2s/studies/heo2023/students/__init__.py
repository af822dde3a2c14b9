"""What a student with a mask makes of the labels of a teacher that took the decoy, and of one that did not."""
