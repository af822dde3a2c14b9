"""Linear probes on real features, with their intrinsic dimensions."""
