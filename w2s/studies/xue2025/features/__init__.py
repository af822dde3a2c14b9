"""Linear probes on real features, with PredGap, its prediction and scores without labels."""
