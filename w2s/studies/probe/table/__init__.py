"""Linear probes on two sets of features of a table: the study to begin with."""
