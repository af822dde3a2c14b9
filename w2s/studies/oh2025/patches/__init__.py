"""A linear teacher and a ReLU student on inputs made of signal and noise patches."""
