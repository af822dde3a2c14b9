"""Linear probes on hidden layers of frozen encoders as weak and strong models."""
