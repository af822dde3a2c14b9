"""Principal coordinates and an isotropic tail: PredGap of the population against the formula."""
