"""Two-layer networks after one gradient step: an easy direction learnt from the teacher, a hard one kept from pretraining."""
