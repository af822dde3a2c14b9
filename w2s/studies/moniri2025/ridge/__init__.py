"""Ridge students of ridge teachers on Gaussian inputs, exact errors beside deterministic limits."""
